//! The host side of Weft: one tool that turns an ELF into a bootable image, packs the
//! initramfs, and starts QEMU on a machine described by a file in `machines/`.
//!
//! `image` and `initramfs` prepare what is booted; `run` boots it; `test` boots it many times.

mod bench;
mod budget;
mod chaos;
mod image;
mod initramfs;
mod machine;
mod pieces;
mod profile;
mod qemu;
mod run;
mod symbols;
mod test;
mod tree;

use std::process::ExitCode;

/// Anything that goes wrong ends up as one sentence for the person at the terminal.
pub type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: launch COMMAND [OPTIONS]

  run        boot a machine            (--machine NAME --cpus N --kernel FILE --initrd FILE
                                        --append TEXT --serial FILE --hang-timeout S
                                        --gdb PORT --print)
  image      ELF -> bootable Image     (--elf FILE --out FILE)
  initramfs  manifest -> cpio archive  (--manifest FILE --source NAME=DIR ... --out FILE)
  machines   list the machines
  bench      against Linux             [ROW...] (--one --four --wall --boot --ours --default-linux
                                        --twice --record)
  bench-sched  the scheduler's metrics (--one --kernel --four --wall --crowd --storm
                                        --ours --record)
  budget     lower budget.toml to today's costs (--reason TEXT raises)
  profile    instructions by function  (--elf KERNEL ROW --four --all)
  chaos      a storm on a disturbed scheduler, per CPU count   (--cpus N,N.. --secs S --seed N
                                        --threads N --in-turn)
  test       every test; the closing line counts them   (--only WORD --list)
";

fn main() -> ExitCode {
    let mut arguments = lexopt::Parser::from_env();
    let command = match arguments.value() {
        Ok(command) => command.to_string_lossy().into_owned(),
        Err(_) => return usage(),
    };
    let outcome = match command.as_str() {
        "run" => run::command(arguments),
        "image" => image::command(arguments),
        "initramfs" => initramfs::command(arguments),
        "chaos" => chaos::command(arguments),
        "test" => test::command(arguments),
        "bench" => bench::command(arguments),
        "bench-sched" => bench::sched::command(arguments),
        "budget" => budget::command(arguments),
        "profile" => profile::command(arguments),
        "machines" => machine::list_command(),
        _ => return usage(),
    };
    match outcome {
        Ok(code) => code,
        Err(message) => {
            eprintln!("launch {command}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// Names the file in every I/O error, so that the message alone is enough.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Writes only when the content differs, so that time stamps tell the truth to `make`.
pub fn write_if_changed(path: &std::path::Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    std::fs::write(path, content)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

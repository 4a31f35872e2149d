//! The set-up script, and that the kernel it prepares for really builds and boots.
//!
//! make itself has taken the first path. The second, the distribution's Rust that builds its
//! own libraries, is taken here where it is installed; nothing is installed for a test.

use super::boots;
use super::report::Report;
use std::process::{Command, ExitStatus};

const TOOLCHAIN: &str = "build/test/distribution.mk";
const TARGET: &str = "target/distribution";
const IMAGE: &str = "build/test/Image-distribution";

pub fn all(report: &mut Report) {
    report.test("says what is missing and changes nothing", || {
        // 0: nothing is missing; 3: it has said what is.
        match set_up("rustup", "build/test/rustup.mk")?.code() {
            Some(0 | 3) => Ok(()),
            code => Err(format!("it ended with {code:?}")),
        }
    });
    match set_up("distribution", TOOLCHAIN).map(|status| status.code()) {
        Ok(Some(0)) => {
            report.test("the distribution's Rust builds the kernel", build);
            boots::image(report, "distribution", IMAGE, "virt-2", "weft.selftest");
        }
        Ok(Some(3)) => report.skip("the distribution's Rust", "it is not installed"),
        other => report.record("the distribution's Rust", Err(format!("{other:?}"))),
    }
}

/// The script with `WEFT_NO_INSTALL`, kept to one of its ways to Rust.
fn set_up(path: &str, out: &str) -> Result<ExitStatus, String> {
    Command::new("qemu-configs/setup.sh")
        .arg(out)
        .envs([("WEFT_NO_INSTALL", "1"), ("WEFT_RUST", path)])
        .status()
        .map_err(|error| error.to_string())
}

fn build() -> Result<(), String> {
    let mut make = Command::new("make");
    make.args([
        "--silent",
        "kernel",
        &format!("TOOLCHAIN={TOOLCHAIN}"),
        &format!("TARGET={TARGET}"),
    ]);
    // What the make that started us has exported is the other path's.
    for variable in [
        "CARGO",
        "RUSTC",
        "MAKEFLAGS",
        "MAKELEVEL",
        "RUSTUP_TOOLCHAIN",
    ] {
        make.env_remove(variable);
    }
    let status = make.status().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("make: {status}"));
    }
    let elf = format!("{TARGET}/aarch64-unknown-none-softfloat/kernel/weft");
    let image = crate::image::build(&crate::read_file(elf.as_ref())?)?;
    crate::write_if_changed(IMAGE.as_ref(), &image)
}

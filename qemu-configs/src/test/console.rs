//! The keys that the kernel itself answers to on the serial console, whatever threads do.

use super::guest::Variant;
use super::report::Report;
use super::terminal::Terminal;
use crate::{machine, qemu};
use std::process::Command;

pub fn all(report: &mut Report) {
    report.test("the kernel shows its threads and powers off", dumps_threads);
}

fn dumps_threads() -> Result<(), String> {
    let mut console = boot("virt-1-exact")?;
    console.expect("root@weft")?;
    console.send("\x1dt")?;
    for word in ["tid.gen", "init", "reaper", "console"] {
        console.expect(word)?;
    }
    // One of them, with the calls that led it to where it waits.
    console.send("\x1dnreaper\r")?;
    console.expect("Blocked")?;
    console.expect("thread_main")?;
    console.send("\x1dnnobody\r")?;
    console.expect("no thread nobody")?;
    console.send("\x1do")?;
    match console.wait()? {
        status if status.success() => Ok(()),
        status => Err(format!("QEMU ended with {status}")),
    }
}

fn boot(machine: &str) -> Result<Terminal, String> {
    let usual = Variant::default();
    let boot = qemu::Boot {
        kernel: usual.kernel,
        initrd: Some(usual.initrd),
        append: usual.append,
        ssh_port: None,
        http_port: None,
        gdb_port: None,
    };
    let mut command = Command::new(qemu::PROGRAM);
    command.args(qemu::command_line(&machine::load(machine)?, &boot));
    Terminal::start(command, 24, 80)
}

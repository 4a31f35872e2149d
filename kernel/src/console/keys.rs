//! Keys for the kernel itself, at any time: `Ctrl-]`, then a letter.
//!
//! They work from the UART's interrupt, so they show a system whose threads are all stuck.

use crate::arch::aarch64::{gic, psci};
use crate::{irq, report};
use core::sync::atomic::{AtomicBool, Ordering};

const PREFIX: u8 = 0x1d;

const HELP: &str = "\n\
    Ctrl-] then:\n\
    \x20 h  this help\n\
    \x20 c  every CPU: counters, what it runs, where it is\n\
    \x20 t  every thread\n\
    \x20 d  both\n\
    \x20 p  panic\n\
    \x20 o  power off\n\
    \x20 Ctrl-]  send Ctrl-] itself\n";

static PREFIXED: AtomicBool = AtomicBool::new(false);

/// The typed byte, unless it is the prefix or a command.
pub fn filter(byte: u8) -> Option<u8> {
    if PREFIXED.swap(
        byte == PREFIX && !PREFIXED.load(Ordering::Relaxed),
        Ordering::Relaxed,
    ) {
        return command(byte);
    }
    (byte != PREFIX).then_some(byte)
}

fn command(key: u8) -> Option<u8> {
    match key {
        b'c' => report_cpus(),
        b't' => report::threads(),
        b'd' => {
            report::threads();
            report_cpus();
        }
        b'p' => panic!("asked for from the console"),
        b'o' => log::error!("power off failed: {:?}", psci::system_off()),
        PREFIX => return Some(PREFIX),
        _ => report::print(format_args!("{HELP}")),
    }
    None
}

fn report_cpus() {
    report::cpus();
    report::this_cpu();
    gic::send_sgi_others(irq::sgi::REPORT);
}

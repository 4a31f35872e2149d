//! Keys for the kernel itself, at any time: `Ctrl-]`, then a letter.
//!
//! They work from the UART's interrupt, so they show a system whose threads are all stuck.

use crate::arch::aarch64::{gic, psci};
use crate::{irq, report};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use smp::SpinLock;

const PREFIX: u8 = 0x1d;

const HELP: &str = "\n\
    Ctrl-] then:\n\
    \x20 h  this help\n\
    \x20 c  every CPU: counters, what it runs, where it is\n\
    \x20 t  every thread\n\
    \x20 n  the threads of a name or number, typed after it, with where they wait\n\
    \x20 d  every CPU and thread\n\
    \x20 p  panic\n\
    \x20 o  power off\n\
    \x20 Ctrl-]  send Ctrl-] itself\n";

static PREFIXED: AtomicBool = AtomicBool::new(false);

/// A thread's name, as far as it was typed; `None`: none is asked for.
static NAME: SpinLock<Option<Vec<u8>>> = SpinLock::new(None);
/// A longer one is nobody's.
const NAME_LIMIT: usize = 32;

/// The typed byte, unless it is the prefix or a command.
pub fn filter(byte: u8) -> Option<u8> {
    if NAME.lock().is_some() {
        name_typed(byte);
        return None;
    }
    if PREFIXED.swap(
        byte == PREFIX && !PREFIXED.load(Ordering::Relaxed),
        Ordering::Relaxed,
    ) {
        return command(byte);
    }
    (byte != PREFIX).then_some(byte)
}

/// One more letter of the name, or its end.
fn name_typed(byte: u8) {
    let mut typed = NAME.lock();
    let Some(name) = typed.as_mut() else { return };
    if byte != b'\r' && byte != b'\n' {
        if name.len() < NAME_LIMIT {
            name.push(byte);
        }
        return;
    }
    let name = typed.take().unwrap_or_default();
    drop(typed);
    report::threads_named(&String::from_utf8_lossy(&name));
}

fn command(key: u8) -> Option<u8> {
    match key {
        b'c' => report_cpus(),
        b't' => report::threads(),
        b'n' => *NAME.lock() = Some(Vec::with_capacity(NAME_LIMIT)),
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

//! Critical sections, in assembly, and what aborts them.

use super::Area;
use super::membarrier::{PRIVATE_EXPEDITED_RSEQ, REGISTER_PRIVATE_EXPEDITED_RSEQ, membarrier};
use crate::cpus::{allowed, stay_on};
use crate::harness::{Failure, Outcome, child};
use crate::interval::alarm_each;
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use std::arch::asm;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// Spins in a critical section until it is aborted; `aborts_well` says whether the abort
/// handler is behind the right signature.
fn spin(area: &Area, aborts_well: bool) {
    let place = area.section.get();
    macro_rules! section {
        ($signature:literal) => {
            // SAFETY: changes `place` and scratch registers only.
            unsafe {
                asm!(
                    ".pushsection .data.rseq, \"aw\"",
                    ".balign 32",
                    "77: .word 0, 0",
                    ".quad 78f, 79f - 78f, 80f",
                    ".popsection",
                    "adrp {descriptor}, 77b",
                    "add {descriptor}, {descriptor}, :lo12:77b",
                    "str {descriptor}, [{place}]",
                    "78: b 78b",
                    "79: b 81f",
                    concat!(".word ", $signature),
                    "80: nop",
                    "81:",
                    place = in(reg) place,
                    descriptor = out(reg) _,
                )
            }
        };
    }
    match aborts_well {
        true => section!("0xd428bc00"),
        false => section!("0x12345678"),
    }
}

/// Another thread on the same CPU, which wants it now and then.
pub fn preemption_aborts() -> Outcome {
    let (area, cpu) = (Area::default(), allowed()?[0]);
    stay_on(cpu)?;
    let done = Arc::new(AtomicBool::new(false));
    let stop = done.clone();
    let rival = std::thread::spawn(move || {
        while !stop.load(SeqCst) {
            std::hint::spin_loop();
        }
    });
    area.register()?;
    for _ in 0..20 {
        spin(&area, true);
        // SAFETY: as in `Area::cpu`.
        ensure_eq!(unsafe { area.section.get().read_volatile() }, 0);
    }
    area.unregister()?;
    done.store(true, SeqCst);
    ensure!(rival.join().is_ok());
    Ok(())
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, SeqCst);
}

/// A signal while nobody else wants the CPU; its handler runs, then the abort handler.
pub fn signal_aborts() -> Outcome {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let handler = SigHandler::Handler(count);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler adds to a counter.
    unsafe { sigaction(Signal::SIGALRM, &action) }?;
    let area = Area::default();
    area.register()?;
    alarm_each(Duration::from_millis(5))?;
    while HANDLED.load(SeqCst) < 5 {
        spin(&area, true);
    }
    alarm_each(Duration::ZERO)?;
    area.unregister()?;
    Ok(())
}

/// membarrier restarts the sections of whoever runs. Nothing else ends this one: its thread has
/// a CPU of its own, if there are two.
pub fn membarrier_restarts() -> Outcome {
    membarrier(REGISTER_PRIVATE_EXPEDITED_RSEQ, 0)?;
    let shared = Arc::new((AtomicU32::new(0), AtomicBool::new(false)));
    let (counted, cpus) = (shared.clone(), allowed()?);
    let other = cpus[cpus.len() - 1];
    let runner = std::thread::spawn(move || -> Result<(), Errno> {
        let area = Area::default();
        stay_on(other)?;
        area.register()?;
        while !counted.1.load(SeqCst) {
            spin(&area, true);
            counted.0.fetch_add(1, SeqCst);
        }
        area.unregister()
    });
    stay_on(cpus[0])?;
    let (restarts, stop) = &*shared;
    for round in 1..=20 {
        // It may have been between two sections, or not begun.
        while restarts.load(SeqCst) < round {
            membarrier(PRIVATE_EXPEDITED_RSEQ, 0)?;
        }
    }
    stop.store(true, SeqCst);
    while !runner.is_finished() {
        membarrier(PRIVATE_EXPEDITED_RSEQ, 0)?;
    }
    runner.join().map_err(|_| Failure("it panicked".into()))??;
    Ok(())
}

pub fn wrong_signature_kills() -> Outcome {
    let forked = child(|| {
        let area = Area::default();
        // The rival, born here, stays here: it is what preempts the section.
        let rival = stay_on(0).map(|()| {
            std::thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            })
        });
        if rival.is_ok() && area.register().is_ok() {
            spin(&area, false);
        }
        0
    })?;
    let killed = WaitStatus::Signaled(forked, nix::sys::signal::Signal::SIGSEGV, false);
    let ended = waitpid(forked, None)?;
    let dumped = WaitStatus::Signaled(forked, nix::sys::signal::Signal::SIGSEGV, true);
    ensure!(ended == killed || ended == dumped, "{ended:?}");
    Ok(())
}

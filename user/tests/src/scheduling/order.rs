//! Who runs when: real-time threads among each other.

use super::calls::set;
use crate::cpus::stay_on;
use crate::harness::{Failure, Outcome, Test};
use nix::sched::sched_getcpu;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

pub const TESTS: &[Test] = &[
    ("scheduling.raised_runs_at_once", raised_runs_at_once),
    ("scheduling.lowered_goes_first", lowered_goes_first),
    ("scheduling.raised_goes_last", raised_goes_last),
    ("scheduling.yield_goes_last", yield_goes_last),
];

/// Binds the caller to one CPU, with a priority above those of the threads that a test makes.
fn on_one_cpu() -> Outcome {
    stay_on(sched_getcpu()?)?;
    set(0, libc::SCHED_FIFO, 50)?;
    Ok(())
}

fn set_thread(thread: &impl JoinHandleExt, level: i32) -> Outcome {
    // SAFETY: zeros are a valid parameter.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = level;
    // SAFETY: the thread has not been joined.
    let error = unsafe {
        libc::pthread_setschedparam(
            thread.as_pthread_t() as _,
            libc::SCHED_FIFO,
            &raw const parameter,
        )
    };
    ensure_eq!(error, 0);
    Ok(())
}

/// One that could not run preempts its maker before the call that raises it returns.
fn raised_runs_at_once() -> Outcome {
    on_one_cpu()?;
    let returned = Arc::new(AtomicBool::new(false));
    let (too_late, lowered) = (Arc::clone(&returned), Arc::new(AtomicBool::new(false)));
    let may_run = Arc::clone(&lowered);
    let thread = std::thread::spawn(move || (may_run.load(SeqCst), too_late.load(SeqCst)));
    set_thread(&thread, 5)?;
    lowered.store(true, SeqCst);
    set_thread(&thread, 60)?;
    returned.store(true, SeqCst);
    let (after_lowering, after_return) = thread.join().map_err(|_| "panic")?;
    ensure!(after_lowering && !after_return);
    Ok(())
}

/// The order in which three threads run that wait at priority 50 and go through `levels` there.
fn order_of(levels: &[i32]) -> Result<Vec<usize>, Failure> {
    on_one_cpu()?;
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads = [1, 2, 3].map(|number| {
        let order = Arc::clone(&order);
        std::thread::spawn(move || order.lock().map(|mut order| order.push(number)).is_ok())
    });
    for &level in levels {
        for thread in &threads {
            set_thread(thread, level)?;
        }
    }
    for thread in threads {
        ensure!(thread.join().map_err(|_| "panic")?);
    }
    Ok(Arc::try_unwrap(order).map_err(|_| "shared")?.into_inner()?)
}

fn lowered_goes_first() -> Outcome {
    ensure_eq!(order_of(&[5])?, [3, 2, 1]);
    Ok(())
}

fn raised_goes_last() -> Outcome {
    ensure_eq!(order_of(&[5, 7])?, [1, 2, 3]);
    Ok(())
}

fn yield_goes_last() -> Outcome {
    on_one_cpu()?;
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads = [1, 2].map(|number| {
        let order = Arc::clone(&order);
        std::thread::spawn(move || {
            for _ in 0..3 {
                if let Ok(mut order) = order.lock() {
                    order.push(number);
                }
                // SAFETY: no pointer.
                unsafe { libc::sched_yield() };
            }
        })
    });
    for thread in threads {
        ensure!(thread.join().is_ok());
    }
    ensure_eq!(*order.lock()?, [1, 2, 1, 2, 1, 2]);
    Ok(())
}

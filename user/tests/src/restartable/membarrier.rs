//! membarrier: what it offers, and that it orders.

use crate::harness::{Failure, Outcome, child, succeeds};
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst, compiler_fence};

pub fn membarrier(command: i32, flags: u32) -> Result<i64, Errno> {
    // SAFETY: takes numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_membarrier, command, flags, 0) })
}

const GLOBAL: i32 = 1;
const PRIVATE_EXPEDITED: i32 = 8;
const REGISTER_PRIVATE_EXPEDITED: i32 = 16;
const SYNC_CORE: i32 = 32;
const REGISTER_SYNC_CORE: i32 = 64;
#[cfg(target_arch = "aarch64")]
pub const PRIVATE_EXPEDITED_RSEQ: i32 = 128;
#[cfg(target_arch = "aarch64")]
pub const REGISTER_PRIVATE_EXPEDITED_RSEQ: i32 = 256;

pub fn commands() -> Outcome {
    let supported = membarrier(0, 0)? as i32;
    let wanted = [
        GLOBAL,
        PRIVATE_EXPEDITED,
        REGISTER_PRIVATE_EXPEDITED,
        SYNC_CORE,
    ];
    ensure!(
        wanted.iter().all(|command| supported & command != 0),
        "only {supported:#x}"
    );
    ensure_eq!(membarrier(0, 1), Err(Errno::EINVAL));
    ensure_eq!(membarrier(3, 0), Err(Errno::EINVAL));
    ensure_eq!(membarrier(1 << 20, 0), Err(Errno::EINVAL));
    ensure_eq!(membarrier(GLOBAL, 0), Ok(0));
    ensure_eq!(membarrier(PRIVATE_EXPEDITED, 0), Err(Errno::EPERM));
    ensure_eq!(membarrier(REGISTER_PRIVATE_EXPEDITED, 0), Ok(0));
    ensure_eq!(membarrier(PRIVATE_EXPEDITED, 0), Ok(0));
    ensure_eq!(membarrier(SYNC_CORE, 0), Err(Errno::EPERM));
    ensure_eq!(membarrier(REGISTER_SYNC_CORE, 0), Ok(0));
    ensure_eq!(membarrier(SYNC_CORE, 0), Ok(0));
    // The child has what its parent registered.
    let forked = child(|| i32::from(membarrier(PRIVATE_EXPEDITED, 0) != Ok(0)))?;
    succeeds(forked)
}

/// Two flags, two threads: each raises its own and looks at the other's. One has no barrier but
/// the compiler's; the other's membarrier must do for both.
pub fn orders() -> Outcome {
    const ROUNDS: u32 = 1_000;
    membarrier(REGISTER_PRIVATE_EXPEDITED, 0)?;
    let shared = Arc::new([(); 4].map(|()| AtomicU32::new(0)));
    let other = shared.clone();
    let light = std::thread::spawn(move || {
        let [heavy_flag, light_flag, heavy_round, light_saw] = &*other;
        let mut missed = Vec::new();
        for round in 1..=ROUNDS {
            while heavy_round.load(SeqCst) != round {
                std::hint::spin_loop();
            }
            light_flag.store(round, Relaxed);
            compiler_fence(SeqCst);
            missed.push(heavy_flag.load(Relaxed) != round);
            light_saw.store(round, SeqCst);
        }
        missed
    });
    let [heavy_flag, light_flag, heavy_round, light_saw] = &*shared;
    let mut missed = Vec::new();
    for round in 1..=ROUNDS {
        heavy_round.store(round, SeqCst);
        heavy_flag.store(round, Relaxed);
        membarrier(PRIVATE_EXPEDITED, 0)?;
        missed.push(light_flag.load(Relaxed) != round);
        while light_saw.load(SeqCst) != round {
            std::hint::spin_loop();
        }
    }
    let light = light.join().map_err(|_| Failure("it panicked".into()))?;
    let both = missed
        .iter()
        .zip(&light)
        .filter(|(heavy, light)| **heavy && **light)
        .count();
    ensure_eq!(both, 0);
    Ok(())
}

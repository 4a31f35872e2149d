//! Restartable sequences and membarrier. Under a C library that registers its own sequences these
//! need it told not to (glibc: GLIBC_TUNABLES=glibc.pthread.rseq=0).

mod membarrier;
#[cfg(target_arch = "aarch64")]
mod section;

use crate::cpus::{allowed, stay_on};
use crate::harness::{Failure, Outcome, Test, child};
use nix::errno::Errno;
use std::cell::UnsafeCell;

pub const TESTS: &[Test] = &[
    ("rseq.registration", registration),
    ("rseq.tells_the_cpu", tells_the_cpu),
    ("rseq.inherited_by_a_fork", inherited_by_a_fork),
    #[cfg(target_arch = "aarch64")]
    ("rseq.preemption_aborts", section::preemption_aborts),
    #[cfg(target_arch = "aarch64")]
    ("rseq.signal_aborts", section::signal_aborts),
    #[cfg(target_arch = "aarch64")]
    ("rseq.wrong_signature_kills", section::wrong_signature_kills),
    ("membarrier.commands", membarrier::commands),
    ("membarrier.orders", membarrier::orders),
    #[cfg(target_arch = "aarch64")]
    ("membarrier.restarts_sections", section::membarrier_restarts),
];

const SIGNATURE: u32 = 0xd428_bc00;
const UNREGISTER: i32 = 1;
const SIZE: u32 = 32;

/// `struct rseq`.
#[repr(C, align(32))]
#[derive(Default)]
struct Area {
    cpu_id_start: UnsafeCell<u32>,
    cpu_id: UnsafeCell<u32>,
    section: UnsafeCell<u64>,
    flags: UnsafeCell<u32>,
    node_id: UnsafeCell<u32>,
    mm_cid: UnsafeCell<u32>,
}

impl Area {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn cpu(&self) -> (u32, u32) {
        // SAFETY: the kernel writes it between two instructions of this thread, never during one.
        unsafe {
            (
                self.cpu_id_start.get().read_volatile(),
                self.cpu_id.get().read_volatile(),
            )
        }
    }

    fn register(&self) -> Result<(), Errno> {
        rseq(self.address(), SIZE, 0, SIGNATURE)
    }

    fn unregister(&self) -> Result<(), Errno> {
        rseq(self.address(), SIZE, UNREGISTER, SIGNATURE)
    }
}

fn rseq(address: usize, size: u32, flags: i32, signature: u32) -> Result<(), Errno> {
    // SAFETY: the kernel checks what it is given.
    let result = unsafe { libc::syscall(libc::SYS_rseq, address, size, flags, signature) };
    Errno::result(result).map(drop)
}

fn registration() -> Outcome {
    let (area, other) = (Area::default(), Area::default());
    let (place, free) = (area.address(), other.address());
    ensure_eq!(area.unregister(), Err(Errno::EINVAL));
    ensure_eq!(rseq(place, SIZE - 1, 0, SIGNATURE), Err(Errno::EINVAL));
    ensure_eq!(rseq(place + 4, SIZE, 0, SIGNATURE), Err(Errno::EINVAL));
    ensure_eq!(rseq(place, SIZE, 2, SIGNATURE), Err(Errno::EINVAL));
    ensure_eq!(
        rseq(usize::MAX & !31, SIZE, 0, SIGNATURE),
        Err(Errno::EFAULT)
    );
    area.register()?;
    ensure_eq!(area.register(), Err(Errno::EBUSY));
    ensure_eq!(rseq(free, SIZE, 0, SIGNATURE), Err(Errno::EINVAL));
    ensure_eq!(rseq(place, SIZE, 0, SIGNATURE + 1), Err(Errno::EPERM));
    ensure_eq!(
        rseq(place, SIZE, UNREGISTER, SIGNATURE + 1),
        Err(Errno::EPERM)
    );
    ensure_eq!(rseq(free, SIZE, UNREGISTER, SIGNATURE), Err(Errno::EINVAL));
    ensure_eq!(
        rseq(place, SIZE, UNREGISTER | 2, SIGNATURE),
        Err(Errno::EINVAL)
    );
    ensure!(area.cpu().1 != u32::MAX);
    area.unregister()?;
    ensure_eq!(area.cpu(), (0, u32::MAX));
    ensure_eq!(area.unregister(), Err(Errno::EINVAL));
    other.register()?;
    other.unregister()?;
    Ok(())
}

fn tells_the_cpu() -> Outcome {
    let (area, cpus) = (Area::default(), allowed()?);
    area.register()?;
    for round in 0..200 {
        let cpu = cpus[round % cpus.len()];
        stay_on(cpu)?;
        ensure_eq!(area.cpu(), (cpu as u32, cpu as u32));
        std::thread::yield_now();
        ensure_eq!(nix::sched::sched_getcpu()?, cpu);
    }
    area.unregister()?;
    Ok(())
}

fn inherited_by_a_fork() -> Outcome {
    let (area, cpus) = (Area::default(), allowed()?);
    area.register()?;
    let forked = child(|| {
        let told = cpus
            .iter()
            .all(|&cpu| stay_on(cpu).is_ok() && area.cpu().1 == cpu as u32);
        let known = area.register() == Err(Errno::EBUSY);
        i32::from(!(told && known))
    })?;
    crate::harness::succeeds(forked)?;
    // A thread starts without.
    let fresh = std::thread::spawn(|| {
        let own = Area::default();
        own.register().and_then(|()| own.unregister())
    });
    fresh.join().map_err(|_| Failure("it panicked".into()))??;
    area.unregister()?;
    Ok(())
}

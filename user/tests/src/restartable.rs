//! Restartable sequences and membarrier. Under a C library that registers its own sequences these
//! need it told not to (glibc: GLIBC_TUNABLES=glibc.pthread.rseq=0).

use crate::harness::{Failure, Outcome, Test, child};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst, compiler_fence};

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
    ("membarrier.commands", commands),
    ("membarrier.orders", orders),
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

const SELF: Pid = Pid::from_raw(0);

fn allowed() -> Result<Vec<usize>, Failure> {
    let set = sched_getaffinity(SELF)?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

fn stay_on(cpu: usize) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(SELF, &set)
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

#[cfg(target_arch = "aarch64")]
mod section {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use std::arch::asm;
    use std::sync::atomic::AtomicBool;

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
        alarm_every(5_000)?;
        while HANDLED.load(SeqCst) < 5 {
            spin(&area, true);
        }
        alarm_every(0)?;
        area.unregister()?;
        Ok(())
    }

    /// SIGALRM each `us` microseconds; never, for 0.
    fn alarm_every(us: i64) -> Result<(), Errno> {
        let interval = libc::timeval {
            tv_sec: 0,
            tv_usec: us,
        };
        let timer = libc::itimerval {
            it_interval: interval,
            it_value: interval,
        };
        // SAFETY: the structure is read only.
        let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
        Errno::result(result).map(drop)
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
}

fn membarrier(command: i32, flags: u32) -> Result<i64, Errno> {
    // SAFETY: takes numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_membarrier, command, flags, 0) })
}

const GLOBAL: i32 = 1;
const PRIVATE_EXPEDITED: i32 = 8;
const REGISTER_PRIVATE_EXPEDITED: i32 = 16;
const SYNC_CORE: i32 = 32;
const REGISTER_SYNC_CORE: i32 = 64;
#[cfg(target_arch = "aarch64")]
const PRIVATE_EXPEDITED_RSEQ: i32 = 128;
#[cfg(target_arch = "aarch64")]
const REGISTER_PRIVATE_EXPEDITED_RSEQ: i32 = 256;

fn commands() -> Outcome {
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
    crate::harness::succeeds(forked)
}

/// Two flags, two threads: each raises its own and looks at the other's. One has no barrier but
/// the compiler's; the other's membarrier must do for both.
fn orders() -> Outcome {
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

//! Restartable sequences (rseq(2) as Linux documents it): a thread's memory says which CPU it is
//! on, and a critical section that is preempted, migrated or interrupted by a signal is aborted.
//!
//! [`Attention::RSEQ`] is raised on a registered thread that changes its CPU, or leaves one while an
//! interrupt or a fault keeps it out of user mode, where its section may be; the way back then goes
//! through [`settle`]. No section spans a system call (rseq(2)), so a thread that sleeps in one and
//! wakes on the same CPU needs nothing. A thread that never registered pays two tests per switch.

use super::Current;
use super::signal::{self, SigInfo, Signal};
use super::task::{Attention, Task};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::user_memory::{USER_END, UserPtr, plain};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// What every version of the structure has, and its alignment then.
const ORIGINAL_SIZE: u32 = 32;
/// Up to and with `mm_cid`: AT_RSEQ_FEATURE_SIZE.
pub const FEATURE_SIZE: u32 = 28;
/// AT_RSEQ_ALIGN.
pub const ALIGN: u32 = 32;
/// `cpu_id` while not registered.
const UNINITIALIZED: u32 = u32::MAX;

/// What sits where in `struct rseq`.
const CPU_ID_START: usize = 0;
const CPU_ID: usize = 4;
const SECTION: usize = 8;
const FLAGS: usize = 16;
const NODE_ID: usize = 20;
const MM_CID: usize = 24;

/// `struct rseq_cs`: a critical section.
#[repr(C)]
#[derive(Clone, Copy)]
struct Section {
    version: u32,
    flags: u32,
    start: u64,
    /// From the start.
    length: u64,
    abort: u64,
}
plain!(Section);

/// A thread's registration. Only the thread itself changes it.
#[derive(Default)]
pub struct Rseq {
    /// 0: none.
    address: AtomicUsize,
    length: AtomicU32,
    signature: AtomicU32,
    /// The CPU its memory names; `UNINITIALIZED` while that is being written.
    told_cpu: AtomicU32,
    /// An interrupt or a fault keeps the thread out of user mode.
    interrupted: AtomicBool,
}

impl Rseq {
    #[inline(always)]
    fn is_registered(&self) -> bool {
        self.address.load(Relaxed) != 0
    }

    fn set(&self, address: usize, length: u32, signature: u32) {
        self.length.store(length, Relaxed);
        self.signature.store(signature, Relaxed);
        self.address.store(address, Relaxed);
    }

    /// Another program, which registers anew (execve).
    pub fn forget(&self) {
        self.set(0, 0, 0);
    }

    /// A forked child has its parent's, in its own copy of the memory.
    pub fn inherit(&self, parent: &Rseq) {
        let length = parent.length.load(Relaxed);
        let signature = parent.signature.load(Relaxed);
        self.set(parent.address.load(Relaxed), length, signature);
    }

    /// Whether this very registration is the thread's.
    fn check(&self, address: usize, length: u32, signature: u32) -> Result<()> {
        if self.address.load(Relaxed) != address || self.length.load(Relaxed) != length {
            return Err(Errno::EINVAL);
        }
        if self.signature.load(Relaxed) != signature {
            return Err(Errno::EPERM);
        }
        Ok(())
    }
}

/// Registers the calling thread's structure.
pub fn register(address: usize, length: u32, signature: u32) -> Result<()> {
    let current = super::current();
    if current.rseq.is_registered() {
        current.rseq.check(address, length, signature)?;
        return Err(Errno::EBUSY);
    }
    let aligned = address.is_multiple_of(ALIGN as usize);
    if length < ORIGINAL_SIZE || !aligned {
        return Err(Errno::EINVAL);
    }
    if address >= USER_END - length as usize {
        return Err(Errno::EFAULT);
    }
    current.rseq.set(address, length, signature);
    current.raise(Attention::RSEQ);
    Ok(())
}

pub fn unregister(address: usize, length: u32, signature: u32) -> Result<()> {
    let current = super::current();
    if !current.rseq.is_registered() {
        return Err(Errno::EINVAL);
    }
    current.rseq.check(address, length, signature)?;
    tell_cpu(address, &Told::NOTHING)?;
    current.rseq.forget();
    Ok(())
}

/// The task's thread is to start its section over, and learn its CPU anew.
pub fn disturb(task: &Task) {
    if task.rseq.is_registered() {
        task.raise(Attention::RSEQ);
    }
}

/// An interrupt or a fault begins to keep the calling task out of user mode, or ends to.
#[inline(always)]
pub fn interrupt(task: &Task, begins: bool) {
    task.rseq.interrupted.store(begins, Relaxed);
}

/// The task's thread leaves its CPU.
#[inline(always)]
pub fn leaves_cpu(task: &Task) {
    if task.rseq.is_registered() && task.rseq.interrupted.load(Relaxed) {
        task.raise(Attention::RSEQ);
    }
}

/// The task's thread is about to run on this CPU. IRQs masked.
#[inline(always)]
pub fn enters_cpu(task: &Task) {
    if task.rseq.is_registered() && task.rseq.told_cpu.load(Relaxed) != this_cpu() {
        task.raise(Attention::RSEQ);
    }
}

fn this_cpu() -> u32 {
    percpu::cpu_id().index() as u32
}

/// On the way to user mode: aborts the section the thread was in, tells it its CPU.
pub fn settle(current: &Current, registers: &mut TrapFrame) {
    // First: whatever happens from here on raises it again.
    current.lower(Attention::RSEQ);
    let address = current.rseq.address.load(Relaxed);
    if address == 0 {
        return;
    }
    // First: a move to another CPU from here on is a reason to come again.
    current.rseq.told_cpu.store(UNINITIALIZED, Relaxed);
    let here = Told::here();
    let told = leave_section(current, address, registers).and_then(|()| tell_cpu(address, &here));
    match told {
        Ok(()) => current.rseq.told_cpu.store(here.cpu, Relaxed),
        Err(_) => signal::force(current.task(), SigInfo::kernel(Signal::SEGV)),
    }
}

/// A signal handler is about to be entered: it never runs inside a section.
pub fn before_handler(current: &Current, registers: &mut TrapFrame) -> Result<()> {
    match current.rseq.address.load(Relaxed) {
        0 => Ok(()),
        address => leave_section(current, address, registers),
    }
}

/// Sends the thread to its section's abort handler, if it is in one.
fn leave_section(current: &Current, address: usize, registers: &mut TrapFrame) -> Result<()> {
    let pointer = UserPtr::<u64>::new(address + SECTION);
    let section = pointer.read()? as usize;
    if section == 0 {
        return Ok(());
    }
    let section = UserPtr::<Section>::new(section).read()?;
    let signature = current.rseq.signature.load(Relaxed);
    section.check(address, signature)?;
    pointer.write(0)?;
    if section.holds(registers.pc) {
        registers.pc = section.abort;
    }
    Ok(())
}

impl Section {
    fn holds(&self, pc: u64) -> bool {
        pc.wrapping_sub(self.start) < self.length
    }

    /// Refuses a section that cannot be right. The word before the abort handler must be the
    /// registered signature, so that a forged section leads nowhere else.
    fn check(&self, rseq: usize, signature: u32) -> Result<()> {
        let end = self.start.checked_add(self.length).ok_or(Errno::EINVAL)?;
        let inside = [self.start, end, self.abort]
            .iter()
            .all(|&at| at < USER_END as u64);
        if self.version != 0 || !inside || self.holds(self.abort) {
            return Err(Errno::EINVAL);
        }
        // Flags that once kept a section from being aborted are refused, as in Linux.
        if self.flags != 0 || UserPtr::<u32>::new(rseq + FLAGS).read()? != 0 {
            return Err(Errno::EINVAL);
        }
        let before = (self.abort as usize).wrapping_sub(size_of::<u32>());
        if UserPtr::<u32>::new(before).read()? != signature {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// What the structure says of where its thread is.
struct Told {
    start: u32,
    cpu: u32,
    node: u32,
    concurrency: u32,
}

impl Told {
    /// After the registration.
    const NOTHING: Self = Self {
        start: 0,
        cpu: UNINITIALIZED,
        node: 0,
        concurrency: 0,
    };

    /// One number per CPU serves as the concurrency id: no two running threads share it.
    fn here() -> Self {
        let cpu = this_cpu();
        let node = crate::machine::get().place(percpu::cpu_id()).node;
        Self {
            start: cpu,
            cpu,
            node: node.into(),
            concurrency: cpu,
        }
    }
}

fn tell_cpu(address: usize, told: &Told) -> Result<()> {
    let fields = [
        (CPU_ID_START, told.start),
        (CPU_ID, told.cpu),
        (NODE_ID, told.node),
        (MM_CID, told.concurrency),
    ];
    fields
        .into_iter()
        .try_for_each(|(offset, value)| UserPtr::<u32>::new(address + offset).write(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_cannot_be_right() {
        let good = Section {
            version: 0,
            flags: 0,
            start: 0x1000,
            length: 0x40,
            abort: 0x2004,
        };
        assert!(good.holds(0x1000) && good.holds(0x103f));
        assert!(!good.holds(0x1040) && !good.holds(0xfff));
        let wrong = [
            Section { version: 1, ..good },
            Section {
                abort: 0x1010,
                ..good
            },
            Section {
                length: u64::MAX,
                ..good
            },
            Section {
                start: USER_END as u64,
                ..good
            },
            Section { flags: 1, ..good },
        ];
        for section in wrong {
            assert_eq!(section.check(0x4000, 0), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn a_registration_is_one_of_a_kind() {
        let rseq = Rseq::default();
        assert!(!rseq.is_registered());
        rseq.set(0x1000, 32, 7);
        assert_eq!(rseq.check(0x1000, 32, 7), Ok(()));
        assert_eq!(rseq.check(0x1020, 32, 7), Err(Errno::EINVAL));
        assert_eq!(rseq.check(0x1000, 33, 7), Err(Errno::EINVAL));
        assert_eq!(rseq.check(0x1000, 32, 8), Err(Errno::EPERM));
        let child = Rseq::default();
        child.inherit(&rseq);
        assert_eq!(child.check(0x1000, 32, 7), Ok(()));
        rseq.forget();
        assert!(!rseq.is_registered());
    }
}

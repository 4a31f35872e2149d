//! What each CPU did last: a ring of records per CPU ([`smp::trace`]), always on.
//!
//! A few kinds of event are always kept, in a short ring, for the panic message. While somebody
//! records ([`device`]) the rings are long and keep all kinds; the long rings, once made, stay.
//! An event that nobody wants costs one load and a branch that is predicted.

mod device;
mod show;

pub use device::{NUMBER, register};
pub use show::Shown;

use crate::arch;
use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use percpu::{CpuId, cpu_local};
use smp::trace::{Kind, Record, Recorder, Ring};
use smp::{SpinLock, ThreadRef};

pub use smp::trace::Event;

/// Records per CPU that are always kept, and while recording: 2 and 512 KiB.
const SHORT: usize = 64;
const LONG: usize = 16384;

/// What is always kept.
const FLIGHT_RECORDER: u32 = Kind::Switch.bit() | Kind::IrqEnter.bit();
const SYSCALLS: u32 = Kind::SyscallEnter.bit() | Kind::SyscallExit.bit();

/// The kinds that are kept now.
static KINDS: AtomicU32 = AtomicU32::new(FLIGHT_RECORDER);
/// Taken to start or stop a recording.
static CONTROL: SpinLock<()> = SpinLock::new(());
static LENGTHENED: AtomicBool = AtomicBool::new(false);

cpu_local! {
    /// Has no ring before [`init_cpu`].
    static RECORDER: Recorder = Recorder::new();
}

/// Gives this CPU its ring. Once the heap works, before the CPU takes threads; again is harmless.
pub fn init_cpu() {
    let recorder = RECORDER.any();
    if recorder.ring().is_none() {
        let length = match LENGTHENED.load(Ordering::Relaxed) {
            true => LONG,
            false => SHORT,
        };
        recorder.offer(Box::new(Ring::new(length)));
    }
}

/// Whether events of this kind are kept.
#[inline(always)]
pub fn keeps(kind: Kind) -> bool {
    KINDS.load(Ordering::Relaxed) & kind.bit() != 0
}

/// Notes an event of this CPU, if its kind is kept. IRQs masked.
#[inline(always)]
pub fn record(event: Event) {
    if keeps(event.kind()) {
        keep(event.at(arch::ticks()));
    }
}

/// Keeps an event of this CPU, of the time `now_ns`. IRQs masked.
#[inline(always)]
pub fn record_at(event: Event, now_ns: u64) {
    RECORDER.any().keep(event.at(arch::ticks_at(now_ns)));
}

/// The same as `record` with IRQs in any state.
pub fn record_unmasked(event: Event) {
    let _masked = percpu::irq::mask();
    record(event);
}

/// The thread has a new name.
pub fn renamed(thread: &ThreadRef) {
    if keeps(Kind::Name) {
        record_unmasked(Event::name(thread.tid(), &thread.name()));
    }
}

/// The new thread belongs to the process `pid`.
pub fn joined(thread: &ThreadRef, pid: u32) {
    if keeps(Kind::Process) {
        let tid = thread.tid();
        record_unmasked(Event::Process { tid, pid });
    }
}

#[inline(never)]
fn keep(record: Record) {
    RECORDER.any().keep(record);
}

/// The ring of a CPU that has one.
fn ring_of(cpu: CpuId) -> Option<&'static Ring> {
    match percpu::is_present(cpu) {
        true => RECORDER.remote(cpu).ring(),
        false => None,
    }
}

/// Keeps all kinds from now on (system calls only if wanted). Allocates the first time.
fn start(syscalls: bool) {
    if !LENGTHENED.swap(true, Ordering::AcqRel) {
        let cpus = (0..percpu::MAX_CPUS).map(CpuId::new);
        for cpu in cpus.filter(|&cpu| percpu::is_present(cpu)) {
            // The short ring stays: what lies in it may not have been read yet.
            RECORDER.remote(cpu).offer(Box::new(Ring::new(LONG)));
        }
    }
    let _control = CONTROL.lock();
    KINDS.store(
        if syscalls { u32::MAX } else { !SYSCALLS },
        Ordering::Relaxed,
    );
    crate::syscall::set_recorded(syscalls);
}

/// Back to what is always kept.
fn stop() {
    let _control = CONTROL.lock();
    KINDS.store(FLIGHT_RECORDER, Ordering::Relaxed);
    crate::syscall::set_recorded(false);
}

/// Whether somebody records.
pub fn is_recording() -> bool {
    KINDS.load(Ordering::Relaxed) != FLIGHT_RECORDER
}

/// The last `count` records of a CPU, oldest first.
pub fn last(cpu: CpuId, count: usize) -> alloc::vec::Vec<Record> {
    let Some(ring) = ring_of(cpu) else {
        return alloc::vec::Vec::new();
    };
    let from = ring.written().saturating_sub(count as u64);
    ring.read(from, count).records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_kinds_are_kept_and_come_back_in_order() {
        init_cpu();
        let wake = Event::Wake { tid: 3, target: 0 };
        record(wake);
        for intid in [27, 1] {
            record(Event::IrqEnter { intid });
        }
        let seen: alloc::vec::Vec<_> = last(percpu::cpu_id(), 9)
            .iter()
            .map(|record| record.event())
            .collect();
        let irq = |intid| Some(Event::IrqEnter { intid });
        assert_eq!(seen, [irq(27), irq(1)]);
    }
}

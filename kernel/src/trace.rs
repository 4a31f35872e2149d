//! The last things each CPU did: a small ring per CPU, always on, printed by a panic.
//!
//! Each CPU writes its own ring with IRQs masked; a reader that is not that CPU may see an entry
//! half written, which is why only stopped CPUs are read.

use core::fmt;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use percpu::{CpuId, cpu_local};

/// Entries per CPU.
const LENGTH: usize = 32;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The CPU went from one thread to another (tids; 0 is the idle thread).
    Switch { from: u32, to: u32 },
    /// An interrupt was taken.
    Interrupt(u32),
}

struct Ring {
    written: AtomicUsize,
    /// Monotonic nanoseconds, and the event packed into a word.
    entries: [(AtomicU64, AtomicU64); LENGTH],
}

cpu_local! {
    static RING: Ring = Ring {
        written: AtomicUsize::new(0),
        entries: [const { (AtomicU64::new(0), AtomicU64::new(0)) }; LENGTH],
    };
}

const SWITCH: u64 = 1 << 63;
const TID_BITS: u32 = 24;

impl Event {
    fn pack(self) -> u64 {
        match self {
            Event::Switch { from, to } => SWITCH | u64::from(from) << TID_BITS | u64::from(to),
            Event::Interrupt(intid) => u64::from(intid),
        }
    }

    fn unpack(word: u64) -> Self {
        let tid = |shift: u32| (word >> shift) as u32 & ((1 << TID_BITS) - 1);
        match word & SWITCH {
            0 => Event::Interrupt(word as u32),
            _ => Event::Switch {
                from: tid(TID_BITS),
                to: tid(0),
            },
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Switch { from, to } => write!(f, "switch from thread {from} to {to}"),
            Event::Interrupt(intid) => write!(f, "interrupt {intid}"),
        }
    }
}

/// Notes an event of this CPU. IRQs masked.
#[inline]
pub fn record(now_ns: u64, event: Event) {
    let ring = RING.any();
    let index = ring.written.load(Ordering::Relaxed);
    let (time, word) = &ring.entries[index % LENGTH];
    time.store(now_ns, Ordering::Relaxed);
    word.store(event.pack(), Ordering::Relaxed);
    ring.written.store(index.wrapping_add(1), Ordering::Release);
}

/// The last `count` events of a CPU that has stopped, oldest first, with their times.
pub fn last(cpu: CpuId, count: usize) -> impl Iterator<Item = (u64, Event)> {
    let ring = RING.remote(cpu);
    let written = ring.written.load(Ordering::Acquire);
    let first = written.saturating_sub(count.min(LENGTH));
    (first..written).map(|index| {
        let (time, word) = &ring.entries[index % LENGTH];
        let event = Event::unpack(word.load(Ordering::Relaxed));
        (time.load(Ordering::Relaxed), event)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_last_events_come_back_in_order() {
        for time in 0..100 {
            record(
                time,
                Event::Switch {
                    from: time as u32,
                    to: 7,
                },
            );
        }
        record(100, Event::Interrupt(27));
        let seen: Vec<_> = last(percpu::cpu_id(), 3).collect();
        let switch = |from| Event::Switch { from, to: 7 };
        assert_eq!(
            seen,
            [
                (98, switch(98)),
                (99, switch(99)),
                (100, Event::Interrupt(27))
            ]
        );
    }
}

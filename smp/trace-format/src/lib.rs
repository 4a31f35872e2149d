//! What the scheduler tells about itself: events, and the records that carry them.
//!
//! The kernel packs every [`Event`] into a [`Record`] (`smp::trace`), programs read the records as
//! they are (`schedtrace`): numbers and layout here are an interface.
#![no_std]

#[cfg(test)]
extern crate std;

mod record;

pub use record::{Kind, RECORD_SIZE, Record};

/// Why a CPU went on to another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Left {
    /// The former thread waits for something.
    Parked = 0,
    Yielded = 1,
    Preempted = 2,
    Ended = 3,
    /// There was none: the CPU was idle.
    Idle = 4,
}

/// Something that happened on the CPU that tells it. CPUs and threads by number; thread 0 is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The CPU goes on from one thread to another.
    Switch {
        from: u32,
        to: u32,
        left: Left,
    },
    /// A ready thread (woken, new, or sent on) goes to `target`.
    Wake {
        tid: u32,
        target: u32,
    },
    /// The thread was taken from the surplus of `victim`.
    Steal {
        tid: u32,
        victim: u32,
    },
    /// The thread runs on this CPU; the last time it ran on `from`.
    Migrate {
        tid: u32,
        from: u32,
    },
    /// An interrupt to another CPU; `bits` of its control word say what for.
    IpiSent {
        target: u32,
        bits: u32,
    },
    IpiReceived,
    IrqEnter {
        intid: u32,
    },
    IrqExit {
        intid: u32,
    },
    SyscallEnter {
        number: u32,
        argument: u64,
    },
    SyscallExit {
        number: u32,
        result: u64,
    },
    /// The thread's class changed to the Linux number `policy` with this priority.
    Policy {
        tid: u32,
        policy: u8,
        priority: u8,
    },
    /// The thread may run on other CPUs than before; the first 64 of them as bits.
    Affinity {
        tid: u32,
        cpus: u64,
    },
    /// A CPU began or ceased to take threads.
    CpuOnline {
        cpu: u32,
    },
    CpuOffline {
        cpu: u32,
    },
    /// The thread is called so from now on (as much of it as fits).
    Name {
        tid: u32,
        name: [u8; 16],
    },
    /// The thread belongs to process `pid`.
    Process {
        tid: u32,
        pid: u32,
    },
}

impl Event {
    /// A name event; long names are cut.
    pub fn name(tid: u32, name: &str) -> Self {
        let mut bytes = [0; 16];
        let length = name.len().min(bytes.len());
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        Self::Name { tid, name: bytes }
    }
}

//! Interrupts by number: who handles which, and how often each CPU took it.
//!
//! A handler runs with IRQs masked on whichever CPU took the interrupt; it must not sleep, and
//! leaves long work to a thread. Shared interrupts are spread over the CPUs in turn.

#[cfg(target_os = "none")]
mod controller;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use percpu::{CpuId, cpu_local};
use spin::Once;

#[cfg(target_os = "none")]
pub use controller::{enable_private, handle, move_away, register};

/// Interrupt ids: private ones, then shared ones up to where the special numbers begin.
const COUNT: usize = 1020;

/// Software-generated interrupts, by purpose.
pub mod sgi {
    pub const RESCHEDULE: u8 = 0;
    /// A CPU panicked: stop.
    pub const STOP: u8 = 1;
    /// Print where this CPU is.
    pub const REPORT: u8 = 2;
    /// Answer a request for a memory barrier.
    pub const BARRIER: u8 = 3;
}

type Handler = Box<dyn Fn() + Send + Sync>;

struct Line {
    name: String,
    #[cfg_attr(
        not(target_os = "none"),
        expect(dead_code, reason = "the host has no interrupts")
    )]
    handler: Handler,
}

static LINES: [Once<Line>; COUNT] = [const { Once::new() }; COUNT];

cpu_local! {
    static COUNTS: [AtomicU32; COUNT] = [const { AtomicU32::new(0) }; COUNT];
}

/// Names the handler of an interrupt that each CPU enables for itself (`enable_private`).
pub fn install(name: &str, intid: u32, handler: impl Fn() + Send + Sync + 'static) {
    let slot = &LINES[intid as usize];
    assert!(
        !slot.is_completed(),
        "interrupt {intid} has a handler already"
    );
    slot.call_once(|| Line {
        name: name.into(),
        handler: Box::new(handler),
    });
}

/// One line of /proc/interrupts.
pub struct LineCounts {
    pub intid: u32,
    pub name: &'static str,
    /// How often each CPU took it, in order of logical number.
    pub counts: Vec<u32>,
}

/// Every line that has a handler.
pub fn counts(cpus: usize) -> Vec<LineCounts> {
    let named = LINES
        .iter()
        .enumerate()
        .filter_map(|(intid, line)| Some((intid, line.get()?)));
    named
        .map(|(intid, line)| LineCounts {
            intid: intid as u32,
            name: &line.name,
            counts: (0..cpus)
                .map(|cpu| count_on(CpuId::new(cpu), intid))
                .collect(),
        })
        .collect()
}

fn count_on(cpu: CpuId, intid: usize) -> u32 {
    if percpu::is_present(cpu) {
        COUNTS.remote(cpu)[intid].load(Ordering::Relaxed)
    } else {
        0
    }
}

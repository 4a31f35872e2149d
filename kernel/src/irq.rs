//! Interrupts by number: who handles which, and how often each CPU took it.
//!
//! A handler runs with IRQs masked on whichever CPU took the interrupt; it must not sleep, and
//! leaves long work to a thread. Shared interrupts are spread over the CPUs in turn.

use crate::arch::aarch64::gic;
use crate::machine::{Interrupt, Trigger};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use percpu::{CpuId, cpu_local};
use smp::account::{self, TimeClass};
use spin::Once;

/// Interrupt ids: private ones, then shared ones up to where the special numbers begin.
const COUNT: usize = 1020;
const FIRST_SHARED: u32 = 32;

/// Software-generated interrupts, by purpose.
pub mod sgi {
    pub const RESCHEDULE: u8 = 0;
    /// A CPU panicked: stop.
    pub const STOP: u8 = 1;
    /// Print where this CPU is.
    pub const REPORT: u8 = 2;
}

type Handler = Box<dyn Fn() + Send + Sync>;

struct Line {
    name: String,
    handler: Handler,
}

static LINES: [Once<Line>; COUNT] = [const { Once::new() }; COUNT];

cpu_local! {
    static COUNTS: [AtomicU32; COUNT] = [const { AtomicU32::new(0) }; COUNT];
}

/// Calls `handler` for a device's interrupt from now on. Panics if the line has a handler.
pub fn register(name: &str, interrupt: Interrupt, handler: impl Fn() + Send + Sync + 'static) {
    install(name, interrupt.intid, handler);
    let target = if interrupt.intid < FIRST_SHARED { percpu::cpu_id() } else { next_target() };
    gic::enable(interrupt.intid, trigger(interrupt.trigger), target);
}

/// Names the handler of an interrupt that each CPU enables for itself ([`enable_private`]).
pub fn install(name: &str, intid: u32, handler: impl Fn() + Send + Sync + 'static) {
    let slot = &LINES[intid as usize];
    assert!(!slot.is_completed(), "interrupt {intid} has a handler already");
    slot.call_once(|| Line { name: name.into(), handler: Box::new(handler) });
}

/// Enables a private interrupt on this CPU.
pub fn enable_private(interrupt: Interrupt) {
    gic::enable(interrupt.intid, trigger(interrupt.trigger), percpu::cpu_id());
}

fn trigger(trigger: Trigger) -> gic::Trigger {
    match trigger {
        Trigger::Edge => gic::Trigger::Edge,
        Trigger::Level => gic::Trigger::Level,
    }
}

/// Online CPUs in turn.
fn next_target() -> CpuId {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let online: Vec<CpuId> = smp::online_cpus().iter().collect();
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    online.get(turn % online.len().max(1)).copied().unwrap_or_else(percpu::cpu_id)
}

/// Takes every interrupt that is pending on this CPU; returns what it was doing before. IRQs
/// masked, as in the vector.
pub fn handle() -> TimeClass {
    let interrupted = account::enter_irq();
    while let Some(interrupt) = gic::acknowledge() {
        let intid = interrupt.intid() as usize;
        COUNTS.any()[intid].fetch_add(1, Ordering::Relaxed);
        match LINES[intid].get() {
            Some(line) => (line.handler)(),
            None => log::warn!("interrupt {intid} has no handler"),
        }
        gic::end(interrupt);
    }
    account::leave_irq(interrupted);
    interrupted
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
    let named = LINES.iter().enumerate().filter_map(|(intid, line)| Some((intid, line.get()?)));
    named
        .map(|(intid, line)| LineCounts {
            intid: intid as u32,
            name: &line.name,
            counts: (0..cpus).map(|cpu| count_on(CpuId::new(cpu), intid)).collect(),
        })
        .collect()
}

fn count_on(cpu: CpuId, intid: usize) -> u32 {
    if percpu::is_present(cpu) { COUNTS.remote(cpu)[intid].load(Ordering::Relaxed) } else { 0 }
}

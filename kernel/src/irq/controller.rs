//! The interrupt controller's side: enabling lines, taking interrupts.

use super::{COUNT, COUNTS, LINES, install};
use crate::arch::aarch64::gic;
use crate::machine::{Interrupt, Trigger};
use crate::trace;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use percpu::CpuId;
use smp::account::{self, TimeClass};

/// Where each shared interrupt goes.
static TARGETS: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];

/// Gives every device interrupt that goes to `cpu`, which is no longer online, another target.
pub fn move_away(cpu: CpuId) {
    for intid in gic::FIRST_SPI as usize..COUNT {
        let goes_there = TARGETS[intid].load(Ordering::Relaxed) == cpu.index();
        if goes_there && LINES[intid].is_completed() {
            let target = next_target();
            gic::route(intid as u32, target);
            TARGETS[intid].store(target.index(), Ordering::Relaxed);
        }
    }
}

/// Calls `handler` for a device's interrupt from now on. Panics if the line has a handler.
pub fn register(name: &str, interrupt: Interrupt, handler: impl Fn() + Send + Sync + 'static) {
    install(name, interrupt.intid, handler);
    let target = if interrupt.intid < gic::FIRST_SPI {
        percpu::cpu_id()
    } else {
        next_target()
    };
    TARGETS[interrupt.intid as usize].store(target.index(), Ordering::Relaxed);
    gic::enable(interrupt.intid, trigger(interrupt.trigger), target);
}

/// Enables a private interrupt on this CPU.
pub fn enable_private(interrupt: Interrupt) {
    gic::enable(
        interrupt.intid,
        trigger(interrupt.trigger),
        percpu::cpu_id(),
    );
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
    online
        .get(turn % online.len().max(1))
        .copied()
        .unwrap_or_else(percpu::cpu_id)
}

/// Takes every interrupt that is pending on this CPU; returns what it was doing before. IRQs
/// masked, as in the vector.
pub fn handle() -> TimeClass {
    let interrupted = account::enter_irq();
    while let Some(interrupt) = gic::acknowledge() {
        let intid = interrupt.intid() as usize;
        COUNTS.any()[intid].fetch_add(1, Ordering::Relaxed);
        let number = intid as u32;
        trace::record(trace::Event::IrqEnter { intid: number });
        match LINES[intid].get() {
            Some(line) => (line.handler)(),
            None => log::warn!("interrupt {intid} has no handler"),
        }
        trace::record(trace::Event::IrqExit { intid: number });
        gic::end(interrupt);
    }
    account::leave_irq(interrupted);
    interrupted
}

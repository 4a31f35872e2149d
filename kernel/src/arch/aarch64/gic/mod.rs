//! The interrupt controller: a GICv2 or a GICv3 behind one short list of functions.
//!
//! Distributor settings change under one lock; acknowledging, ending and sending SGIs are
//! per-CPU operations without any lock. The calling CPU is always the one meant by "this CPU".

mod v2;
mod v3;

use crate::machine::{Gic as Description, GicVersion};
use percpu::CpuId;
use spin::Once;

pub use arm_gic::Trigger;

/// First shared interrupt: below are the per-CPU SGIs (0-15) and PPIs (16-31).
pub const FIRST_SPI: u32 = 32;

/// An interrupt this CPU has acknowledged and must [`end`].
#[must_use]
#[derive(Clone, Copy)]
pub struct Acknowledged(u32);

impl Acknowledged {
    /// The interrupt id; a GICv2 also keeps an SGI's sender above bit 10, which ending needs.
    pub fn intid(self) -> u32 {
        self.0 & 0x3ff
    }
}

enum Controller {
    V2(v2::GicV2),
    V3(v3::GicV3),
}

static CONTROLLER: Once<Controller> = Once::new();

fn controller() -> &'static Controller {
    CONTROLLER
        .get()
        .expect("the distributor is initialised first")
}

/// Maps and sets up the distributor: once, on the boot CPU, with IRQs masked.
pub fn init_distributor(description: &Description) {
    CONTROLLER.call_once(|| match &description.version {
        GicVersion::V2 {
            distributor,
            cpu_interface,
        } => Controller::V2(v2::GicV2::new(*distributor, *cpu_interface)),
        GicVersion::V3 {
            distributor,
            redistributors,
        } => Controller::V3(v3::GicV3::new(*distributor, redistributors)),
    });
}

/// Sets up this CPU's interface, its SGIs enabled: once per CPU start, with IRQs masked.
pub fn init_cpu() {
    match controller() {
        Controller::V2(gic) => gic.init_cpu(),
        Controller::V3(gic) => gic.init_cpu(),
    }
}

/// This CPU goes off: it takes no more interrupts. With IRQs masked.
pub fn leave_cpu() {
    match controller() {
        Controller::V2(gic) => gic.leave_cpu(),
        Controller::V3(gic) => gic.leave_cpu(),
    }
}

/// Interrupts `target` with SGI `sgi`. Memory written before is visible to its handler.
pub fn send_sgi(target: CpuId, sgi: u8) {
    publish_before_sgi();
    match controller() {
        Controller::V2(gic) => gic.send_sgi(target, sgi),
        Controller::V3(gic) => gic.send_sgi(target, sgi),
    }
}

/// Interrupts every other running CPU with SGI `sgi`.
pub fn send_sgi_others(sgi: u8) {
    publish_before_sgi();
    if let Some(controller) = CONTROLLER.get() {
        match controller {
            Controller::V2(gic) => gic.send_sgi_others(sgi),
            Controller::V3(gic) => gic.send_sgi_others(sgi),
        }
    }
}

/// The highest-priority pending interrupt of this CPU, now active; `None` if it was spurious.
pub fn acknowledge() -> Option<Acknowledged> {
    let interrupt = match controller() {
        Controller::V2(gic) => gic.acknowledge(),
        Controller::V3(gic) => gic.acknowledge(),
    };
    complete_acknowledge();
    interrupt
}

/// Drops the priority of and deactivates an acknowledged interrupt.
pub fn end(interrupt: Acknowledged) {
    match controller() {
        Controller::V2(gic) => gic.end(interrupt),
        Controller::V3(gic) => gic.end(interrupt),
    }
}

/// Enables `intid`: a private one on this CPU, a shared one routed to `target`.
pub fn enable(intid: u32, trigger: Trigger, target: CpuId) {
    match controller() {
        Controller::V2(gic) => gic.enable(intid, trigger, target),
        Controller::V3(gic) => gic.enable(intid, trigger, target),
    }
}

/// Gives the shared interrupt `intid` another target; one that is pending goes along.
pub fn route(intid: u32, target: CpuId) {
    match controller() {
        Controller::V2(gic) => gic.route(intid, target),
        Controller::V3(gic) => gic.route(intid, target),
    }
}

/// Disables `intid` (a private one on this CPU).
pub fn disable(intid: u32) {
    match controller() {
        Controller::V2(gic) => gic.disable(intid),
        Controller::V3(gic) => gic.disable(intid),
    }
}

/// No later load may be done before the interrupt is active: an SGI sent up to then is not taken
/// again, and its handler must see what its sender stored (as Linux does).
fn complete_acknowledge() {
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
}

/// What was stored before must be seen by the CPU that takes the SGI: a system register write is
/// not ordered after stores without it (GICv3 architecture, "Ordering of SGIs").
fn publish_before_sgi() {
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("dsb ishst", options(nostack, preserves_flags)) };
}

//! Race points: named places where, if another CPU or an interrupt comes between, the protocols
//! must hold. The platform is told of each and may waste time there or force a preemption.
//!
//! This is the same scheduler: a platform that does nothing at race points costs nothing. The
//! kernel built with its feature `chaos` is one that does something, from a seed.

use crate::owner::Owner;
use crate::platform::Platform;

/// The places, in the order a thread meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RacePoint {
    /// A thread is PARKING; its CPU has not left it.
    Parking,
    /// The next thread is RUNNING; the last one's context is not saved.
    Switching,
    /// The context is saved; the last thread is not yet published.
    Tail,
    /// A thread was made READY and is in nobody's queue.
    Woken,
    /// A CPU was chosen for it; it does not know.
    Placed,
    /// It is in an inbox; its CPU was not asked to look.
    Posted,
    /// The request is set; the interrupt is not sent.
    Requested,
    /// Requests are taken; the inbox is not drained.
    Draining,
    /// A thief has seen an offer and not claimed it.
    Claiming,
    /// A thief has claimed a thread that still has its old home.
    Claimed,
    /// Surplus is on the shelf; no idle CPU was told.
    Offered,
    /// The idle bit is set; the CPU has not looked for surplus.
    Idling,
    /// Nothing was found; the CPU is not asleep yet.
    FallingAsleep,
    /// Parameters are stored; the change is not announced.
    Changing,
    /// The change is announced; nobody was sent to tell.
    Announced,
    /// A thread is dead; those who wait for its end do not know.
    Ending,
}

/// What the platform wants at a race point, beyond the time it has already wasted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    None,
    /// Preempt the running thread at the next opportunity, whether or not another is better.
    Preempt,
}

impl<P: Platform> Owner<'_, P> {
    /// Tells the platform of a race point and does what it wants.
    #[inline(always)]
    pub fn race_point(&mut self, point: RacePoint) {
        if self.sched.platform.race_point(point) == Disturbance::Preempt && !self.local.is_idle() {
            self.local.forced = true;
            self.set_need(true);
        }
    }
}

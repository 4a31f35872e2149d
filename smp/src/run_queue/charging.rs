//! Charging the running thread for its time: its accounts, its demand, its place on the fair clock.

use crate::body::Body;
use crate::owner::Owner;
use crate::platform::Platform;

/// The most that a fair thread is charged at a time: without somebody who waits there is no tick, and
/// virtual time must not overflow.
const LONGEST_RUN_NS: u64 = 1 << 40;

impl<P: Platform> Owner<'_, P> {
    /// Charges the running thread, if any, up to now.
    pub fn charge(&mut self) {
        match self.local.is_idle() {
            true => self.charge_idle(),
            false => self.charge_running(),
        }
    }

    /// Nobody has run since.
    pub fn charge_idle(&mut self) {
        self.local.charged_ns = self.now();
        self.local.fair.advance(None, 0);
    }

    /// Charges the running thread, which there is, up to now.
    #[inline(always)]
    pub fn charge_running(&mut self) {
        let now = self.now();
        let run_ns = now.saturating_sub(self.local.charged_ns);
        self.local.charged_ns = now;
        let priority = self.current_body(|body| body.priority);
        let realtime_ns = if priority > 0 { run_ns } else { 0 };
        let fair_waits = self.local.fair.len() > 0;
        let server = &mut self.local.fair_server;
        server.charge(now, realtime_ns, fair_waits, &self.sched.realtime_limit);
        // SAFETY: the running thread is alive.
        let body = &unsafe { &*self.local.current() }.body;
        // SAFETY: the running thread's body belongs to this CPU.
        body.with_mut(|body| self.charge_body(unsafe { &mut *body }, run_ns, now));
    }

    #[inline(always)]
    fn charge_body(&mut self, body: &mut Body, run_ns: u64, now: u64) {
        if self.sched.map.is_asymmetric() {
            body.demand.ran(run_ns, self.sched.map.capacity_of(self.id));
        }
        if body.priority > 0 {
            return body.charge_turn(run_ns);
        }
        let fair = &mut self.local.fair;
        // Who ran longer was alone: nobody compares.
        let run_ns = run_ns.min(LONGEST_RUN_NS);
        body.share.charge(run_ns, || fair.next_slice_ns(now));
        fair.advance(Some(&body.share), run_ns);
        fair.renew(&mut body.share);
    }

    /// [`charge`](Self::charge), unless that was just done: before the clock is relied on.
    pub(super) fn freshen(&mut self) {
        const STALE_NS: u64 = 100_000;
        if self.now().saturating_sub(self.local.charged_ns) > STALE_NS {
            self.charge();
        }
    }
}

//! What a switch adds to the accounts of the thread that is left and of the one that comes.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::account::TimeClass;
use crate::checks::ledger;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::stats::bump;
use crate::switch::Reason;
use crate::thread::Thread;
use crate::trace::Event;

impl<P: Platform> Owner<'_, P> {
    /// For the trace and the ledger; the former thread is still current.
    #[inline(always)]
    pub(super) fn note_switch(&mut self, next: *const Thread, reason: Reason, now: u64) {
        // SAFETY: picked, hence alive until its own tail; or the idle thread.
        let next = unsafe { &*next };
        let (from, to) = (self.current().tid(), next.tid());
        let left = reason.left();
        self.trace_at(Event::Switch { from, to, left }, now);
        if to != 0 {
            ledger::run(next, self.id);
        }
    }

    /// Accounts for the current thread, which is about to be left.
    #[inline(always)]
    pub(super) fn settle_leaving(&mut self, reason: Reason, now: u64) {
        let fair = &self.local.fair;
        self.current_body(|body| {
            body.since_ns = now;
            if reason == Reason::Park {
                // Whoever wakes it may place it on another clock. One that stays ready does not
                // leave this one, unless it is sent away.
                fair.detach(body);
            }
        });
        self.current().counters.run.end(now);
        self.count_switch(reason);
    }

    #[inline(always)]
    fn count_switch(&mut self, reason: Reason) {
        let (mine, threads) = match reason {
            Reason::Preempt => (
                &self.cpu.stats.involuntary,
                &self.current().counters.involuntary,
            ),
            _ => (
                &self.cpu.stats.voluntary,
                &self.current().counters.voluntary,
            ),
        };
        bump(mine, 1);
        bump(threads, 1);
    }

    /// Accounts for the thread that has just become current.
    #[inline(always)]
    pub(super) fn enter(&mut self, now: u64) {
        if self.local.is_idle() {
            return self.enter_idle(now);
        }
        self.cpu.time.go_on(now, TimeClass::System);
        self.publish_running_priority();
        let hints = &self.cpu.shared.hints;
        let id = self.current().id();
        hints
            .current
            .store(u64::from(id.tid) << 32 | u64::from(id.generation), Relaxed);
        let here = self.id;
        let (waited, waited_here, moved) = self.current_body(|body| {
            hints.running_weight.store(body.share.weight(), Relaxed);
            let moved = body.ran_on.replace(here);
            if moved != Some(here) {
                body.arrived_ns = now;
            }
            let moved = moved.filter(|&cpu| cpu != here);
            body.stolen = false;
            body.share.served = false;
            let since = |then| now.saturating_sub(then);
            (since(body.since_ns), since(body.queued_ns), moved)
        });
        let counters = &self.current().counters;
        counters.run.begin(now);
        bump(&counters.wait_ns, waited);
        bump(&self.cpu.stats.wait_ns, waited);
        if let Some(from) = moved {
            self.note_migration(from);
        }
        self.check_placement(waited_here, now);
    }

    #[inline(never)]
    fn note_migration(&mut self, from: CpuId) {
        let (tid, from) = (self.current().tid(), from.into());
        bump(&self.current().counters.migrations, 1);
        bump(&self.cpu.stats.migrations, 1);
        self.trace(Event::Migrate { tid, from });
    }

    fn enter_idle(&mut self, now: u64) {
        self.cpu.time.go_on(now, TimeClass::Idle);
        self.publish_priority();
        let hints = &self.cpu.shared.hints;
        hints.current.store(0, Relaxed);
        hints.running_weight.store(0, Relaxed);
        bump(&self.cpu.stats.idles, 1);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::Runtime;
    use crate::ordered::body_of;
    use crate::testing::bench::bench;
    use percpu::{CpuId, CpuSet};

    /// Wherever it is placed when it wakes, it gets that much less there.
    #[test]
    fn who_sleeps_takes_along_what_it_used_too_much() {
        const MS: u64 = 1_000_000;
        let bench = bench();
        for _ in 0..2 {
            bench.start(&bench.thread(CpuSet::single(CpuId::new(0))));
        }
        bench.idle_look();
        let sleeper = bench.current();
        bench.pass(2 * MS);
        bench.park(None);
        let lag = body_of(&sleeper, |body| body.share.lag);
        assert_eq!(lag, -(MS as i64), "half of it was the other's");
        bench.bury_current();
    }
}

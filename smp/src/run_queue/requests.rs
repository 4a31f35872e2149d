//! Serving what other CPUs asked for.

use crate::chaos::RacePoint;
use crate::control_word::{LEAVING, LOOK};
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::sync::mutate;
use crate::thread::ThreadRef;

/// How often requests are served in one action, if always new ones come: interrupts are masked
/// meanwhile.
pub(crate) const MAX_ROUNDS: usize = 8;

impl<P: Platform> Owner<'_, P> {
    /// Serves what others asked for: threads sent here, changed parameters.
    #[inline(always)]
    pub fn serve_requests(&mut self) {
        if self.cpu.shared.control.is_requested() {
            self.serve();
        }
    }

    /// Until there are no requests, or an interrupt is pending that comes back for them.
    #[inline(never)]
    pub(super) fn serve(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if !self.cpu.shared.control.is_requested() {
                return;
            }
            // Before the drains: a sender that comes later asks anew.
            let early = mutate("drain_before_clear", false, true);
            if early {
                self.drain();
            }
            let asked = self.cpu.shared.control.take_requests();
            if asked & LEAVING != 0 {
                self.begin_leaving();
            }
            if asked & LOOK != 0 {
                self.local.kicked = true;
                self.local.told = true;
            }
            self.sched.posted.remove(&self.sched.map, self.id);
            self.race_point(RacePoint::Draining);
            if !early {
                self.drain();
            }
        }
        if self.cpu.shared.control.is_requested() {
            self.sched.platform.send_reschedule(self.id);
        }
    }

    fn drain(&mut self) {
        // Controls are taken first and handled last: a thread whose control is here and that is
        // still in the inbox then is in a queue when its control is handled.
        let controls = self.cpu.shared.controls.drain();
        for thread in self.cpu.shared.inbox.drain() {
            // SAFETY: whoever pushed it held it and gave it up.
            self.arrive(unsafe { Held::assume(thread) });
        }
        for thread in controls {
            // SAFETY: the reference that was pushed with the control.
            let thread = unsafe { ThreadRef::from_raw(thread) };
            self.handle_control(thread);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::control_word::WORK;
    use crate::testing::bench::{Bench, bench};
    use crate::{Runtime, Scheduler};
    use core::sync::atomic::Ordering::Relaxed;
    use percpu::{CpuId, CpuSet};

    /// Others keep asking CPU 0 for something, while it does what `act` says: it gets through, and
    /// comes back for what is left.
    fn pestered(act: impl Fn(&Scheduler<Bench>)) {
        const TIMES: usize = 10_000;
        let bench = bench();
        let thread = bench.thread(CpuSet::single(CpuId::new(0)));
        bench.start(&thread);
        bench.idle_look();
        bench.pester(TIMES);
        let control = &bench.cpus[0].shared.control;
        let _ = control.request(WORK);
        act(&bench);
        assert!(bench.platform.disturbances.load(Relaxed) > TIMES - 1000);
        assert!(control.is_requested() && bench.platform.sent.load(Relaxed) > 0);
        bench.pester(0);
        bench.on_reschedule_ipi();
        assert!(!control.is_requested());
        bench.bury_current();
    }

    #[test]
    fn who_is_asked_without_end_gets_out_of_an_interrupt() {
        pestered(|bench| bench.on_reschedule_ipi());
    }

    #[test]
    fn who_is_asked_without_end_goes_on_in_user_mode() {
        pestered(|bench| bench.preempt_if_needed());
    }
}

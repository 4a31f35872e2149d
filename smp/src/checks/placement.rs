//! Was this the right CPU, and the right time? Asked when a thread is put on a CPU.
//!
//! *Affinity.* A change is stored first and announced after, so a thread may be caught in between
//! where it no longer belongs: `changing` counts the changers between the two. With none, and no
//! announcement pending, a thread on a forbidden CPU is a breach.
//!
//! *Work conservation.* The thread has waited in this CPU's queue until now. A CPU that it could
//! have run on, that sleeps without a request and has done so for as long, slept while work
//! waited. Both times are over [`BOUND_NS`], and meanwhile this CPU left the scheduler several
//! times, at each of which it should have told an idle CPU. So neither a handover in progress
//! nor a virtual CPU that the host did not run is mistaken for a breach: one that has been asked
//! no longer counts as asleep, and one that did not run did not leave the scheduler.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use percpu::CpuId;

use super::{Breach, Found, report};
use crate::owner::Owner;
use crate::platform::Platform;
use crate::thread::Thread;

/// Three quanta: a restricted thread may wait for the end of one beside an idle CPU, and a
/// quantum may be stretched by the system call it ends in.
pub(crate) const BOUND_NS: u64 = 20_000_000;

/// How often a CPU has left the scheduler, and when, so many times ago.
#[derive(Default)]
pub(crate) struct Exits {
    count: u32,
    marks_ns: [u64; 2],
}

impl Exits {
    /// Marks are this many exits apart.
    const APART: u32 = 8;

    /// One more; says whether its time is to be marked.
    #[inline(always)]
    pub fn count(&mut self) -> bool {
        self.count = self.count.wrapping_add(1);
        self.count.is_multiple_of(Self::APART)
    }

    #[cold]
    pub fn mark(&mut self, now_ns: u64) {
        self.marks_ns = [self.marks_ns[1], now_ns];
    }

    /// A time since which there were at least [`APART`](Self::APART) exits.
    fn many_since_ns(&self) -> u64 {
        self.marks_ns[0]
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Looks at the thread that has just become current after `waited_ns` in this CPU's queue.
    #[inline(always)]
    pub fn check_placement(&self, waited_ns: u64, now_ns: u64) {
        let thread = self.current();
        if thread.is_restricted() {
            self.check_affinity(thread);
        }
        if waited_ns > BOUND_NS {
            self.check_conservation(thread, waited_ns, now_ns);
        }
    }

    fn check_affinity(&self, thread: &Thread) {
        // The order matters: the affinity, then `changing`, then the announcement.
        let forbidden = !thread.may_run_on(self.id);
        if forbidden && thread.changing.load(Acquire) == 0 && !thread.state.load().control() {
            report(Breach::Affinity, thread, Found::ForbiddenOn(self.id));
        }
    }

    #[cold]
    fn check_conservation(&self, thread: &Thread, waited_ns: u64, now_ns: u64) {
        // It may have been allowed elsewhere only lately.
        let movable_since = thread.movable_since_ns.load(Relaxed);
        let waited_ns = waited_ns.min(now_ns.saturating_sub(movable_since));
        let exits_ns = now_ns.saturating_sub(self.local.exits.many_since_ns());
        let asleep = |cpu: CpuId| {
            let shared = &self.sched.cpus[cpu.index()].shared;
            let since = shared.hints.asleep_since_ns.load(Acquire);
            let idle = since != 0 && shared.control.is_asleep();
            let same = shared.hints.asleep_since_ns.load(Acquire) == since;
            (idle && same).then(|| now_ns.saturating_sub(since))
        };
        for cpu in (0..self.sched.cpus.len()).map(CpuId::new) {
            let usable = self.sched.is_online(cpu) && thread.may_run_on(cpu);
            let Some(asleep_ns) = asleep(cpu).filter(|_| usable) else {
                continue;
            };
            let together_ns = asleep_ns.min(waited_ns);
            if together_ns > BOUND_NS && together_ns > exits_ns {
                let found = Found::WaitedWhileAsleep {
                    waited_ns,
                    asleep: cpu,
                    asleep_ns,
                    scene: self.scene(cpu),
                };
                return report(Breach::Conservation, thread, found);
            }
        }
    }

    /// The running thread waited here, and `asleep` slept.
    fn scene(&self, asleep: CpuId) -> Scene {
        let (sched, local, id) = (self.sched, &self.local, self.id);
        Scene {
            waited_on: id,
            priority: self.current_body(|body| body.priority),
            restricted: self.current().is_restricted(),
            still_wait: [local.fair.len(), local.fair.offered(), local.realtime.len()],
            real_time_spent: local.fair_server.is_spent(),
            has_surplus: sched.overloaded.contains(&sched.map, id),
            hands_on: sched.holding.contains(&sched.map, id),
            counts_as_idle: sched.idle.contains(&sched.map, asleep),
            counts_as_urgent: sched.running_priority(asleep),
        }
    }
}

/// What people want to know when a CPU slept while work waited.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by people, in the message")]
pub(crate) struct Scene {
    waited_on: CpuId,
    priority: u8,
    restricted: bool,
    /// Fair, on offer, real-time.
    still_wait: [usize; 3],
    real_time_spent: bool,
    has_surplus: bool,
    hands_on: bool,
    /// The CPU that slept.
    counts_as_idle: bool,
    counts_as_urgent: u32,
}

//! A CPU's queues as one: arriving, waiting, being picked.

use core::sync::atomic::Ordering::Relaxed;

use crate::affinity::settle;
use crate::chaos::RacePoint;
use crate::fair::FairQueue;
use crate::held::Held;
use crate::ordered::NOBODY;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::search::Sought;
use crate::spec::Policy;
use crate::stats::bump;
use crate::steal::REMOTE_SURPLUS;
use crate::sync::{Ordering, fence, mutate};
use crate::thread::{ThreadRef, Waiting};
use crate::{body::Body, control_word};

/// How often requests are served in one action, if always new ones come: interrupts are masked
/// meanwhile.
pub(crate) const MAX_ROUNDS: usize = 8;
/// The most that a fair thread is charged at a time: without somebody who waits there is no tick, and
/// virtual time must not overflow.
const LONGEST_RUN_NS: u64 = 1 << 40;

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
    fn serve(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if !self.cpu.shared.control.is_requested() {
                return;
            }
            // Before the drains: a sender that comes later asks anew.
            let early = mutate("drain_before_clear", false, true);
            if early {
                self.drain();
            }
            if self.cpu.shared.control.take_requests() {
                self.begin_leaving();
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

    /// Queues a thread that comes from elsewhere, unless it must not be here.
    pub fn arrive(&mut self, thread: Held) {
        if thread.state.load().control() {
            settle(&thread);
        }
        if !self.may_keep(&thread) || self.better_elsewhere(&thread) {
            self.dispatch(thread, control_word::NEED);
            return;
        }
        self.freshen();
        let (running, now) = (self.found_running(), self.now());
        thread.body(|body| self.local.fair.attach(body, running, now));
        self.admit(thread, false);
    }

    /// The weight of the thread that an arriving one finds running, and what that asked for when
    /// it woke; 0 if that is served, or if it calls the one that arrives.
    fn found_running(&mut self) -> (u64, u64) {
        if self.local.is_idle() {
            return (0, 0);
        }
        let (weight, asked_ns) =
            self.current_body(|body| (body.fair_weight(), body.share.first_ns));
        (weight, if self.calls { 0 } else { asked_ns })
    }

    /// Queues a thread that is new here or has new parameters; it may come before the present one.
    #[inline(never)]
    pub fn admit(&mut self, thread: Held, in_front: bool) {
        if self.comes_first(&thread) {
            self.set_need(true);
        }
        self.queue(thread, in_front);
    }

    /// Whether a wake is part of a bulk transfer of the running thread (`bulk.rs`).
    fn is_bulk_wake(&self) -> bool {
        self.by_thread && self.current().moves_bulk()
    }

    /// Whether an arriving thread should run before the present one.
    fn comes_first(&self, thread: &Held) -> bool {
        if self.local.is_idle() {
            return false; // The idle loop looks by itself.
        }
        let fair = &self.local.fair;
        let server_spent = self.local.fair_server.is_spent();
        let (priority, arriving) = thread.body(|body| (body.priority, Arrival::of(body, fair)));
        self.current_body(|current| match (priority, current.priority) {
            (0, 0) => !self.is_bulk_wake() && arriving.comes_before(current),
            (0, _) => server_spent,
            (_, 0) => !server_spent,
            (arriving, running) => arriving > running,
        })
    }

    /// Puts a thread that is at home here, and placed on the clock, into its queue.
    #[inline(always)]
    pub fn queue(&mut self, thread: Held, in_front: bool) {
        self.dirty = true;
        let now = self.now();
        let (priority, stolen) = thread.body(|body| {
            body.queued_ns = now;
            (body.priority, body.stolen)
        });
        if priority > 0 {
            return self.local.realtime.insert(thread, priority, in_front);
        }
        let (start, deadline) = thread.body(|body| (body.share.start, body.share.deadline));
        thread.counters.virtual_start.store(start, Relaxed);
        thread.counters.virtual_deadline.store(deadline, Relaxed);
        let movable = self.sched.cpus.len() > 1 && !stolen && !thread.is_restricted();
        self.local
            .fair
            .insert(thread, &self.cpu.shared.shelf, movable);
    }

    /// Takes the thread to run next, RUNNING already. Threads whose parameters changed are
    /// sent where they belong on the way.
    #[inline(always)]
    pub fn pick(&mut self) -> Option<Held> {
        loop {
            let thread = self.pop()?;
            self.dirty = true;
            if thread.state.run(self.id).is_ok() {
                return Some(thread);
            }
            self.settle_picked(thread);
        }
    }

    #[cold]
    fn settle_picked(&mut self, thread: Held) {
        self.settle_here(&thread);
        if self.may_keep(&thread) {
            self.queue(thread, true);
        } else {
            self.send_away(thread);
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Held> {
        let Self { local, cpu, .. } = self;
        let fair_first = local.fair_goes_first();
        if !fair_first && let Some(urgent) = local.realtime.pop() {
            return Some(urgent);
        }
        let fair = local.fair.pop(&cpu.shared.shelf);
        fair.or_else(|| local.realtime.pop())
    }

    /// Sends a thread that waits here to a CPU it may run on.
    #[inline(never)]
    pub fn send_away(&mut self, thread: Held) {
        thread.body(|body| self.local.fair.detach(body));
        self.dispatch(thread, control_word::NEED);
    }

    /// Takes a thread out of the tree or list it waits in here.
    pub fn unlink(&mut self, thread: &crate::thread::Thread) -> Option<Held> {
        self.dirty = true;
        match thread.waiting(self.id) {
            // SAFETY: this CPU's own note of where it put the thread.
            Some(Waiting::Realtime(p)) => Some(unsafe { self.local.realtime.unlink(thread, p) }),
            // SAFETY: as above.
            Some(place) => Some(unsafe { self.local.fair.unlink(thread, place) }),
            None => self.local.fair.withdraw(thread, &self.cpu.shared.shelf),
        }
    }

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
        let counters = &self.current().counters;
        bump(&counters.run_ns, run_ns);
        counters.running_since_ns.store(now, Relaxed);
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
    fn freshen(&mut self) {
        const STALE_NS: u64 = 100_000;
        if self.now().saturating_sub(self.local.charged_ns) > STALE_NS {
            self.charge();
        }
    }

    /// Whether a waiting thread should run before the present one, which was just charged.
    pub fn better_waits(&mut self) -> bool {
        self.local.fair.reconcile(&self.cpu.shared.shelf);
        let top = self.local.realtime.top();
        let first = self.local.fair.first_deadline();
        let fair = &self.local.fair;
        self.current_body(|current| match (top, current.priority) {
            // Who runs is not disturbed until its request is served, but for an earlier deadline.
            (0, 0) => {
                let share = &current.share;
                let served = share.served && !fair.is_eligible(share);
                first < share.deadline || served && first != NOBODY
            }
            (_, 0) => !self.local.fair_server.is_spent(),
            (_, _) if self.local.fair_goes_first() => true,
            (waiting, running) => waiting > running || waiting == running && current.turn_is_over(),
        })
    }

    /// Whether the running thread was forbidden this CPU, has a better one, or this CPU leaves.
    pub fn must_leave(&self) -> bool {
        let thread = self.current();
        self.local.leaving
            || self.local.misplaced
            || thread.state.load().control() && !thread.may_run_on(self.id)
    }

    /// Ends an action that may have changed the queue: offers surplus, tells an idle CPU, sets
    /// the tick as needed. On return no request is left that nobody would interrupt for.
    #[inline(always)]
    pub fn leave(&mut self) {
        loop {
            if self.sched.cpus.len() > 1 && self.concerns_others() {
                self.offer_to_others();
            }
            let waiting = self.local.waiting();
            let hints = &self.cpu.shared.hints;
            hints.nr_ready.store(waiting as u32, Relaxed);
            if self.update_tick(waiting) {
                break;
            }
            self.serve();
        }
        self.dirty = false;
        if self.local.exits.count() {
            let now = self.now();
            self.local.exits.mark(now);
        }
        self.program_timer();
    }

    /// Whether others should hear of something that waits here, or that nothing does any more.
    #[inline(always)]
    fn concerns_others(&mut self) -> bool {
        self.publish_priority();
        let local = &self.local;
        local.told || local.dropped || local.fair.may_go() || !local.realtime.roamers().is_empty()
    }

    #[inline(never)]
    fn offer_to_others(&mut self) {
        self.local.told = false;
        self.hand_on();
        self.share_surplus();
    }

    fn share_surplus(&mut self) {
        let (map, shelf) = (&self.sched.map, &self.cpu.shared.shelf);
        self.local.fair.reconcile(shelf);
        self.local.fair.refill(shelf);
        if !self.local.fair.has_offers() {
            self.sched.overloaded.remove(map, self.id);
            return;
        }
        self.local.told = true;
        self.sched.overloaded.show(map, self.id);
        self.race_point(RacePoint::Offered);
        // Pairs with the fence of `prepare_sleep`: either this CPU sees the idle bit below, or
        // the idle CPU sees the offer when it looks once more.
        if mutate("surplus_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        if !self.local.is_idle() || self.local.fair.len() > 1 {
            self.kick_idle(self.local.fair.offered() >= REMOTE_SURPLUS);
        }
    }

    /// Wakes one idle CPU, the nearest, to look for surplus; one on another memory node only if
    /// `far`.
    #[inline(never)]
    pub fn kick_idle(&mut self, far: bool) {
        let (sched, map, id) = (self.sched, &self.sched.map, self.id);
        let spans = sched.spreading_order(id).iter();
        let spans = spans.filter(|span| far || !map.is_remote(id, span.group));
        for (span, idle) in sched.found(Sought::Cpu, &sched.idle, spans, None) {
            for cpu in map.members(span.group, idle, id) {
                let claimed = cpu != id && sched.idle.remove(map, cpu);
                if claimed && self.ring(cpu, control_word::WORK) {
                    return;
                }
            }
        }
    }
}

/// What decides whether a fair thread that arrives runs before the one that is running.
struct Arrival {
    policy: Policy,
    eligible: bool,
    deadline: u64,
}

impl Arrival {
    fn of(body: &Body, fair: &FairQueue) -> Self {
        Self {
            policy: body.policy,
            eligible: fair.is_eligible(&body.share),
            deadline: body.share.deadline,
        }
    }

    /// sched(7): a batch thread does not preempt, an idle one is preempted by any other.
    fn comes_before(&self, running: &Body) -> bool {
        match (self.policy, running.policy) {
            (Policy::Idle | Policy::Batch, Policy::Normal) => false,
            (Policy::Normal | Policy::Batch, Policy::Idle) => true,
            (Policy::Batch, _) => false,
            _ => self.eligible && self.deadline < running.share.deadline,
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

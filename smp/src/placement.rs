//! Where a thread that became ready goes: to its waker's CPU or its last if idle, an idle one near
//! that, any idle one, else the waker's or the last.

use core::sync::atomic::Ordering::Relaxed;

use percpu::{CpuId, CpuSet};

use crate::affinity::settle;
use crate::chaos::RacePoint;
use crate::control_word::WORK;
use crate::held::Held;
use crate::map::Span;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::search::Sought;
use crate::shelf::SLOTS;
use crate::thread::Thread;
use crate::trace::Event;

/// How many CPUs are compared when none is idle.
const MAX_COMPARED: usize = 16;

impl<P: Platform> Owner<'_, P> {
    /// Whether the thread can go nowhere else than back to this CPU, which is busy: nothing is to
    /// be searched or claimed.
    #[inline(always)]
    fn has_no_choice(&self, thread: &Thread, last: CpuId) -> bool {
        let one = self.sched.cpus.len() == 1 || thread.is_pinned();
        one && last == self.id && !self.local.is_idle() && self.may_keep(thread)
    }

    /// Claims this CPU for a thread that last was on its memory node, if it is idle: that takes
    /// no search and no interrupt.
    fn claim_here(&self, thread: &Thread, last: CpuId) -> bool {
        let Scheduler { map, idle, .. } = self.sched;
        let near = !map.is_remote(self.id, map.place(last).group);
        let free = self.local.is_idle() && self.local.waiting() == 0;
        if !free || !near || !self.sched.is_plain() || !self.sched.may_use(thread, self.id) {
            return false;
        }
        self.sched.probed(Sought::Cpu, 1);
        idle.remove(map, self.id)
    }

    /// Sends a READY thread, detached from any clock, to the CPU it should run on. `urgency` is
    /// NEED when it may go before what runs there, else 0. Says whether that is this CPU.
    pub fn dispatch(&mut self, thread: Held, urgency: u32) -> bool {
        let before = thread.state.load();
        if before.control() {
            settle(&thread); // Its policy decides where it goes.
        }
        let last = before.home();
        let mut target = match self.has_no_choice(&thread, last) || self.claim_here(&thread, last) {
            true => self.id,
            false => self.sched.place(&thread, last, urgency == 0),
        };
        self.race_point(RacePoint::Placed);
        // Whoever changes the parameters now sees the new home, or this sees the change.
        while thread.state.set_home(target).control() {
            settle(&thread);
            if thread.may_run_on(target) {
                break;
            }
            // It may have been claimed as idle: let it look and say so again.
            self.ring(target, WORK);
            target = self.sched.place(&thread, last, false);
        }
        let event = Event::Wake {
            tid: thread.tid(),
            target: target.into(),
        };
        self.trace(event);
        if target == self.id {
            self.arrive(thread);
        } else {
            self.send(thread, target, urgency);
        }
        target == self.id
    }

    /// Hands a thread whose home is `target` over to it.
    pub fn send(&mut self, thread: Held, target: CpuId, urgency: u32) {
        let shared = &self.sched.cpus[target.index()].shared;
        // SAFETY: held, so on no inbox; READY threads stay alive.
        unsafe { shared.inbox.push(thread.into_raw()) };
        self.race_point(RacePoint::Posted);
        if urgency == 0 {
            self.post(target);
        } else {
            self.ring(target, WORK | urgency);
        }
    }
}

impl<P: Platform> Scheduler<P> {
    /// Chooses a CPU for `thread`, which last was at `last`; claims its idle bit if it is idle.
    pub(crate) fn place(&self, thread: &Held, last: CpuId, spread: bool) -> CpuId {
        let idle = match self.is_plain() {
            true => self.claim_nearest(thread, last),
            false => self.claim_suitable(thread, last),
        };
        if let Some(cpu) = idle {
            return cpu;
        }
        if thread.body(|body| body.priority) > 0
            && let Some(cpu) = self.lowest_priority(thread, last)
        {
            return cpu;
        }
        if self.may_use(thread, last) && !spread && self.serves_fair(last) {
            return self.here_or(last, thread);
        }
        let found = self.least_loaded(thread, last);
        // No CPU it may use is online: like Linux, rather run it elsewhere than never.
        let found = found.or_else(|| {
            self.lift_restriction(thread);
            self.least_loaded(thread, last)
        });
        found.unwrap_or(last)
    }

    /// The waker's CPU instead of the last one, both busy, if no more threads wait there: the
    /// newcomer runs at once or is on offer at once, and nobody is interrupted.
    fn here_or(&self, last: CpuId, thread: &Thread) -> CpuId {
        let here = self.platform.cpu();
        if here == last || !self.is_plain() {
            return last;
        }
        let suits = !self.map.is_remote(here, self.map.place(last).group)
            && self.is_no_fuller(here, last)
            && self.may_use(thread, here)
            && self.serves_fair(here);
        if suits { here } else { last }
    }

    /// Whether no more threads wait at `here` than at `last`; or in its group if that is another: then
    /// the choice of two evens the groups out, each of which serves its own first. But for what
    /// `here` cannot offer to others at once.
    fn is_no_fuller(&self, here: CpuId, last: CpuId) -> bool {
        let [group, other] = [here, last].map(|cpu| self.map.place(cpu).group);
        let waiting = |cpu: CpuId| self.cpus[cpu.index()].shared.hints.nr_ready.load(Relaxed);
        if group == other {
            return waiting(here) <= waiting(last);
        }
        if waiting(here) as usize > SLOTS {
            return false;
        }
        // The line of the other was looked at for somebody idle.
        self.probed(Sought::Cpu, 1);
        let full = |group| self.overloaded.word(group).count_ones();
        full(group) <= full(other)
    }

    fn may_use(&self, thread: &Thread, cpu: CpuId) -> bool {
        self.is_online(cpu) && thread.may_run_on(cpu)
    }

    /// Claims the thread's last CPU if that is idle, else the nearest idle one.
    fn claim_nearest(&self, thread: &Thread, last: CpuId) -> Option<CpuId> {
        let usable = self.may_use(thread, last);
        self.probed(Sought::Cpu, 1);
        if usable && self.idle.remove(&self.map, last) {
            return Some(last);
        }
        if usable && thread.is_pinned() {
            return None; // There is no other.
        }
        let affinity = thread.is_restricted().then(|| thread.affinity());
        let (spans, seen) = (self.map.nearest(last), self.map.place(last).group);
        let mut found = self.found(Sought::Cpu, &self.idle, spans, Some(seen));
        found.find_map(|(span, idle)| self.claim_of(span, idle, affinity.as_ref(), last))
    }

    /// Claims one of the `idle` CPUs of the span, `last` if it can be.
    pub(crate) fn claim_of(
        &self,
        span: &Span,
        idle: u64,
        affinity: Option<&CpuSet>,
        last: CpuId,
    ) -> Option<CpuId> {
        let idle = idle & self.online.word(span.group);
        let mut members = self.map.members(span.group, idle, last);
        members.find(|&cpu| {
            affinity.is_none_or(|set| set.contains(cpu)) && self.idle.remove(&self.map, cpu)
        })
    }

    /// The CPU with the fewest ready threads among the nearest that the thread may use.
    fn least_loaded(&self, thread: &Thread, near: CpuId) -> Option<CpuId> {
        // Where real time runs, a fair thread waits for what is left of the second.
        let load = |cpu: &CpuId| {
            let ready = &self.cpus[cpu.index()].shared.hints.nr_ready;
            (!self.serves_fair(*cpu), ready.load(Relaxed))
        };
        self.probed(Sought::Cpu, MAX_COMPARED.min(self.cpus.len()) as u64);
        self.usable(thread, near)
            .take(MAX_COMPARED)
            .min_by_key(load)
    }

    /// The CPU that runs the least urgent thread.
    fn lowest_priority(&self, thread: &Thread, near: CpuId) -> Option<CpuId> {
        let running = |cpu: &CpuId| self.running_priority(*cpu);
        self.usable(thread, near).min_by_key(running)
    }

    /// All CPUs the thread may use, `near` itself first, then by distance.
    pub(crate) fn usable(&self, thread: &Thread, near: CpuId) -> impl Iterator<Item = CpuId> {
        let others = self.online_from(near).filter(move |&cpu| cpu != near);
        let near = core::iter::once(near).filter(|&cpu| self.is_online(cpu));
        let affinity = thread.is_restricted().then(|| thread.affinity());
        near.chain(others)
            .filter(move |&cpu| affinity.as_ref().is_none_or(|set| set.contains(cpu)))
    }
}

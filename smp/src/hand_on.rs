//! Handing on what nobody may take: restricted and real-time threads that wait here although
//! another CPU would run them.
//!
//! Two sides, so that neither has to be watched. The holder looks when its queue changed: is an
//! allowed CPU idle, or does one run something less urgent? It sends the thread there. And a CPU
//! that goes idle, or drops to a lower priority, asks the holders that may have something for it
//! to look again. Between the two stands a handshake over several words, with a full fence on both
//! sides: the holder publishes what it holds, then reads who is idle and how urgent; the other
//! publishes that it is idle or less urgent, then reads who holds what. One sees the other.

use core::ptr;

use percpu::{CpuId, CpuSet};

use crate::control_word::{NEED, WORK};
use crate::held::Held;
use crate::ordered::body_of;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::search::Sought;
use crate::sync::{self, AtomicU32, Lock, Ordering, mutate};
use crate::thread::Thread;

/// The most threads looked at, and the most holders asked, in one pass.
const MAX_LOOKS: usize = 16;
/// Within this time, in nanoseconds, who runs makes way, unless it is where it cannot be preempted.
const PROMPT_NS: u64 = 1_000_000;
/// What a CPU says that owes the fair class its part: no real-time thread would run there now.
const FAIR_TURN: u32 = 100;

/// What a CPU tells others about the threads that only it can hand on.
pub(crate) struct Holding {
    /// The priority of the most urgent one; 0 for a fair one.
    priority: AtomicU32,
    /// At least the CPUs that they may run on.
    to: Lock<CpuSet>,
}

impl Holding {
    pub fn new() -> Self {
        Self {
            priority: AtomicU32::new(0),
            to: Lock::new(CpuSet::EMPTY),
        }
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Tells the others how urgent what runs here is; 0 for fair threads and idle. A drop is
    /// followed up when the CPU leaves the scheduler.
    #[inline(always)]
    pub fn publish_priority(&mut self) {
        match self.local.is_idle() {
            true => self.publish(0),
            false => self.publish_running_priority(),
        }
    }

    /// The same on a CPU that is not idle.
    #[inline(always)]
    pub fn publish_running_priority(&mut self) {
        let priority = self.current_body(|body| u32::from(body.priority));
        let fair_turn = priority == 0 && self.local.fair_server.is_spent();
        self.publish(if fair_turn { FAIR_TURN } else { priority });
    }

    #[inline(always)]
    fn publish(&mut self, priority: u32) {
        let before = self.local.published_priority;
        if before == priority {
            return;
        }
        self.local.published_priority = priority;
        let hint = &self.cpu.shared.hints.priority;
        hint.store(priority, Ordering::Relaxed);
        self.local.dropped |= priority < before;
    }

    /// Looks for another CPU for the threads that wait here and may not be taken. The priority is
    /// published.
    pub fn hand_on(&mut self) {
        if core::mem::take(&mut self.local.dropped) && mutate("no_pull", true, false) {
            // Pairs with the fence below.
            if mutate("drop_fence", true, false) {
                sync::fence(Ordering::SeqCst);
            }
            self.ask_holders(self.local.published_priority + 1);
        }
        if !self.publish_holding() {
            return;
        }
        // Pairs with the fences of those that ask: above, and in `prepare_sleep`.
        if mutate("hold_fence", true, false) {
            sync::fence(Ordering::SeqCst);
        }
        self.push_realtime();
        self.push_to_idle();
    }

    /// Whether there is anything to hand on.
    fn publish_holding(&mut self) -> bool {
        let (fair, realtime) = (self.local.fair.roamers(), self.local.realtime.roamers());
        let (map, holding) = (&self.sched.map, &self.cpu.shared.holding);
        if fair.is_empty() && realtime.is_empty() {
            self.sched.holding.remove(map, self.id);
            return false;
        }
        let urgent = !realtime.is_empty();
        let priority = if urgent { self.local.realtime.top() } else { 0 };
        holding.priority.store(priority.into(), Ordering::Relaxed);
        *holding.to.lock() = fair.to.union(&realtime.to);
        self.local.told = true;
        self.sched.holding.insert(map, self.id);
        true
    }

    /// Asks those that hold threads of at least `priority` for this CPU to hand them on.
    fn ask_holders(&mut self, priority: u32) {
        let (sched, id) = (self.sched, self.id);
        for holder in sched.others_in(&sched.holding, id).take(MAX_LOOKS) {
            sched.probed(Sought::Work, 1);
            let holding = &sched.cpus[holder.index()].shared.holding;
            let urgent = holding.priority.load(Ordering::Relaxed) >= priority;
            if urgent && holding.to.lock().contains(id) {
                self.ring(holder, WORK | NEED);
            }
        }
    }

    /// Tells a CPU of something in its inbox that can wait, unless another CPU is idle: nobody but
    /// the owner gets it out of there.
    pub fn post(&mut self, target: CpuId) {
        let sched = self.sched;
        sched.posted.insert(&sched.map, target);
        self.ring(target, WORK);
        // Pairs with the fence of `prepare_sleep`, as above.
        if mutate("post_fence", true, false) {
            sync::fence(Ordering::SeqCst);
        }
        let attends = sched.cpus[target.index()].shared.control.is_attended();
        if sched.anybody_idle() && !attends {
            self.ring(target, WORK | NEED);
        }
    }

    fn ask_for_posted(&mut self) {
        let (sched, id) = (self.sched, self.id);
        for holder in sched.others_in(&sched.posted, id).take(MAX_LOOKS) {
            self.ring(holder, WORK | NEED);
        }
    }

    /// Asks for anything at all: this CPU's idle bit is set, and a full fence passed.
    pub fn ask_when_idle(&mut self) {
        if mutate("idle_asks_nobody", true, false) {
            self.ask_holders(0);
            self.ask_for_posted();
        }
    }

    /// Sends waiting real-time threads to CPUs that run something less urgent, one to each.
    fn push_realtime(&mut self) {
        if self.local.is_idle() || self.local.realtime.roamers().is_empty() {
            return;
        }
        let sched = self.sched;
        let stays = self.about_to_run();
        let mut used = CpuSet::single(self.id);
        for _ in 0..MAX_LOOKS {
            let goal = |thread: &Thread, priority| {
                let moves = stays != Some(ptr::from_ref(thread));
                moves.then(|| sched.less_urgent(thread, priority, &used))?
            };
            let Some((thread, target)) = self.local.realtime.take_for(goal) else {
                return;
            };
            used.insert(target);
            self.hand_over(thread, target, NEED);
        }
    }

    /// The waiting real-time thread that who runs was asked to make way for, unless that was a while
    /// ago: then it cannot be preempted, and another CPU may do better.
    fn about_to_run(&mut self) -> Option<*const Thread> {
        let late_ns = self.now().saturating_sub(PROMPT_NS);
        let realtime = &self.local.realtime;
        let next = u32::from(realtime.top()) > self.sched.running_priority(self.id);
        let first = realtime.first().filter(|_| next)?;
        let prompt = body_of(first, |body| body.queued_ns > late_ns);
        prompt.then_some(ptr::from_ref(first))
    }

    /// Sends waiting restricted threads to idle CPUs.
    fn push_to_idle(&mut self) {
        let sched = self.sched;
        // An idle CPU runs the first of them itself.
        let spare = |owner: &Self| owner.local.waiting() > usize::from(owner.local.is_idle());
        let mut looks = 0;
        while spare(self) && looks < MAX_LOOKS && sched.anybody_idle() {
            looks += 1;
            let found = self
                .local
                .fair
                .take_kept(|thread| sched.idle_for(thread, self.id));
            let Some(thread) = found else {
                return;
            };
            self.dirty = true;
            self.send_away(thread);
        }
    }

    /// Whether a real-time thread would have to wait here although another CPU would run it.
    pub fn better_elsewhere(&self, thread: &Held) -> bool {
        let (priority, moved) = thread.body(|body| (body.priority, body.stolen));
        if priority == 0 || moved || self.sched.cpus.len() == 1 {
            return false;
        }
        if u32::from(priority) > self.sched.running_priority(self.id) {
            return false;
        }
        let here = CpuSet::single(self.id);
        let found = self.sched.less_urgent(thread, priority, &here).is_some();
        if found {
            thread.body(|body| body.stolen = true);
        }
        found
    }
}

impl<P: Platform> Scheduler<P> {
    /// The priority of what runs on `cpu`, as far as it told.
    pub(crate) fn running_priority(&self, cpu: CpuId) -> u32 {
        let hint = &self.cpus[cpu.index()].shared.hints.priority;
        hint.load(Ordering::Relaxed)
    }

    /// The CPU that runs the least urgent thread below `priority`, idle ones first; not in `except`.
    fn less_urgent(&self, thread: &Thread, priority: u8, except: &CpuSet) -> Option<CpuId> {
        let others = self.usable(thread, thread.cpu());
        let others = others.filter(|&cpu| !except.contains(cpu));
        let running = |cpu| {
            (
                self.running_priority(cpu),
                !self.idle.contains(&self.map, cpu),
            )
        };
        let least = others.min_by_key(|&cpu| running(cpu))?;
        (self.running_priority(least) < u32::from(priority)).then_some(least)
    }

    /// Whether a CPU other than `here` that the thread may use is idle.
    fn idle_for(&self, thread: &Thread, here: CpuId) -> bool {
        if thread.is_pinned() {
            return false; // It waits where it must.
        }
        let affinity = thread.affinity();
        let spans = self.map.nearest(here);
        let mut found = self.found(Sought::Cpu, &self.idle, spans, None);
        found.any(|(span, idle)| {
            let mut members = self.map.members(span.group, idle, here);
            members.any(|cpu| cpu != here && affinity.contains(cpu))
        })
    }

    /// Whether a fair thread would get its share on `cpu`: no real-time thread runs there.
    pub(crate) fn serves_fair(&self, cpu: CpuId) -> bool {
        matches!(self.running_priority(cpu), 0 | FAIR_TURN)
    }
}

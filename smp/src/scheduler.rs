//! The scheduler: one value, all CPUs, and the way in.
//!
//! [`Runtime`] is implemented here in terms of the CPU's own actions (`Owner`), which live beside:
//! `switch.rs` (choosing, the tail), `run_queue.rs`, `placement.rs`, `steal.rs`, `idle.rs`,
//! `offline.rs`, `affinity.rs`, `tick.rs`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Relaxed},
};

use percpu::{CpuId, CpuSet};

use crate::account::TimeClass;
use crate::control_word::NEED;
use crate::cpu::Cpu;
use crate::cpu_mask::CpuMask;
use crate::fair_server::RealtimeLimit;
use crate::held::Held;
use crate::identity;
use crate::inbox::{Inbox, ReadyLink};
use crate::offline::OfflineError;
use crate::owner::Owner;
use crate::params::Params;
use crate::platform::Platform;
use crate::registry::Registry;
use crate::runtime::{Runtime, Unparked};
use crate::spec::{AffinityError, SpawnError, ThreadSpec};
use crate::stats::{CpuStats, bump};
use crate::switch::Reason;
use crate::sync::mutate;
use crate::thread::{Phase, ThreadId, ThreadRef};
use crate::tick::NEVER;
use crate::topology::Map;
use crate::trace::{Event, Kind};

/// Schedules threads on the CPUs of one [`Platform`].
pub struct Scheduler<P: Platform> {
    pub(crate) platform: P,
    pub(crate) cpus: Box<[Cpu]>,
    pub(crate) map: Map,
    pub(crate) online: CpuMask,
    /// CPUs that look for work; whoever sends them some clears the bit first.
    pub(crate) idle: CpuMask,
    /// CPUs whose shelf may have something; written by the CPU itself.
    pub(crate) overloaded: CpuMask,
    /// CPUs with waiting threads that only they can hand on; written by the CPU itself.
    pub(crate) holding: CpuMask,
    /// How much of a CPU real time may have.
    pub(crate) realtime_limit: RealtimeLimit,
    /// CPUs that were sent something they may look at when they like.
    pub(crate) posted: CpuMask,
    pub(crate) registry: Registry,
    pub(crate) graveyard: Inbox<ReadyLink>,
    pub(crate) reaper: spin::Once<ThreadRef>,
    /// Fill the slowest clusters first.
    pub(crate) power_saving: AtomicBool,
    /// A thread has lost its affinity and people have not been told.
    pub(crate) unbound: AtomicBool,
}

// SAFETY: the only parts that are not `Sync` are the CPUs' local parts, which are reached through
// `with_owner` alone, by their CPU alone.
unsafe impl<P: Platform> Sync for Scheduler<P> {}
// SAFETY: as above; the raw pointers in them name threads that are `Send`.
unsafe impl<P: Platform> Send for Scheduler<P> {}

impl<P: Platform> Scheduler<P> {
    /// A scheduler for the platform's CPUs, all offline. Allocates.
    pub fn new(platform: P) -> Self {
        let map = Map::new(&platform.topology());
        // An idle CPU asks these three, one after the other.
        let [overloaded, holding, posted] = CpuMask::together(&map);
        Self {
            cpus: (0..map.cpu_count())
                .map(|cpu| Cpu::new(CpuId::new(cpu), map.cpu_count() == 1))
                .collect(),
            online: CpuMask::new(&map),
            idle: CpuMask::new(&map),
            overloaded,
            holding,
            realtime_limit: RealtimeLimit::new(),
            posted,
            registry: Registry::new(),
            graveyard: Inbox::new(),
            reaper: spin::Once::new(),
            power_saving: AtomicBool::new(false),
            unbound: AtomicBool::new(false),
            map,
            platform,
        }
    }

    pub fn platform(&self) -> &P {
        &self.platform
    }

    pub fn cpu_count(&self) -> usize {
        self.cpus.len()
    }

    /// Where a brand-new thread's first instruction leads, on its own stack with IRQs masked:
    /// finishes the switch, unmasks IRQs, runs the entry closure, exits.
    pub fn thread_main(&self) -> ! {
        self.finish_switch();
        let thread = self.current();
        identity::adopt_stack(&thread);
        // SAFETY: the launch data belongs to the thread itself while it lives.
        let entry = thread
            .launch
            .with_mut(|launch| unsafe { (*launch).entry.take() });
        drop(thread);
        self.platform.irq_restore(true);
        entry.expect("a thread starts once")();
        self.exit()
    }

    /// Frees what dead threads leave: stack, extension, name. In a thread, IRQs unmasked; only
    /// one caller at a time (the reaper thread, where `run_idle` is used).
    pub fn reap(&self) -> usize {
        let mut count = 0;
        for thread in self.graveyard.drain() {
            // SAFETY: dead, and registered, hence alive, until `bereave` has seen it.
            let thread = unsafe { ThreadRef::share(thread) };
            self.bereave(&thread);
            count += 1;
        }
        count
    }

    /// Takes a thread that will never run (again) off the table, and what it owns with it.
    fn bereave(&self, thread: &ThreadRef) {
        drop(self.registry.remove(thread));
        let launch = thread.launch.with_mut(|launch| {
            // SAFETY: dead or never started, so the launch data is the caller's.
            let launch = unsafe { &mut *launch };
            (launch.entry.take(), launch.stack.take())
        });
        drop(launch);
        drop(thread.replace_extension(None));
    }

    /// The first half of `park`: returns at once with a result if the park is over before it
    /// began, else with `None` when the calling thread runs again. IRQs masked.
    ///
    /// Simulators, whose switch is a note and returns at once, call the halves apart.
    pub fn begin_park(&self, deadline_ns: Option<u64>) -> Option<Unparked> {
        // SAFETY: IRQs are masked; nobody calls this while acting; gone before the switch.
        let parked = unsafe { self.owner() }.park(deadline_ns);
        match parked {
            Ok(switch) => {
                self.perform(switch);
                None
            }
            Err(over) => Some(over),
        }
    }

    /// The second half of `park`, by the thread that runs again. IRQs masked.
    pub fn end_park(&self) -> Unparked {
        self.with_owner(|owner| {
            let me = owner.current();
            match me.sleep.parked_on() {
                Some(cpu) if !self.cpus[cpu.index()].shared.sleepers.remove(me) => {
                    Unparked::TimedOut
                }
                _ => Unparked::Woken,
            }
        })
    }

    /// Registers the calling thread to be woken by the end of `thread`; false if that is past.
    /// After true the caller parks until it is released: see [`join`](Runtime::join).
    #[must_use = "after true the end must be waited for"]
    pub fn begin_join(&self, thread: &ThreadRef) -> bool {
        thread.joiners.register(&self.current())
    }

    /// Switches to another thread for good; the calling one is published as dead by the tail.
    pub fn bury_current(&self) {
        self.platform.irq_save();
        self.reschedule(Reason::Exit);
    }

    /// Lets the calling CPU act with IRQs masked and settles what follows: the queue, and, if the
    /// caller may be switched, a preemption that has become due.
    pub(crate) fn act<R>(&self, act: impl FnOnce(&mut Owner<'_, P>) -> R) -> R {
        let were_unmasked = self.platform.irq_save();
        let result = self.with_owner(|owner| {
            owner.by_thread = were_unmasked;
            let result = act(owner);
            if owner.dirty {
                owner.leave();
            }
            result
        });
        if were_unmasked {
            self.preempt_if_needed();
        }
        self.platform.irq_restore(were_unmasked);
        result
    }

    /// Traces an event that is dear to make, if anybody wants it. IRQs in any state.
    #[inline]
    fn trace_if(&self, kind: Kind, event: impl FnOnce() -> Event) {
        if self.platform.is_tracing(kind) {
            let event = event();
            let were_unmasked = self.platform.irq_save();
            self.platform.trace(event, self.platform.now_ns());
            self.platform.irq_restore(were_unmasked);
        }
    }

    /// The thread that frees dead ones; made by the first CPU that goes idle.
    fn start_reaper(&'static self) {
        self.reaper.call_once(|| {
            let reap = move || {
                loop {
                    self.reap();
                    self.tell_unbound();
                    self.park(None);
                }
            };
            let reaper = self.create(ThreadSpec::new("reaper", reap));
            let reaper = reaper.expect("memory for the first thread");
            self.start(&reaper);
            reaper
        });
    }

    pub(crate) fn is_online(&self, cpu: CpuId) -> bool {
        self.online.contains(&self.map, cpu)
    }

    /// Whether a CPU of `set` is online.
    fn has_online(&self, set: &CpuSet) -> bool {
        let mut clusters = 0..self.map.cluster_count();
        clusters.any(|cluster| self.map.word_of(cluster, set) & self.online.word(cluster) != 0)
    }

    /// An affinity that leaves out no CPU of this machine restricts nothing.
    fn normalize(&self, set: &CpuSet) -> CpuSet {
        let everywhere = CpuSet::first_n(self.cpus.len()).is_subset(set);
        if everywhere { CpuSet::ALL } else { *set }
    }
}

impl<P: Platform> Runtime for Scheduler<P> {
    fn current(&self) -> ThreadRef {
        if let Some(current) = identity::on_this_stack() {
            return current;
        }
        let were_unmasked = self.platform.irq_save();
        // SAFETY: the current thread is alive, and counted by the registry or as idle.
        let current = self.with_owner(|owner| unsafe { ThreadRef::share(owner.local.current) });
        self.platform.irq_restore(were_unmasked);
        current
    }

    fn current_id(&self) -> ThreadId {
        let were_unmasked = self.platform.irq_save();
        let id = self.with_owner(|owner| owner.current().id());
        self.platform.irq_restore(were_unmasked);
        id
    }

    fn park(&self, deadline_ns: Option<u64>) -> Unparked {
        let were_unmasked = self.platform.irq_save();
        let over = self.begin_park(deadline_ns);
        let unparked = over.unwrap_or_else(|| self.end_park());
        self.platform.irq_restore(were_unmasked);
        unparked
    }

    fn unpark(&self, thread: &ThreadRef) {
        self.act(|owner| owner.wake(thread));
    }

    fn yield_now(&self) {
        let were_unmasked = self.platform.irq_save();
        self.reschedule(Reason::Yield);
        self.platform.irq_restore(were_unmasked);
    }

    fn now_ns(&self) -> u64 {
        self.platform.now_ns()
    }

    fn create(&self, mut spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        if spec.stack.is_none() {
            spec.stack = Some(self.platform.new_stack()?);
        }
        spec.affinity = spec.affinity.map(|set| self.normalize(&set));
        self.registry.create(spec)
    }

    fn discard(&self, thread: &ThreadRef) {
        assert_eq!(
            thread.phase(),
            Phase::New,
            "a started thread ends by itself"
        );
        self.bereave(thread);
    }

    fn start(&self, thread: &ThreadRef) {
        self.trace_if(Kind::Name, || Event::name(thread.tid(), &thread.name()));
        self.act(|owner| {
            thread.state.start(owner.id);
            // SAFETY: the transition from NEW gave the thread to this CPU.
            let held = unsafe { Held::assume(Arc::as_ptr(&thread.0)) };
            let now = owner.now();
            let priority = held.body(|body| {
                body.since_ns = now;
                body.priority
            });
            owner.dispatch(held, if priority > 0 { NEED } else { 0 });
        });
    }

    fn exit(&self) -> ! {
        self.bury_current();
        unreachable!("a dead thread was resumed")
    }

    fn join(&self, thread: &ThreadRef) {
        let mut waits = self.begin_join(thread);
        while waits {
            self.park(None);
            waits = !self.current().joiners.is_released();
        }
    }

    fn set_affinity(&self, thread: &ThreadRef, set: &CpuSet) -> Result<(), AffinityError> {
        let set = &self.normalize(set);
        if !self.has_online(set) {
            return Err(AffinityError::NoCpuAllowed);
        }
        if thread.is_settled_on(set) {
            return Ok(());
        }
        thread.changing.fetch_add(1, AcqRel);
        thread.movable_since_ns.store(self.now_ns(), Relaxed);
        // First the value, then the announcement: whoever hears of it finds it.
        if mutate("announce_before_store", false, true) {
            self.act(|owner| owner.announce_change(thread));
        }
        thread.store_affinity(set);
        if mutate("announce_before_store", true, false) {
            self.act(|owner| owner.announce_change(thread));
        }
        thread.changing.fetch_sub(1, AcqRel);
        self.trace_if(Kind::Affinity, || {
            let (tid, cpus) = (thread.tid(), set.words()[0]);
            Event::Affinity { tid, cpus }
        });
        Ok(())
    }

    fn change_params(&self, thread: &ThreadRef, change: &dyn Fn(Params) -> Params) {
        // First the value, then the announcement, as in `set_affinity`.
        if mutate("announce_before_store", false, true) {
            self.act(|owner| owner.announce_change(thread));
        }
        thread.params.update(change);
        if mutate("announce_before_store", true, false) {
            self.act(|owner| owner.announce_change(thread));
        }
        self.trace_if(Kind::Policy, || {
            let (policy, priority) = thread.params.load().policy.linux_numbers();
            let tid = thread.tid();
            Event::Policy {
                tid,
                policy,
                priority,
            }
        });
    }

    fn announce(&self, thread: &ThreadRef) {
        self.act(|owner| owner.announce_change(thread));
    }

    fn realtime_limit(&self) -> &RealtimeLimit {
        &self.realtime_limit
    }

    fn thread_from(&self, tid: u32) -> Option<ThreadRef> {
        self.registry.from(tid)
    }

    fn stack_used(&self, thread: &ThreadRef) -> Option<usize> {
        let used = || {
            // SAFETY: from creation to `bereave`, which comes after it left the registry, nobody
            // writes the stack's own record.
            let stack = thread
                .launch
                .with(|launch| unsafe { &(*launch).stack }.as_ref());
            self.platform.stack_used(stack?)
        };
        self.registry.while_registered(thread, used)?
    }

    fn find_thread(&self, tid: u32) -> Option<ThreadRef> {
        self.registry.find(tid)
    }

    fn cpu_stats(&self, cpu: CpuId) -> CpuStats {
        self.cpus[cpu.index()].snapshot(self.platform.now_ns())
    }

    fn online_cpus(&self) -> CpuSet {
        let cpus = (0..self.cpus.len()).map(CpuId::new);
        cpus.filter(|&cpu| self.is_online(cpu)).collect()
    }

    fn set_timer_deadline(&self, deadline_ns: Option<u64>) {
        self.with_owner(|owner| {
            owner.local.next_timer_ns = deadline_ns.unwrap_or(NEVER);
            owner.program_timer();
        });
    }

    fn enter_class(&self, class: TimeClass) -> TimeClass {
        self.with_owner(|owner| {
            let now = owner.now();
            let (before, elapsed) = owner.cpu.time.change(now, class);
            let counters = &owner.current().counters;
            if before == TimeClass::User {
                counters.in_user_since_ns.store(0, Relaxed);
                bump(&counters.user_ns, elapsed);
            }
            if class == TimeClass::User {
                counters.in_user_since_ns.store(now, Relaxed);
            }
            before
        })
    }

    fn on_reschedule_ipi(&self) {
        self.with_owner(|owner| {
            bump(&owner.cpu.stats.ipis_received, 1);
            owner.trace(Event::IpiReceived);
            if owner.local.is_idle() {
                return; // The idle loop looks by itself.
            }
            owner.serve_requests();
            owner.charge();
            if owner.must_leave() || owner.better_waits() {
                owner.set_need(true);
            }
            owner.leave();
        });
    }

    fn on_timer(&self) {
        // Outside any action of this CPU's: callbacks may wake threads and set timers.
        let next = crate::timers::run_expired(self.platform.now_ns());
        self.with_owner(|owner| {
            bump(&owner.cpu.stats.timer_irqs, 1);
            owner.local.next_timer_ns = next.unwrap_or(NEVER);
            owner.tick();
        });
    }

    fn preempt_if_needed(&self) {
        while self.platform.is_preemptible() && self.with_owner(|owner| owner.preempt_due()) {
            self.reschedule(Reason::Preempt);
        }
    }

    fn cpu_online(&self, cpu: CpuId) {
        debug_assert_eq!(cpu, self.platform.cpu(), "a CPU announces itself");
        self.come_back();
        self.trace_if(Kind::CpuOnline, || Event::CpuOnline { cpu: cpu.into() });
    }

    fn begin_offline(&self, cpu: CpuId) -> Result<(), OfflineError> {
        self.ask_to_leave(cpu)
    }

    fn set_power_saving(&self, saving: bool) {
        self.power_saving.store(saving, Relaxed);
    }

    fn power_saving(&self) -> bool {
        self.saves_power()
    }

    fn finish_offline(&self, cpu: CpuId) {
        crate::timers::take_over(cpu);
        self.trace_if(Kind::CpuOffline, || Event::CpuOffline { cpu: cpu.into() });
        self.act(|owner| owner.wake_reaper());
    }

    fn run_idle(&'static self) -> ! {
        self.platform.irq_save();
        self.start_reaper();
        loop {
            self.idle_round();
        }
    }
}

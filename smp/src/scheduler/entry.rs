//! The way in: what [`Runtime`] asks, said as actions of the calling CPU (`Owner`).

use percpu::{CpuId, CpuSet};

use super::Scheduler;
use crate::account::TimeClass;
use crate::fair_server::RealtimeLimit;
use crate::identity;
use crate::offline::OfflineError;
use crate::params::Params;
use crate::platform::Platform;
use crate::run_queue::MAX_ROUNDS;
use crate::runtime::{Runtime, Unparked};
use crate::spec::{AffinityError, SpawnError, ThreadSpec};
use crate::stats::{CpuStats, bump};
use crate::switch::Reason;
use crate::thread::{ThreadId, ThreadRef};
use crate::tick::NEVER;
use crate::trace::{Event, Kind};

impl<P: Platform> Runtime for Scheduler<P> {
    fn current(&self) -> ThreadRef {
        if let Some(current) = identity::on_this_stack() {
            return current;
        }
        let were_unmasked = self.platform.irq_save();
        // SAFETY: the current thread is alive, and counted by the registry or as idle.
        let current = self.with_owner(|owner| unsafe { ThreadRef::share(owner.local.current()) });
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
        self.park_until(deadline_ns)
    }

    fn unpark(&self, thread: &ThreadRef) {
        self.act(|owner| owner.wake(thread));
    }

    fn call(&self, thread: &ThreadRef) {
        self.act(|owner| {
            owner.calls = true;
            owner.wake(thread);
            owner.calls = false;
        });
    }

    fn yield_now(&self) {
        let were_unmasked = self.platform.irq_save();
        self.reschedule(Reason::Yield);
        self.platform.irq_restore(were_unmasked);
    }

    fn now_ns(&self) -> u64 {
        self.platform.now_ns()
    }

    fn create(&self, spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        self.make(spec)
    }

    fn discard(&self, thread: &ThreadRef) {
        self.take_back(thread);
    }

    fn start(&self, thread: &ThreadRef) {
        self.launch(thread);
    }

    fn exit(&self) -> ! {
        self.bury_current();
        unreachable!("a dead thread was resumed")
    }

    fn join(&self, thread: &ThreadRef) {
        self.wait_for_end_of(thread);
    }

    fn set_affinity(&self, thread: &ThreadRef, set: &CpuSet) -> Result<(), AffinityError> {
        self.restrict(thread, set)
    }

    fn change_params(&self, thread: &ThreadRef, change: &dyn Fn(Params) -> Params) {
        self.change(thread, change);
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
        self.stack_used_by(thread)
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
            let before = owner.cpu.time.change(now, class);
            let user = &owner.current().counters.user;
            if before == TimeClass::User {
                user.end(now);
            }
            if class == TimeClass::User {
                user.begin(now);
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
        for _ in 0..MAX_ROUNDS {
            if !self.platform.is_preemptible() || !self.with_owner(|owner| owner.preempt_due()) {
                return;
            }
            self.reschedule(Reason::Preempt);
        }
        // Others keep asking: first the interrupts that wait.
        self.platform.send_reschedule(self.platform.cpu());
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
        self.save_power(saving);
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

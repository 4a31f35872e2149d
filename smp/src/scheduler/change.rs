//! Changes of what a thread may do: first the value, then the announcement.

use core::sync::atomic::Ordering::{AcqRel, Relaxed};

use percpu::CpuSet;

use super::Scheduler;
use crate::params::Params;
use crate::platform::Platform;
use crate::runtime::Runtime;
use crate::spec::AffinityError;
use crate::sync::mutate;
use crate::thread::ThreadRef;
use crate::trace::{Event, Kind};

impl<P: Platform> Scheduler<P> {
    pub(super) fn restrict(&self, thread: &ThreadRef, set: &CpuSet) -> Result<(), AffinityError> {
        let set = &self.normalize(set);
        if !self.has_online(set) {
            return Err(AffinityError::NoCpuAllowed);
        }
        if thread.is_settled_on(set) {
            return Ok(());
        }
        thread.changing.fetch_add(1, AcqRel);
        thread
            .movable_since_ns
            .store(self.platform.now_ns(), Relaxed);
        self.store_and_announce(thread, || thread.store_affinity(set));
        thread.changing.fetch_sub(1, AcqRel);
        self.trace_if(Kind::Affinity, || {
            let (tid, cpus) = (thread.tid(), set.words()[0]);
            Event::Affinity { tid, cpus }
        });
        Ok(())
    }

    pub(super) fn change(&self, thread: &ThreadRef, change: &dyn Fn(Params) -> Params) {
        self.store_and_announce(thread, || thread.params.update(change));
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

    /// In this order: whoever hears of the change finds it.
    fn store_and_announce(&self, thread: &ThreadRef, store: impl FnOnce()) {
        let announce = || self.act(|owner| owner.announce_change(thread));
        if mutate("announce_before_store", false, true) {
            announce();
        }
        store();
        if mutate("announce_before_store", true, false) {
            announce();
        }
    }

    /// Whether a CPU of `set` is online.
    fn has_online(&self, set: &CpuSet) -> bool {
        self.online_cpus().intersects(set)
    }

    /// An affinity that leaves out no CPU of this machine restricts nothing.
    pub(super) fn normalize(&self, set: &CpuSet) -> CpuSet {
        let everywhere = CpuSet::first_n(self.cpus.len()).is_subset(set);
        if everywhere { CpuSet::ALL } else { *set }
    }
}

//! The scheduler: one value for all CPUs.
//!
//! What it offers to the rest of the kernel is in the modules below this one. The actions of one
//! CPU (`Owner`), of which all of that is made, live beside: `switch.rs` (choosing, the tail),
//! `run_queue.rs`, `placement.rs`, `steal.rs`, `idle.rs`, `offline.rs`, `affinity.rs`, `tick.rs`.

mod change;
mod entry;
mod life;
mod sleep;

use alloc::boxed::Box;
use core::sync::atomic::AtomicBool;

use percpu::CpuId;

use crate::cpu::Cpu;
use crate::cpu_mask::CpuMask;
use crate::fair_server::RealtimeLimit;
use crate::inbox::{Inbox, ReadyLink};
use crate::map::Map;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::registry::Registry;
use crate::runtime::Runtime;
use crate::thread::ThreadRef;
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
        let [online, idle, overloaded, holding, posted] = CpuMask::together(&map);
        Self {
            cpus: (0..map.cpu_count())
                .map(|cpu| Cpu::new(CpuId::new(cpu), map.cpu_count() == 1))
                .collect(),
            online,
            idle,
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

    pub(crate) fn is_online(&self, cpu: CpuId) -> bool {
        self.online.contains(&self.map, cpu)
    }
}

//! Threads: what one is and how it is named.

mod affinity;
mod attached;
mod reference;
mod waiting;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::ptr;
// Parameters, statistics and the holder's own notes: not part of any modelled protocol.
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use intrusive_collections::{LinkedListLink, RBTreeLink};
use percpu::{CpuId, CpuSet};

use crate::body::Body;
use crate::checks::ledger;
use crate::join::Joiners;
use crate::kthread::Slots;
use crate::magic::Magic;
use crate::params::{Params, ParamsWord};
use crate::pi::Inheritance;
use crate::platform::KernelStack;
use crate::runtime::runtime;
use crate::sleep::SleepEntry;
use crate::spec::{Policy, ThreadSpec};
use crate::state::State;
use crate::stats::{ThreadCounters, ThreadStats};
use crate::sync::{AtomicBool, AtomicPtr, Lock, Ordering, UnsafeCell, fence, mutate};
use affinity::only_cpu;

pub use reference::ThreadRef;
pub(crate) use waiting::Waiting;

/// A thread's name for life and after: the number is used again, the generation is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId {
    pub tid: u32,
    pub generation: u32,
}

/// Where a thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    New,
    Running,
    /// Committed to sleep; its context is not saved yet.
    Parking,
    Blocked,
    Ready,
    Dead,
}

/// A thread. Its fields are grouped by who may touch them.
pub struct Thread {
    pub(crate) magic: Magic,
    id: ThreadId,
    /// This value as its `Arc` sees it: a pointer made from a plain reference does not reach the
    /// counts beside the value.
    this: *const Thread,
    // Any CPU; each is a protocol of its own.
    pub(crate) state: State,
    pub(crate) ready_link: AtomicPtr<Thread>,
    pub(crate) control_link: AtomicPtr<Thread>,
    pub(crate) control_posted: AtomicBool,
    pub(crate) joiners: Joiners,
    pub(crate) sleep: SleepEntry,
    pub(crate) sleep_link: RBTreeLink,
    // Any CPU; parameters and statistics.
    name: Lock<String>,
    extension: Lock<Option<Arc<dyn Any + Send + Sync>>>,
    affinity: Lock<CpuSet>,
    restricted: AtomicBool,
    /// The one CPU that it is restricted to; `NO_CPU` if there are several.
    pinned_to: crate::sync::AtomicU32,
    /// Its affinity was lifted and nobody has been told yet.
    unbound: core::sync::atomic::AtomicBool,
    pub(crate) params: ParamsWord,
    pub(crate) inheritance: Inheritance,
    pub(crate) counters: ThreadCounters,
    // The checkers' own.
    pub(crate) entry: ledger::Entry,
    /// Callers that have stored an affinity and not yet announced it.
    pub(crate) changing: crate::sync::AtomicU32,
    /// When its affinity last changed.
    pub(crate) movable_since_ns: AtomicU64,
    // The CPU that runs, holds or queues it.
    pub(crate) body: UnsafeCell<Body>,
    pub(crate) fair_link: RBTreeLink,
    pub(crate) turn_link: LinkedListLink,
    waiting: AtomicU32,
    context: AtomicUsize,
    // Itself.
    pub(crate) slots: Slots,
    /// In a bulk transfer (`bulk.rs`). Its CPU looks at it on its behalf.
    moves_bulk: core::sync::atomic::AtomicBool,
    // Its creator, then itself, then the reaper.
    pub(crate) launch: UnsafeCell<Launch>,
}

/// What a thread is started from and stands on. Touched by its creator before it is first
/// enqueued, then by itself, then by the reaper once it is dead: never by two at a time.
pub(crate) struct Launch {
    pub entry: Option<Box<dyn FnOnce() + Send>>,
    pub stack: Option<KernelStack>,
}

// SAFETY: of the fields that are not `Sync`, `body` and the two queue links belong to the holder
// (one CPU at a time, handed on with Release and Acquire by state word, inbox and shelf), and
// `launch` to one party at each stage of the thread's life.
unsafe impl Send for Thread {}

// SAFETY: as above.
unsafe impl Sync for Thread {}

impl Thread {
    /// What `this` is going to point at.
    #[inline(always)]
    fn new(this: *const Self, id: ThreadId, spec: ThreadSpec, state: State) -> Self {
        let initial_sp = spec.stack.as_ref().map_or(0, |stack| stack.initial_sp);
        let affinity = spec.affinity.unwrap_or(CpuSet::ALL);
        let params = Params {
            policy: spec.policy,
            nice: spec.nice,
        };
        Self {
            magic: Magic::new(),
            id,
            this,
            state,
            ready_link: AtomicPtr::new(ptr::null_mut()),
            control_link: AtomicPtr::new(ptr::null_mut()),
            control_posted: AtomicBool::new(false),
            joiners: Joiners::new(),
            sleep: SleepEntry::new(),
            sleep_link: RBTreeLink::new(),
            name: Lock::new(spec.name),
            extension: Lock::new(spec.extension),
            affinity: Lock::new(affinity),
            restricted: AtomicBool::new(affinity != CpuSet::ALL),
            pinned_to: crate::sync::AtomicU32::new(only_cpu(&affinity)),
            unbound: core::sync::atomic::AtomicBool::new(false),
            params: ParamsWord::new(params),
            inheritance: Inheritance::new(),
            counters: ThreadCounters::default(),
            entry: ledger::Entry::new(),
            changing: crate::sync::AtomicU32::new(0),
            movable_since_ns: AtomicU64::new(0),
            body: UnsafeCell::new(Body::new(params)),
            fair_link: RBTreeLink::new(),
            turn_link: LinkedListLink::new(),
            waiting: AtomicU32::new(0),
            context: AtomicUsize::new(initial_sp),
            slots: Slots::default(),
            moves_bulk: core::sync::atomic::AtomicBool::new(false),
            launch: UnsafeCell::new(Launch {
                entry: Some(spec.entry),
                stack: spec.stack,
            }),
        }
    }

    pub fn id(&self) -> ThreadId {
        self.id
    }

    pub fn tid(&self) -> u32 {
        self.id.tid
    }

    /// Whether it is in a [bulk transfer](crate::BulkTransfer). It says so itself.
    pub fn moves_bulk(&self) -> bool {
        self.moves_bulk.load(Relaxed)
    }

    pub fn set_moves_bulk(&self, moves: bool) {
        self.moves_bulk.store(moves, Relaxed);
    }

    pub fn phase(&self) -> Phase {
        self.state.load().phase()
    }

    /// The CPU that runs it, if one does, for who has stored something that it must hear of: a
    /// full fence, then the look. If it does not run now, it has stopped before, and when it goes
    /// on it finds what was stored: every switch has a full fence too, after the thread that
    /// comes is RUNNING.
    pub fn running_on(&self) -> Option<CpuId> {
        // Pairs with the fence of `Scheduler::perform`.
        if mutate("teller_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        let state = self.state.load();
        (state.phase() == Phase::Running).then(|| state.home())
    }

    /// The CPU it runs on, waits for, or last ran on.
    pub fn cpu(&self) -> CpuId {
        self.state.load().home()
    }

    pub fn params(&self) -> Params {
        self.params.load()
    }

    /// Its parameters, raised to what waiters lend it.
    pub fn effective_params(&self) -> Params {
        self.params.effective()
    }

    /// Whether it owns a lock that others wait for.
    pub fn holds_others_up(&self) -> bool {
        self.inheritance.holds_others_up()
    }

    pub fn policy(&self) -> Policy {
        self.params().policy
    }

    pub fn nice(&self) -> i8 {
        self.params().nice
    }

    pub fn stats(&self) -> ThreadStats {
        self.stats_at(runtime().now_ns())
    }

    /// [`stats`](Self::stats), for those who keep their own time (simulators).
    pub fn stats_at(&self, now_ns: u64) -> ThreadStats {
        self.counters.snapshot(now_ns)
    }

    /// Where [`Platform::switch`](crate::Platform::switch) saves the stack pointer of a thread
    /// that leaves the CPU and finds that of one that enters.
    pub fn context(&self) -> &AtomicUsize {
        &self.context
    }
}

//! Threads: what one is, how it is named, referred to and asked for.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::ops::Deref;
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
use crate::realtime;
use crate::runtime::runtime;
use crate::share;
use crate::sleep::SleepEntry;
use crate::spec::{AffinityError, Policy, ThreadSpec};
use crate::state::State;
use crate::stats::{ThreadCounters, ThreadStats};
use crate::sync::{AtomicBool, AtomicPtr, Lock, Ordering, UnsafeCell, fence, irqs_off, mutate};

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

/// A counted reference to a [`Thread`]; equality is identity.
#[derive(Clone)]
pub struct ThreadRef(pub(crate) Arc<Thread>);

impl Deref for ThreadRef {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.0
    }
}

impl PartialEq for ThreadRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ThreadRef {}

impl fmt::Debug for ThreadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ThreadId { tid, generation } = self.id();
        write!(f, "thread {tid}.{generation}")
    }
}

impl ThreadRef {
    /// Another reference to a thread that somebody holds one to.
    ///
    /// # Safety
    /// The thread is alive, and in an `Arc`.
    pub(crate) unsafe fn share(thread: *const Thread) -> Self {
        // SAFETY: alive, says the caller.
        let thread = unsafe { &*thread };
        thread.magic.check();
        let thread = thread.this.load(Relaxed);
        // SAFETY: alive and in the `Arc` that `thread` points into.
        unsafe { Arc::increment_strong_count(thread) };
        // SAFETY: the count just added.
        unsafe { Self::from_raw(thread) }
    }

    pub(crate) fn new(thread: Thread) -> Self {
        let thread = Arc::new(thread);
        let this = Arc::as_ptr(&thread).cast_mut();
        thread.this.store(this, Relaxed);
        Self(thread)
    }

    /// # Safety
    /// `thread` carries a reference, from `Arc::into_raw`, that becomes the result.
    pub(crate) unsafe fn from_raw(thread: *const Thread) -> Self {
        // SAFETY: says the caller.
        let thread = unsafe { Arc::from_raw(thread) };
        thread.magic.check();
        Self(thread)
    }

    /// Wakes the thread, or leaves a wake token that ends its next park. Any context.
    pub fn unpark(&self) {
        runtime().unpark(self);
    }

    /// Restricts the thread to `set`. It runs nowhere else when this returns, as Linux has it: if
    /// another CPU runs it, that one is interrupted and the caller sleeps until it has left.
    /// Thread context.
    pub fn set_affinity(&self, set: &CpuSet) -> Result<(), AffinityError> {
        const LOOK_AGAIN_NS: u64 = 50_000;
        runtime().set_affinity(self, set)?;
        // Somebody else may have given it that CPU back meanwhile.
        let strays = |cpu| !set.contains(cpu) && !self.affinity().contains(cpu);
        while self.running_on().is_some_and(strays) {
            crate::park(Some(crate::now_ns() + LOOK_AGAIN_NS));
        }
        Ok(())
    }

    /// Changes class, priority or nice value, or several as one, at once even if it is running.
    pub fn change_params(&self, change: impl Fn(Params) -> Params) {
        runtime().change_params(self, &change);
        #[cfg(not(loom))]
        crate::pi::pass_on(self.clone());
    }

    pub fn set_policy(&self, policy: Policy) {
        self.change_params(|params| Params { policy, ..params });
    }

    /// The nice value, -20 to 19; values beyond are clamped.
    pub fn set_nice(&self, nice: i8) {
        self.change_params(|params| Params { nice, ..params });
    }

    /// How long it runs before an equal takes its turn; 0: as long as it likes. What the fair class
    /// grants depends on how many want to run on its CPU now.
    pub fn turn_ns(&self) -> u64 {
        match self.policy() {
            Policy::Fifo(_) => 0,
            Policy::RoundRobin(_) => realtime::TURN_NS,
            _ => share::slice_ns(runtime().cpu_stats(self.cpu()).nr_ready as usize + 1),
        }
    }

    /// The high-water mark of its kernel stack, in bytes; `None` if that cannot be told.
    pub fn stack_used(&self) -> Option<usize> {
        runtime().stack_used(self)
    }

    /// Sleeps until the thread is dead.
    pub fn join(&self) {
        runtime().join(self);
    }
}

/// A thread. Its fields are grouped by who may touch them.
pub struct Thread {
    pub(crate) magic: Magic,
    id: ThreadId,
    /// This value as its `Arc` sees it: a pointer made from a plain reference does not reach the
    /// counts beside the value.
    this: core::sync::atomic::AtomicPtr<Thread>,
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
    /// The one CPU that it is restricted to; [`NO_CPU`] if there are several.
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

/// In place of the number of a CPU.
const NO_CPU: u32 = u32::MAX;

/// The only member of a set.
fn only_cpu(set: &CpuSet) -> u32 {
    match (set.count(), set.first()) {
        (1, Some(cpu)) => cpu.index() as u32,
        _ => NO_CPU,
    }
}

/// What a thread is started from and stands on. Touched by its creator before it is first
/// enqueued, then by itself, then by the reaper once it is dead: never by two at a time.
pub(crate) struct Launch {
    pub entry: Option<Box<dyn FnOnce() + Send>>,
    pub stack: Option<KernelStack>,
}

/// Where a thread waits, as its CPU remembers it. Slots of the shelf are not recorded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Movable,
    Kept,
    Realtime(u8),
}

// SAFETY: of the fields that are not `Sync`, `body` and the two queue links belong to the holder
// (one CPU at a time, handed on with Release and Acquire by state word, inbox and shelf), and
// `launch` to one party at each stage of the thread's life.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

impl Thread {
    pub(crate) fn new(id: ThreadId, spec: ThreadSpec) -> Self {
        Self::with_state(id, spec, State::new())
    }

    /// The thread a CPU boots on and idles in.
    pub(crate) fn new_idle(cpu: CpuId) -> Self {
        let id = ThreadId {
            tid: 0,
            generation: cpu.index() as u32,
        };
        let spec = ThreadSpec::new(alloc::format!("idle/{cpu}"), || {});
        Self::with_state(id, spec, State::new_running(cpu))
    }

    fn with_state(id: ThreadId, spec: ThreadSpec, state: State) -> Self {
        let initial_sp = spec.stack.as_ref().map_or(0, |stack| stack.initial_sp);
        let affinity = spec.affinity.unwrap_or(CpuSet::ALL);
        let params = Params {
            policy: spec.policy,
            nice: spec.nice,
        };
        Self {
            magic: Magic::new(),
            id,
            this: core::sync::atomic::AtomicPtr::new(ptr::null_mut()),
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

    pub fn name(&self) -> String {
        let _irqs = irqs_off();
        self.name.lock().clone()
    }

    pub fn set_name(&self, name: &str) {
        let mut name = name.to_string();
        let _irqs = irqs_off();
        core::mem::swap(&mut *self.name.lock(), &mut name);
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

    pub fn affinity(&self) -> CpuSet {
        let _irqs = irqs_off();
        *self.affinity.lock()
    }

    /// Whether `set` is its affinity already, and nobody has yet to make that known.
    pub(crate) fn is_settled_on(&self, set: &CpuSet) -> bool {
        // In this order: a changer stores, sets CONTROL, then no longer counts.
        let same = self.affinity() == *set;
        same && self.changing.load(Ordering::Acquire) == 0 && !self.state.load().control()
    }

    /// Whether its affinity leaves out any CPU: such a thread is never offered on a shelf.
    pub(crate) fn is_restricted(&self) -> bool {
        self.restricted.load(Ordering::Relaxed)
    }

    /// Whether its affinity leaves it one CPU.
    pub(crate) fn is_pinned(&self) -> bool {
        self.is_restricted() && self.pinned_to.load(Ordering::Relaxed) != NO_CPU
    }

    /// IRQs masked. While the affinity changes the answer may be that of before; who acts on it
    /// sees CONTROL afterwards.
    #[inline(always)]
    pub(crate) fn may_run_on(&self, cpu: CpuId) -> bool {
        if !self.is_restricted() {
            return true;
        }
        // Acquire: whoever finds the new value finds its changer too (`check_affinity`).
        match self.pinned_to.load(Ordering::Acquire) {
            NO_CPU => self.is_among(cpu),
            only => only == cpu.index() as u32,
        }
    }

    #[inline(never)]
    fn is_among(&self, cpu: CpuId) -> bool {
        self.affinity.lock().contains(cpu)
    }

    /// Takes effect with the CONTROL request that must follow.
    pub(crate) fn store_affinity(&self, set: &CpuSet) {
        let _irqs = irqs_off();
        let mut affinity = self.affinity.lock();
        *affinity = *set;
        self.pinned_to.store(only_cpu(set), Ordering::Release);
        self.restricted
            .store(*set != CpuSet::ALL, Ordering::Relaxed);
    }

    /// Lets the thread run everywhere if no CPU of `online` is allowed it. IRQs masked.
    pub(crate) fn lift_restriction(&self, online: &CpuSet) -> bool {
        let mut affinity = self.affinity.lock();
        let stranded = !affinity.intersects(online);
        if stranded {
            *affinity = CpuSet::ALL;
            self.pinned_to.store(NO_CPU, Ordering::Release);
            self.restricted.store(false, Ordering::Relaxed);
            self.unbound.store(true, Relaxed);
        }
        stranded
    }

    /// Takes the note that [`lift_restriction`](Self::lift_restriction) left.
    pub(crate) fn take_unbound(&self) -> bool {
        self.unbound.load(Relaxed) && self.unbound.swap(false, Relaxed)
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

    /// What the kernel hung on the thread, if it is a `T`. `None` once the thread is reaped.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let _irqs = irqs_off();
        self.extension.lock().clone()?.downcast().ok()
    }

    /// The same without counting a reference or taking a lock.
    ///
    /// # Safety
    /// The thread was started, and is not dead for as long as the result is used: it is the
    /// current thread, or an argument of [`Platform::before_switch`](crate::Platform).
    #[cfg(not(any(loom, shuttle)))]
    pub unsafe fn extension_unchecked<T: Any>(&self) -> Option<&T> {
        // SAFETY: from the start until the reaper nobody writes it, says the caller.
        let extension = unsafe { &*self.extension.as_ptr() };
        extension.as_deref()?.downcast_ref()
    }

    /// Hangs `extension` on a thread that was created and not yet started.
    pub fn set_extension(&self, extension: Arc<dyn Any + Send + Sync>) {
        drop(self.replace_extension(Some(extension)));
    }

    pub(crate) fn replace_extension(
        &self,
        mut extension: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let _irqs = irqs_off();
        core::mem::swap(&mut *self.extension.lock(), &mut extension);
        extension
    }

    /// Where [`Platform::switch`](crate::Platform::switch) saves the stack pointer of a thread
    /// that leaves the CPU and finds that of one that enters.
    pub fn context(&self) -> &AtomicUsize {
        &self.context
    }

    /// Only the CPU `on` writes its own number here, and only it asks.
    pub(crate) fn set_waiting(&self, on: CpuId, place: Option<Waiting>) {
        let kind = match place {
            None => 0,
            Some(Waiting::Movable) => 1,
            Some(Waiting::Kept) => 2,
            Some(Waiting::Realtime(priority)) => 3 | u32::from(priority) << 8,
        };
        let word = (on.index() as u32) << 16 | kind;
        self.waiting
            .store(if kind == 0 { 0 } else { word }, Relaxed);
    }

    pub(crate) fn waiting(&self, on: CpuId) -> Option<Waiting> {
        let word = self.waiting.load(Relaxed);
        if word >> 16 != on.index() as u32 {
            return None;
        }
        match word & 0xff {
            1 => Some(Waiting::Movable),
            2 => Some(Waiting::Kept),
            3 => Some(Waiting::Realtime((word >> 8) as u8)),
            _ => None,
        }
    }
}

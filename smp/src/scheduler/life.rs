//! From the making of a thread to what it leaves behind.

use alloc::sync::Arc;

use super::Scheduler;
use crate::control_word::NEED;
use crate::held::Held;
use crate::identity;
use crate::platform::Platform;
use crate::runtime::Runtime;
use crate::spec::{SpawnError, ThreadSpec};
use crate::thread::{Phase, ThreadRef};
use crate::trace::{Event, Kind};

/// How long the first that died waits for company: a thread that ends in a crowd costs no switch to
/// the reaper and back.
const COLLECT_NS: u64 = 1_000_000;

impl<P: Platform> Scheduler<P> {
    pub(super) fn make(&self, mut spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        if spec.stack.is_none() {
            spec.stack = Some(self.platform.new_stack()?);
        }
        spec.affinity = spec.affinity.map(|set| self.normalize(&set));
        self.registry.create(spec)
    }

    /// Makes a created thread runnable.
    pub(super) fn launch(&self, thread: &ThreadRef) {
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

    pub(super) fn take_back(&self, thread: &ThreadRef) {
        assert_eq!(
            thread.phase(),
            Phase::New,
            "a started thread ends by itself"
        );
        self.bereave(thread);
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

    /// The thread that frees dead ones; made by the first CPU that goes idle.
    pub(super) fn start_reaper(&'static self) {
        let mut made = None;
        self.reaper.call_once(|| {
            let reap = move || {
                loop {
                    self.tell_unbound();
                    // Until there is nothing, as a wake may have come meanwhile and be used up.
                    if self.reap() == 0 {
                        self.park(None);
                        // Who dies now is buried along with the first.
                        self.park(Some(self.platform.now_ns() + COLLECT_NS));
                    }
                }
            };
            let reaper = self.create(ThreadSpec::new("reaper", reap));
            let reaper = reaper.expect("memory for the first thread");
            made = Some(reaper.clone());
            reaper
        });
        // Not before those that die can find it.
        if let Some(reaper) = made {
            self.start(&reaper);
        }
    }

    pub(super) fn stack_used_by(&self, thread: &ThreadRef) -> Option<usize> {
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
}

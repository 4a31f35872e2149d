//! The hardware as the scheduler sees it: a clock, a timer, an interrupt to a peer, a switch.
//!
//! The kernel implements [`Platform`] once per architecture; the simulator and the loom models
//! implement it in software. Policy stays on this side: an implementation decides nothing.

use alloc::boxed::Box;
use core::any::Any;

use percpu::CpuId;

use crate::chaos::{Disturbance, RacePoint};
use crate::spec::SpawnError;
use crate::thread::Thread;
pub use crate::topology::Topology;
use crate::trace::{Event, Kind};

/// What the scheduler needs from the machine.
///
/// Unless a method says otherwise it is called with IRQs masked on the calling CPU, and must
/// return with them masked.
///
/// The defaults are right for a machine in software, whose CPUs act one action at a time: interrupts
/// come only between actions, nobody holds a preemption guard, a switch has no registers to save.
/// Hardware defines these methods itself.
pub trait Platform: Send + Sync + 'static {
    /// The CPUs and their clusters. Called once, by [`Scheduler::new`](crate::Scheduler::new).
    fn topology(&self) -> Topology;

    /// The calling CPU.
    fn cpu(&self) -> CpuId;

    /// Monotonic time, the same on all CPUs. IRQs in any state.
    fn now_ns(&self) -> u64;

    /// Masks IRQs on the calling CPU; says whether they were unmasked. IRQs in any state.
    fn irq_save(&self) -> bool {
        false
    }

    /// Undoes the matching [`irq_save`](Self::irq_save): unmasks if that returned true.
    fn irq_restore(&self, _were_unmasked: bool) {}

    /// Interrupts `cpu`, whose handler then calls `on_reschedule_ipi`. All earlier stores of the
    /// caller must be visible to it (`dsb ishst` before the SGI). `cpu` is the caller
    /// if others ask it for more than it may do at a time with IRQs masked.
    fn send_reschedule(&self, cpu: CpuId);

    /// Programs the calling CPU's one-shot timer; its handler calls `on_timer`. A deadline that
    /// has passed fires at once; `None` stops the timer.
    fn set_timer(&self, deadline_ns: Option<u64>);

    /// Waits for an interrupt, IRQs still masked (`dsb sy; wfi`): a pending one must end it.
    fn wait_for_interrupt(&self) {}

    /// Powers the calling CPU off; it is on the idle thread, and nothing will be sent to it. It
    /// comes back through [`Runtime::cpu_online`](crate::Runtime::cpu_online), on a fresh stack.
    /// Returns only if that is refused.
    fn power_off(&self) {}

    /// Tells people that the affinity of `thread` was lifted, as no CPU it names is online.
    /// Thread context.
    fn affinity_lifted(&self, _thread: &Thread) {}

    /// Lets pending interrupts in: unmask, `isb`, mask again. Only the idle loop calls it.
    fn irq_window(&self) {}

    /// Mirrors the reschedule request of the calling CPU (`percpu::preempt::request` and
    /// `clear_request`), so that the last guard dropped on it knows to preempt. The hook given
    /// to `percpu::preempt::set_hook` masks IRQs and calls `preempt_if_needed`.
    fn set_need_resched(&self, _needed: bool) {}

    /// Whether the calling CPU's preempt count is 0 (the IRQ handler itself does not count).
    fn is_preemptible(&self) -> bool {
        true
    }

    /// Called just before `switch`, while `prev` is still the current thread: save `prev`'s
    /// lazily held state (FP, TPIDR_EL0), load `next`'s (TTBR0, TPIDR_EL0). Must not block,
    /// allocate or wake.
    fn before_switch(&self, _prev: &Thread, _next: &Thread) {}

    /// Saves the callee-saved registers and stack pointer of `prev` into its
    /// [`context`](Thread::context), resumes `next` from its own. Returns when `prev` is
    /// resumed, on whatever CPU that is. A thread that never ran starts at the `sp` of its
    /// [`KernelStack`], prepared so that it enters `Scheduler::thread_main` with IRQs masked.
    ///
    /// # Safety
    /// Called by the scheduler only: `prev` is current here, `next`'s context is saved and no
    /// other CPU runs or can pick either of them until the tail has run.
    unsafe fn switch(&self, prev: &Thread, next: &Thread);

    /// Something happened on the calling CPU, when the clock showed `now_ns`, a moment ago (an
    /// action of the scheduler reads it once). Must be cheap: it is called on every switch.
    #[inline(always)]
    fn trace(&self, _event: Event, _now_ns: u64) {}

    /// Whether [`trace`](Self::trace) keeps events of this kind: asked first.
    #[inline(always)]
    fn is_tracing(&self, _kind: Kind) -> bool {
        false
    }

    /// The calling CPU is at a race point: see [`chaos`](crate::chaos). May waste time.
    #[inline(always)]
    fn race_point(&self, _point: RacePoint) -> Disturbance {
        Disturbance::None
    }

    /// A fresh kernel stack, its initial frame ready for `switch`. IRQs in any state, may not
    /// sleep.
    fn new_stack(&self) -> Result<KernelStack, SpawnError>;

    /// How much of a stack has been used at most, in bytes, if that can be seen.
    fn stack_used(&self, _stack: &KernelStack) -> Option<usize> {
        None
    }
}

/// A thread's kernel stack: the memory, owned opaquely, and where execution starts or stopped.
///
/// The owner is dropped by the reaper thread, with IRQs enabled, only after the thread is dead.
pub struct KernelStack {
    pub owner: Box<dyn Any + Send>,
    /// The stack pointer from which [`Platform::switch`] first resumes the thread.
    pub initial_sp: usize,
}

impl KernelStack {
    /// For a machine whose [`Platform::switch`] resumes nothing.
    pub fn none() -> Self {
        Self {
            owner: Box::new(()),
            initial_sp: 0,
        }
    }
}

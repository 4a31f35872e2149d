//! The scheduler on this machine: `smp`'s [`Platform`] over the generic timer, SGIs, the switch
//! and kernel stacks; the one [`Scheduler`] value.

use crate::arch::aarch64::{cpu, gic, stack, timer};
use crate::hotplug;
use crate::irq::sgi;
use crate::machine;
use crate::process::{self, backlog::Counted};
use crate::standby;
use crate::trace;
use alloc::boxed::Box;
use core::sync::atomic::Ordering::Relaxed;
use mm::kernel_space::Stack;
use percpu::{CpuId, IrqGuard, preempt};
use smp::{Doorway, KernelStack, Platform, Scheduler, SpawnError, Thread, Topology};
use spin::Once;

struct Hardware;

/// What a thread owns of memory, for as long as it is not reaped.
struct OwnedStack {
    stack: Stack,
    _counted: Counted,
}

static SCHEDULER: Once<Scheduler<Hardware>> = Once::new();

/// Creates the scheduler and makes it the one everybody uses: once, after the heap and the timer.
pub fn init() {
    let scheduler = SCHEDULER.call_once(|| Scheduler::new(Hardware));
    smp::install_runtime(scheduler);
    preempt::set_hook(|| {
        let _masked = percpu::irq::mask();
        smp::preempt_if_needed();
    });
}

/// The calling CPU's doorway: once the scheduler exists.
pub fn doorway() -> Doorway {
    let scheduler = SCHEDULER.get().expect("CPUs start after the scheduler");
    scheduler.doorway(percpu::cpu_id())
}

extern "C" fn thread_main() -> ! {
    SCHEDULER
        .get()
        .expect("threads start after the scheduler")
        .thread_main()
}

impl Platform for Hardware {
    fn topology(&self) -> Topology {
        machine::get().layout()
    }

    #[inline(always)]
    fn cpu(&self) -> CpuId {
        percpu::cpu_id()
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        timer::now_ns()
    }

    #[inline(always)]
    fn irq_save(&self) -> bool {
        let were_unmasked = !percpu::irq::is_masked();
        percpu::irq::mask_for_good();
        were_unmasked
    }

    #[inline(always)]
    fn irq_restore(&self, were_unmasked: bool) {
        if were_unmasked {
            // SAFETY: undoes the caller's own `irq_save`.
            unsafe { percpu::irq::unmask() };
        }
    }

    fn send_reschedule(&self, cpu: CpuId) {
        gic::send_sgi(cpu, sgi::RESCHEDULE);
    }

    #[inline(always)]
    fn set_timer(&self, deadline_ns: Option<u64>) {
        timer::set_deadline(deadline_ns);
    }

    fn wait_for_interrupt(&self) {
        let saves_power = SCHEDULER.get().is_some_and(Scheduler::saves_power);
        if !(saves_power && standby::wait()) {
            cpu::wait_for_interrupt();
        }
    }

    fn power_off(&self) {
        hotplug::power_off_this_cpu();
    }

    fn affinity_lifted(&self, thread: &Thread) {
        let (tid, name) = (thread.tid(), thread.name());
        log::info!("thread {tid} ({name}) may run anywhere: the CPUs it was bound to are off");
    }

    fn irq_window(&self) {
        // SAFETY: the idle loop holds no guard and no lock.
        unsafe { percpu::irq::unmask() };
        cpu::synchronize();
        percpu::irq::mask_for_good();
    }

    #[inline(always)]
    fn set_need_resched(&self, needed: bool) {
        // SAFETY: masked, as for most methods here.
        let masked = unsafe { IrqGuard::assume() };
        if needed {
            preempt::request(&masked)
        } else {
            preempt::clear_request(&masked)
        }
    }

    #[inline(always)]
    fn is_preemptible(&self) -> bool {
        // SAFETY: masked, as for most methods here.
        let masked = unsafe { IrqGuard::assume() };
        preempt::count(&masked) == 0
    }

    #[inline(always)]
    fn before_switch(&self, _prev: &Thread, next: &Thread) {
        process::before_switch(next.context().load(Relaxed));
    }

    #[inline(always)]
    unsafe fn switch(&self, prev: &Thread, next: &Thread) {
        let next_sp = next.context().load(Relaxed);
        // SAFETY: the scheduler's promise: IRQs masked, `next`'s context is saved and ours alone.
        unsafe { stack::switch(prev.context(), next_sp) };
    }

    #[inline(always)]
    fn trace(&self, event: trace::Event, now_ns: u64) {
        trace::record_at(event, now_ns);
    }

    #[inline(always)]
    fn is_tracing(&self, kind: smp::trace::Kind) -> bool {
        trace::keeps(kind)
    }

    #[cfg(feature = "chaos")]
    fn race_point(&self, point: smp::chaos::RacePoint) -> smp::chaos::Disturbance {
        crate::chaos::disturb(point)
    }

    fn stack_used(&self, stack: &KernelStack) -> Option<usize> {
        Some(stack.owner.downcast_ref::<OwnedStack>()?.stack.used())
    }

    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        let stack = Stack::new().map_err(|_| SpawnError::OutOfMemory)?;
        let top = stack.top().as_usize();
        // SAFETY: the stack is fresh, mapped and larger than the prepared frame.
        let initial_sp = unsafe { stack::prepare(top, thread_main) };
        Ok(KernelStack {
            owner: Box::new(OwnedStack {
                stack,
                _counted: Counted::new(),
            }),
            initial_sp,
        })
    }
}

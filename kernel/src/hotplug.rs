//! CPUs off and on while the machine runs.
//!
//! One change at a time. Off: the scheduler moves the threads (`smp/src/offline.rs`), device
//! interrupts get another target, and the CPU itself, idle, gives back what it holds and calls
//! PSCI CPU_OFF; it is off when AFFINITY_INFO says so, and then its timers move. On: the way it
//! took at boot, with the per-CPU area and the stack it had.

use crate::arch::aarch64::{gic, psci, secondary, timer, user_state};
use crate::error::Errno;
use crate::process::membarrier;
use crate::{irq, machine};
use percpu::CpuId;
use smp::{Mutex, OfflineError, WaitQueue};

/// Why a CPU is not as asked.
#[derive(Debug)]
pub enum HotplugError {
    /// It is the only one online.
    LastCpu,
    /// No PSCI, or the CPU is not started by it.
    NotSupported,
    /// The firmware does not let it go.
    Refused,
    Start(secondary::StartError),
    /// It was started and does not arrive.
    DoesNotCome,
}

impl From<HotplugError> for Errno {
    fn from(error: HotplugError) -> Self {
        match error {
            HotplugError::LastCpu => Errno::EBUSY,
            HotplugError::NotSupported => Errno::EOPNOTSUPP,
            HotplugError::Start(secondary::StartError::OutOfMemory) => Errno::ENOMEM,
            _ => Errno::EIO,
        }
    }
}

/// Woken when a CPU comes and when one goes.
static CHANGED: WaitQueue = WaitQueue::new();
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Waits until `condition` gives a value; it is looked at whenever a CPU has come or gone.
pub fn wait_until<R>(deadline_ns: u64, condition: impl FnMut() -> Option<R>) -> Option<R> {
    CHANGED.wait_until(Some(deadline_ns), condition).ok()
}

/// The calling CPU takes threads from now on.
pub fn this_cpu_came() {
    smp::cpu_online(percpu::cpu_id());
    membarrier::answer();
    CHANGED.wake_all();
}

/// Takes `cpu` off or brings it back, and waits until that is so. Thread context.
pub fn set_online(cpu: CpuId, online: bool) -> Result<(), HotplugError> {
    let _turn = ONE_AT_A_TIME.lock();
    if smp::online_cpus().contains(cpu) == online {
        return Ok(());
    }
    // Before the question of firmware: a machine with one CPU often names none.
    if !online && smp::online_cpus().count() == 1 {
        return Err(HotplugError::LastCpu);
    }
    let machine = machine::get();
    if machine.psci.is_none() || !machine.cpus[cpu.index()].psci {
        return Err(HotplugError::NotSupported);
    }
    let changed = if online { bring(cpu) } else { take_off(cpu) };
    match &changed {
        Ok(()) => log::info!("CPU {cpu} is {}", if online { "online" } else { "off" }),
        Err(HotplugError::LastCpu) => {}
        Err(error) if online => log::error!("CPU {cpu} stays off: {error:?}"),
        Err(error) => log::error!("CPU {cpu} stays on: {error:?}"),
    }
    changed
}

fn bring(cpu: CpuId) -> Result<(), HotplugError> {
    const PATIENCE_NS: u64 = 30_000_000_000;
    secondary::start(cpu).map_err(HotplugError::Start)?;
    let here = || smp::online_cpus().contains(cpu).then_some(());
    wait_until(smp::now_ns() + PATIENCE_NS, here).ok_or(HotplugError::DoesNotCome)
}

fn take_off(cpu: CpuId) -> Result<(), HotplugError> {
    match smp::begin_offline(cpu) {
        Ok(()) | Err(OfflineError::NotOnline) => {}
        Err(OfflineError::LastCpu) => return Err(HotplugError::LastCpu),
    }
    irq::move_away(cpu);
    CHANGED.wait(|| (!smp::cpu_stats(cpu).online).then_some(()));
    wait_for_power_off(cpu)?;
    smp::finish_offline(cpu);
    Ok(())
}

/// The CPU has said farewell; the firmware says when it is off.
fn wait_for_power_off(cpu: CpuId) -> Result<(), HotplugError> {
    const LOOK_AGAIN_NS: u64 = 50_000;
    let mpidr = machine::get().mpidr(cpu);
    while !psci::is_off(mpidr) {
        if smp::online_cpus().contains(cpu) {
            return Err(HotplugError::Refused);
        }
        smp::park(Some(smp::now_ns() + LOOK_AGAIN_NS));
    }
    Ok(())
}

/// Gives back what the calling CPU holds and powers it off. IRQs masked, on the idle thread, when
/// nothing is sent here any more. Returns, in working order, only if the firmware refuses.
pub fn power_off_this_cpu() {
    user_state::forget_registers();
    mm::leave_cpu();
    CHANGED.wake_all();
    gic::leave_cpu();
    let error = psci::cpu_off();
    log::error!("CPU_OFF: {error:?}");
    init_this_cpu();
}

/// The calling CPU's interrupts and timer: each time it starts, with IRQs masked.
pub fn init_this_cpu() {
    gic::init_cpu();
    timer::init_cpu();
    irq::enable_private(machine::get().timer);
}

//! Interrupting another CPU, and ending the machine's run.

use super::{cpu, gic, psci};
use crate::irq::sgi;
use crate::power::End;
use percpu::CpuId;

/// Makes `cpu` look at its thread's attention again, even if it is in user mode. (The scheduler's
/// interrupt: its handler finds nothing to do, and the way back to user mode does the rest.)
pub fn interrupt_cpu(cpu: CpuId) {
    gic::send_sgi(cpu, sgi::RESCHEDULE);
}

/// Interrupts `cpu`, which answers with a memory barrier (`membarrier`).
pub fn request_barrier(cpu: CpuId) {
    gic::send_sgi(cpu, sgi::BARRIER);
}

/// Powers off, resets or stops the machine.
pub fn end(how: End) -> ! {
    percpu::irq::mask_for_good();
    let own = percpu::cpu_id();
    smp::online_cpus()
        .iter()
        .filter(|cpu| *cpu != own)
        .for_each(|cpu| gic::send_sgi(cpu, sgi::STOP));
    let failed = match how {
        End::PowerOff => Some(psci::system_off()),
        End::Restart => Some(psci::system_reset()),
        End::Halt => None,
    };
    if let Some(error) = failed {
        log::error!("the firmware does not {how:?}: {error:?}");
    }
    loop {
        cpu::wait_for_interrupt();
    }
}

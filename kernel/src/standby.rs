//! Idle CPUs in states deeper than `wfi`, by PSCI CPU_SUSPEND, while power is to be saved.
//!
//! The device tree lists the states of a CPU (`machine/idle_states.rs`); one that it lists none for
//! has standby of the core. A wait is expected to last until the CPU's timer fires.

use crate::arch::aarch64::{cpu, psci, timer};
use crate::machine::{IdleState, IdleStates, Machine, ParameterFormat};
use alloc::vec::Vec;
use spin::Once;

/// What each CPU may wait in, by logical number; not there without CPU_SUSPEND.
static STATES: Once<Vec<IdleStates>> = Once::new();

const NS_PER_US: u64 = 1_000;

/// Finds the states that can be used: once, when PSCI is there.
pub fn init(machine: &Machine) {
    let Some(format) = psci::suspend_format() else {
        return;
    };
    let states = machine.idle_states.iter();
    let usable = STATES.call_once(|| states.map(|listed| usable(listed, format)).collect());
    for (cpu, states) in usable.iter().enumerate() {
        describe(cpu, states, machine.idle_states[cpu].len());
    }
}

fn usable(listed: &[IdleState], format: ParameterFormat) -> IdleStates {
    if listed.is_empty() {
        return IdleStates::new([IdleState::core_standby()]);
    }
    let keeps = |state: &&IdleState| state.keeps_all(format);
    IdleStates::new(listed.iter().filter(keeps).cloned())
}

fn describe(cpu: usize, usable: &IdleStates, listed: usize) {
    let lost = listed.saturating_sub(usable.iter().count());
    if lost > 0 {
        log::info!("CPU {cpu}: {lost} idle states lose registers or the timer, and are not used");
    }
    for state in usable.iter().filter(|_| listed > 0) {
        let (name, least, wakeup) = (&state.name, state.min_residency_us, state.wakeup_us);
        log::info!("CPU {cpu}: idle state {name}, from {least} us on, {wakeup} us to wake");
    }
}

/// Waits for an interrupt in the deepest state that pays, IRQs masked; false if there is none, or
/// the firmware refuses it, and then nobody has waited.
pub fn wait() -> bool {
    let expected_us = timer::until_deadline_ns() / NS_PER_US;
    let states = STATES.get();
    states.is_some_and(|cpus| cpus[percpu::cpu_id().index()].wait(expected_us, cpu::suspend))
}

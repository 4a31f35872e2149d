//! Power State Coordination Interface (Arm DEN 0022): CPUs on and off, power off, reset.
//!
//! The calls are the `smccc` crate's; the conduit (`hvc` or `smc`) is the device tree's choice.

use crate::machine::{Conduit, ParameterFormat};
use smccc::psci;
pub use smccc::psci::Error;
use smccc::psci::{AffinityState, LowestAffinityLevel};
use smccc::{Hvc, Smc};
use spin::Once;

static CONDUIT: Once<Conduit> = Once::new();

/// Remembers the conduit. Without one there is no PSCI: calls answer [`Error::NotSupported`].
pub fn init(conduit: Conduit) {
    CONDUIT.call_once(|| conduit);
}

/// One PSCI call through whichever conduit this machine has.
macro_rules! call {
    ($function:ident ( $($argument:expr),* )) => {
        match CONDUIT.get() {
            Some(Conduit::Hvc) => psci::$function::<Hvc>($($argument),*),
            Some(Conduit::Smc) => psci::$function::<Smc>($($argument),*),
            None => Err(Error::NotSupported),
        }
    };
}

/// Starts the CPU with affinity `mpidr` at physical address `entry`, `context` in x0.
pub fn cpu_on(mpidr: u64, entry: u64, context: u64) -> Result<(), Error> {
    call!(cpu_on(mpidr, entry, context))
}

/// Powers this CPU off; returns only if that failed.
pub fn cpu_off() -> Error {
    match call!(cpu_off()) {
        Ok(()) => Error::InternalFailure,
        Err(error) => error,
    }
}

/// How CPU_SUSPEND is told its states; `None` if the firmware has no CPU_SUSPEND.
pub fn suspend_format() -> Option<ParameterFormat> {
    let features = call!(psci_features(psci::PSCI_CPU_SUSPEND_64));
    features.ok().map(ParameterFormat::of_features)
}

/// Waits for an interrupt, masked or not, in a state that keeps this CPU's registers
/// (CPU_SUSPEND; 5.4). False if the firmware refused: then nobody has waited.
pub fn suspend(parameter: u32) -> bool {
    call!(cpu_suspend(parameter, 0, 0)).is_ok()
}

/// Whether the CPU with affinity `mpidr` is off.
pub fn is_off(mpidr: u64) -> bool {
    let state = call!(affinity_info(mpidr, LowestAffinityLevel::All));
    matches!(state, Ok(AffinityState::Off))
}

/// Powers the machine off; returns only if that failed.
pub fn system_off() -> Error {
    match call!(system_off()) {
        Ok(()) => Error::InternalFailure,
        Err(error) => error,
    }
}

/// Resets the machine; returns only if that failed.
pub fn system_reset() -> Error {
    match call!(system_reset()) {
        Ok(()) => Error::InternalFailure,
        Err(error) => error,
    }
}

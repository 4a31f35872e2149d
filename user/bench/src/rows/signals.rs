//! A signal to oneself, through its handler and back.

use super::{Row, row};
use crate::cpus;
use crate::measure::{Outcome, Plan, one};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

pub const ROWS: &[Row] = &[row(
    "signal",
    "a signal to oneself, its handler and back",
    to_self,
)];

fn to_self(plan: Plan) -> Outcome {
    extern "C" fn handler(_: i32) {}
    cpus::stay()?;
    let action = SigAction::new(
        SigHandler::Handler(handler),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    let (process, thread) = (
        nix::unistd::getpid().as_raw(),
        nix::unistd::gettid().as_raw(),
    );
    // The bare call: a C library's raise() blocks and unblocks signals round it.
    one(plan.each(500, || {
        // SAFETY: tgkill takes integers.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
    }))
}

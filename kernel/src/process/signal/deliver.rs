//! Taking signals, on the way back to user mode: default actions, stops, handlers, restarts.

use super::action::Disposition;
use super::send::{begin_exit, recalculate};
use super::{Action, ActionFlags, DefaultAction, SigInfo, Signal, frame, mask};
use crate::arch::TrapFrame;
use crate::error::Errno;
use crate::process::status::ExitStatus;
use crate::process::task::Attention;
use crate::process::{Current, itimer, job_control};

/// The number of restart_syscall(2).
const RESTART_SYSCALL: u64 = 128;
/// `svc` is one instruction; going back by it makes the call again.
const SVC_SIZE: u64 = 4;

/// A signal that has a handler to run.
struct Handled {
    signal: Signal,
    info: SigInfo,
    action: Action,
}

/// Delivers what is pending: at most one handler frame. Whether the task must exit is looked at
/// by the caller, after it has let go of everything.
pub fn deliver(current: &Current, registers: &mut TrapFrame) {
    while let Some(handled) = next_handled(current) {
        if frame::enter_handler(
            current,
            registers,
            handled.signal,
            &handled.info,
            &handled.action,
        ) {
            return;
        }
    }
}

/// Ends a call that a signal interrupted: a handler sees `EINTR` or a restart, as `SA_RESTART`
/// says; without a handler the call goes on as if nothing had been.
pub fn finish_interrupted_call(
    current: &Current,
    registers: &mut TrapFrame,
    first_argument: u64,
    why: Errno,
) {
    let Some(handled) = next_handled(current) else {
        restart(registers, first_argument, why);
        return;
    };
    let asked_for = why == Errno::RESTART && handled.action.flags().contains(ActionFlags::RESTART);
    if asked_for || why == Errno::RESTART_ALWAYS {
        restart(registers, first_argument, why);
    } else {
        registers.set_result(Errno::EINTR.as_return());
    }
    frame::enter_handler(
        current,
        registers,
        handled.signal,
        &handled.info,
        &handled.action,
    );
}

fn restart(registers: &mut TrapFrame, first_argument: u64, why: Errno) {
    registers.pc -= SVC_SIZE;
    registers.x[0] = first_argument;
    if why == Errno::RESTART_BLOCK {
        registers.x[8] = RESTART_SYSCALL;
    }
}

/// Takes signals until one has a handler, doing what the others ask for. `None` also when the task
/// is to exit.
fn next_handled(current: &Current) -> Option<Handled> {
    loop {
        let attention = current.attention();
        if attention.contains(Attention::EXIT) {
            return None;
        }
        if attention.contains(Attention::STOP) {
            job_control::wait_while_stopped(current);
            continue;
        }
        if let Some((signal, info, disposition)) = take(current) {
            match disposition {
                Disposition::Ignore => {}
                Disposition::Default(action) => act(current, signal, action),
                Disposition::Handle(action) => {
                    return Some(Handled {
                        signal,
                        info,
                        action,
                    });
                }
            }
        } else if attention.contains(Attention::RESTORE_MASK) {
            // The old mask may let something through: look again.
            mask::restore(current.task());
        } else {
            return None;
        }
    }
}

fn take(current: &Current) -> Option<(Signal, SigInfo, Disposition)> {
    if !current.attention().contains(Attention::SIGNAL) {
        return None;
    }
    let mut state = current.process().state.lock();
    let taken = {
        let mut own = current.signals.lock();
        let wanted = super::SignalSet(u64::MAX).without(own.blocked);
        own.pending
            .take(wanted)
            .or_else(|| state.pending.take(wanted))
    };
    recalculate(&state, current);
    let (signal, mut info) = taken?;
    let disposition = state.actions.disposition(signal);
    if let Disposition::Handle(action) = disposition
        && action.flags().contains(ActionFlags::RESETHAND)
    {
        state.actions.set(signal, Action::default());
    }
    drop(state);
    itimer::taken(current.process(), signal, &mut info);
    Some((signal, info, disposition))
}

fn act(current: &Current, signal: Signal, action: DefaultAction) {
    match action {
        DefaultAction::Ignore | DefaultAction::Continue => {}
        DefaultAction::Stop => job_control::stop(current, signal),
        DefaultAction::Terminate | DefaultAction::Core => {
            let status = ExitStatus::Signaled {
                signal: signal.number(),
                core: false,
            };
            begin_exit(&mut current.process().state.lock(), status);
        }
    }
}

//! Signals: sending, masks, delivery, frames (signal(7)).
//!
//! Sending ([`send`]) queues a signal and picks a thread to take it; the thread takes it on its way
//! back to user mode ([`deliver`]), where [`frame`] builds what the handler sees. Lock order: the
//! process tree, [`Process::state`](super::Process), then the task's signals. Sending works from
//! interrupt handlers.

mod action;
pub mod alt_stack;
pub mod deliver;
mod frame;
pub mod info;
pub mod mask;
mod pending;
pub mod send;
mod set;

pub use action::{Action, ActionFlags, Actions, DEFAULT, IGNORE};
pub use alt_stack::AltStack;
pub use frame::sigreturn;
pub use info::SigInfo;
pub use mask::with_temporary_mask;
pub use pending::Pending;
pub use send::{force, send_to_group, send_to_process, send_to_thread};
pub use set::{DefaultAction, Signal, SignalSet};

use super::{Current, itimer};

/// A thread's own part of signal state, guarded by `Task::signals`.
#[derive(Default)]
pub struct TaskSignals {
    /// Signals sent to this thread alone.
    pub(super) pending: Pending,
    pub(super) blocked: SignalSet,
    /// The mask to put back, while `Attention::RESTORE_MASK` is raised.
    pub(super) saved: SignalSet,
    pub(crate) alt_stack: AltStack,
}

impl TaskSignals {
    /// What a new thread or process starts with: its maker's mask, nothing pending.
    pub(super) fn inherit(blocked: SignalSet, alt_stack: AltStack) -> Self {
        Self {
            blocked,
            alt_stack,
            ..Self::default()
        }
    }

    /// The mask a handler's return goes back to.
    pub(super) fn lasting_mask(&self, temporary: bool) -> SignalSet {
        if temporary { self.saved } else { self.blocked }
    }
}

/// Sets the action of a signal, if `new` is given; returns the old one. A signal that is now
/// ignored is forgotten where it was pending.
pub fn exchange_action(current: &Current, signal: Signal, new: Option<Action>) -> Action {
    let mut state = current.process().state.lock();
    let old = state.actions.get(signal);
    if let Some(new) = new {
        state.actions.set(signal, new);
        if state.actions.ignores(signal) && !SignalSet::UNBLOCKABLE.contains(signal) {
            let gone = SignalSet::only(signal);
            state.pending.discard(gone);
            for task in state.threads.iter() {
                task.signals.lock().pending.discard(gone);
                send::recalculate(&state, task);
            }
            drop(state);
            current.process().timers.resume_all();
        }
    }
    old
}

/// Signals that wait because they are blocked (sigpending(2)).
pub fn pending_and_blocked(current: &Current) -> SignalSet {
    let state = current.process().state.lock();
    let own = current.signals.lock();
    state
        .pending
        .set()
        .union(own.pending.set())
        .intersection(own.blocked)
}

/// What a signalfd of the current thread could read.
pub fn pending(current: &Current) -> SignalSet {
    let state = current.process().state.lock();
    let own = current.signals.lock();
    state.pending.set().union(own.pending.set())
}

/// Takes a pending signal of `wanted` without delivering it (sigtimedwait(2), signalfd(2)).
pub fn take_pending(current: &Current, wanted: SignalSet) -> Option<(Signal, SigInfo)> {
    let mut state = current.process().state.lock();
    let own = current.signals.lock().pending.take(wanted);
    let taken = own.or_else(|| state.pending.take(wanted));
    send::recalculate(&state, current);
    drop(state);
    let (signal, mut info) = taken?;
    itimer::taken(current.process(), signal, &mut info);
    Some((signal, info))
}

//! Signals: sending, masks, delivery, frames (signal(7)).
//!
//! Sending ([`send`]) queues a signal and picks a thread to take it; the thread takes it on its way
//! back to user mode ([`deliver`]), where [`frame`] builds what the handler sees. Lock order: the
//! process tree, [`Process::state`](super::Process), then the task's signals. Sending works from
//! interrupt handlers.

mod action;
mod alt_stack;
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

/// A thread's own part of signal state, guarded by `Task::signals`.
#[derive(Default)]
pub struct TaskSignals {
    /// Signals sent to this thread alone.
    pub(super) pending: Pending,
    pub(super) blocked: SignalSet,
    /// The mask to put back, while `Attention::RESTORE_MASK` is raised.
    pub(super) saved: SignalSet,
    pub(super) alt_stack: AltStack,
}

impl TaskSignals {
    /// What a new thread or process starts with: its maker's mask, nothing pending.
    pub(super) fn inherit(blocked: SignalSet, alt_stack: AltStack) -> Self {
        Self { blocked, alt_stack, ..Self::default() }
    }

    /// The mask a handler's return goes back to.
    pub(super) fn lasting_mask(&self, temporary: bool) -> SignalSet {
        if temporary { self.saved } else { self.blocked }
    }
}

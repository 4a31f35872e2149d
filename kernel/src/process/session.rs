//! Sessions (setsid(2)): process groups that share a controlling terminal.

use alloc::sync::Arc;
use smp::{SpinLock, ThreadRef};

/// What a session asks of its controlling terminal.
pub trait ControllingTerminal: core::any::Any + Send + Sync {
    /// The session's leader has exited: the terminal is no longer anybody's, its foreground group
    /// gets `SIGHUP` and `SIGCONT`.
    fn leader_exited(&self);

    fn as_any(self: Arc<Self>) -> Arc<dyn core::any::Any + Send + Sync>;
}

/// A session. It keeps its number taken while any of its processes exists.
pub struct Session {
    id: u32,
    _number: ThreadRef,
    terminal: SpinLock<Option<Arc<dyn ControllingTerminal>>>,
}

impl Session {
    pub(super) fn new(leader: &ThreadRef) -> Arc<Self> {
        Arc::new(Self {
            id: leader.id().tid,
            _number: leader.clone(),
            terminal: SpinLock::new(None),
        })
    }

    /// The pid of the process that made it.
    pub fn id(&self) -> u32 {
        self.id
    }

    pub fn terminal(&self) -> Option<Arc<dyn ControllingTerminal>> {
        self.terminal.lock().clone()
    }

    /// Sets or takes away the controlling terminal; returns what was there.
    pub fn set_terminal(
        &self,
        terminal: Option<Arc<dyn ControllingTerminal>>,
    ) -> Option<Arc<dyn ControllingTerminal>> {
        core::mem::replace(&mut *self.terminal.lock(), terminal)
    }
}

//! What a kernel thread and the holders of its handles share: how far it is, its exit code.

use super::{JoinError, Priority};
use crate::spinlock::SpinLock;
use crate::timeout::Timeout;
use crate::wait_queue::WaitQueue;

/// How far a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Suspended,
    Resumed,
    Ended(i32),
}

pub(super) struct Control {
    state: SpinLock<State>,
    joiners: WaitQueue,
}

struct State {
    stage: Stage,
    detached: bool,
    priority: Priority,
    realtime: bool,
}

impl Control {
    pub fn new(priority: Priority) -> Self {
        let state = State {
            stage: Stage::Suspended,
            detached: false,
            priority,
            realtime: false,
        };
        Self {
            state: SpinLock::new(state),
            joiners: WaitQueue::new(),
        }
    }

    pub fn is_suspended(&self) -> bool {
        self.state.lock().stage == Stage::Suspended
    }

    /// Whether this call is the one that lets the thread run.
    pub fn resume(&self) -> bool {
        let mut state = self.state.lock();
        let first = state.stage == Stage::Suspended;
        if first {
            state.stage = Stage::Resumed;
        }
        first
    }

    pub fn parameters(&self) -> (Priority, bool) {
        let state = self.state.lock();
        (state.priority, state.realtime)
    }

    pub fn set_parameters(&self, priority: Priority, realtime: bool) {
        let mut state = self.state.lock();
        (state.priority, state.realtime) = (priority, realtime);
    }

    /// The thread's last word.
    pub fn end(&self, code: i32) {
        self.state.lock().stage = Stage::Ended(code);
        self.joiners.wake_all();
    }

    pub fn detach(&self) {
        self.state.lock().detached = true;
        self.joiners.wake_all();
    }

    /// How many threads are joining: already history.
    #[cfg(test)]
    pub fn joiner_count(&self) -> usize {
        self.joiners.len()
    }

    /// The exit code, once there is one.
    pub fn outcome(&self, timeout: Timeout) -> Result<i32, JoinError> {
        let waited = self.joiners.wait_for(timeout, || {
            let state = self.state.lock();
            match state.stage {
                _ if state.detached => Some(Err(JoinError::Detached)),
                Stage::Ended(code) => Some(Ok(code)),
                _ => None,
            }
        });
        waited.unwrap_or(Err(JoinError::TimedOut))
    }
}

//! A forked process that plays the other side of a row, and ends with it.

use crate::measure::Trouble;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

pub struct Peer(Pid);

impl Peer {
    /// Runs `work` in a child, which exits when it returns. Only for a process with one thread.
    pub fn start(work: impl FnOnce()) -> Result<Self, Trouble> {
        // SAFETY: the caller has one thread, so that the child may do anything.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self(child)),
            ForkResult::Child => {
                work();
                // SAFETY: ends the process without the parent's exit handlers.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Waits for a peer that ends by itself.
    pub fn join(self) -> Result<(), Trouble> {
        let pid = self.0;
        std::mem::forget(self);
        waitpid(pid, None)?;
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

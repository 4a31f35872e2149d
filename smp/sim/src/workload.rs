//! What threads do and what comes from outside.

pub mod drill;
mod forkjoin;
mod hogs;
mod messages;
mod open;
mod realtime;
mod script;

use crate::policy::{Task, TaskSpec};
pub use forkjoin::ForkJoin;
pub use hogs::Hogs;
pub use messages::Messages;
pub use open::{Arrivals, Size};
pub use realtime::RealTime;
pub use script::Scripts;

/// What a thread does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Computes for so many nanoseconds of a CPU at full speed.
    Run(u64),
    /// Sleeps for so long.
    Sleep(u64),
    /// Sleeps until a time.
    SleepUntil(u64),
    /// Sleeps until somebody wakes it.
    Park,
    Yield,
    Wake(Task),
    Exit,
}

/// A device's interrupt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    pub at_ns: u64,
    pub cpu: usize,
    /// Whom it wakes; threads not known yet are made and started.
    pub wake: std::ops::Range<Task>,
}

pub trait Workload {
    /// How a thread about to be made is to be scheduled.
    fn spec(&self, _task: Task) -> TaskSpec {
        TaskSpec::default()
    }

    /// Threads 1 to this number exist from the start, thread n started by CPU n modulo all.
    fn initial(&self) -> Task {
        0
    }

    /// What `task` does next, its last step done.
    fn next(&mut self, task: Task, now_ns: u64) -> Step;

    /// The next interrupt from outside, not before the one before. `None`: no more.
    fn outside(&mut self) -> Option<Outside> {
        None
    }
}

impl<W: Workload + ?Sized> Workload for Box<W> {
    fn spec(&self, task: Task) -> TaskSpec {
        (**self).spec(task)
    }
    fn initial(&self) -> Task {
        (**self).initial()
    }
    fn next(&mut self, task: Task, now_ns: u64) -> Step {
        (**self).next(task, now_ns)
    }
    fn outside(&mut self) -> Option<Outside> {
        (**self).outside()
    }
}

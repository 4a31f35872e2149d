//! Clocks that go while a thread, or the threads of a process, run (clock_getcpuclockid(3)).

use crate::error::{Errno, Result};
use crate::process::{CpuTimes, Process, current, table};
use alloc::sync::{Arc, Weak};
use linux_raw_sys::general::{CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
use smp::{Phase, ThreadRef};

/// A clock of processor time, in nanoseconds.
#[derive(Clone)]
pub struct CpuClock {
    process: Weak<Process>,
    /// One thread of the process; else all of them.
    thread: Option<ThreadRef>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    User,
    UserAndSystem,
}

/// What a clock's number is made of: `~id << 3 | thread << 2 | kind`.
const KIND: i32 = 3;
const OF_THREAD: i32 = 4;
const USER_ONLY: i32 = 1;

impl CpuClock {
    pub fn of_process(process: &Arc<Process>, counts: Counts) -> Self {
        Self {
            process: Arc::downgrade(process),
            thread: None,
            counts,
        }
    }

    fn of_thread(process: &Arc<Process>, thread: &ThreadRef, counts: Counts) -> Self {
        Self {
            thread: Some(thread.clone()),
            ..Self::of_process(process, counts)
        }
    }

    /// By its Linux number; `EINVAL` if it is none, or the clock of another process's thread.
    pub fn from_number(number: i32) -> Result<Self> {
        let current = current();
        let own = current.process();
        match number as u32 {
            CLOCK_PROCESS_CPUTIME_ID => return Ok(Self::of_process(own, Counts::UserAndSystem)),
            CLOCK_THREAD_CPUTIME_ID => {
                let (thread, counts) = (current.thread(), Counts::UserAndSystem);
                return Ok(Self::of_thread(own, thread, counts));
            }
            _ if number >= 0 || number & KIND == KIND => return Err(Errno::EINVAL),
            _ => {}
        }
        let counts = match number & KIND {
            USER_ONLY => Counts::User,
            _ => Counts::UserAndSystem,
        };
        let id = !(number >> 3) as u32;
        if number & OF_THREAD == 0 {
            return match id {
                0 => Ok(Self::of_process(own, counts)),
                pid => table::process(pid)
                    .map(|process| Self::of_process(&process, counts))
                    .map_err(|_| Errno::EINVAL),
            };
        }
        let task = match id {
            0 => current.task().clone(),
            tid => table::task(tid).map_err(|_| Errno::EINVAL)?,
        };
        if !Arc::ptr_eq(task.process(), own) {
            return Err(Errno::EINVAL);
        }
        Ok(Self::of_thread(own, task.thread(), counts))
    }

    /// The process whose threads make it go, while it is there.
    pub fn process(&self) -> Option<Arc<Process>> {
        self.process.upgrade()
    }

    /// Whether it stands still for good: its thread has exited.
    pub fn has_ended(&self) -> bool {
        let is_dead = |thread: &ThreadRef| thread.phase() == Phase::Dead;
        self.thread.as_ref().is_some_and(is_dead)
    }

    /// What it shows; a process's shows 0 when it is gone.
    pub fn now_ns(&self) -> u64 {
        let times = |process: Arc<Process>| process.cpu_times();
        self.shows(match self.thread {
            Some(_) => CpuTimes::default(), // not asked for: they take a look at each thread
            None => self.process().map_or_else(CpuTimes::default, times),
        })
    }

    /// What it shows when its process has used `times`.
    pub fn shows(&self, times: CpuTimes) -> u64 {
        let (user, total) = match &self.thread {
            Some(thread) => {
                let stats = thread.stats();
                (stats.user_ns, stats.run_ns)
            }
            None => (times.user_ns, times.total_ns()),
        };
        match self.counts {
            Counts::User => user,
            Counts::UserAndSystem => total,
        }
    }
}

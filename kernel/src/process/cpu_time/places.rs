//! How many POSIX timers there may be on the time of one process: each is looked at whenever one of
//! them may be due, in interrupt context.

use super::CpuClock;
use crate::error::{Errno, Result};
use crate::process::Process;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The most of its own, and the most of others: these cannot keep it from having any.
const MAX: usize = 32;

/// A process's: how many are taken.
#[derive(Default)]
pub struct Places {
    own: AtomicUsize,
    of_others: AtomicUsize,
}

impl Places {
    fn taken(&self, by_others: bool) -> &AtomicUsize {
        match by_others {
            true => &self.of_others,
            false => &self.own,
        }
    }
}

/// One place, given back when it is dropped.
pub struct Place {
    process: Weak<Process>,
    by_others: bool,
}

impl Place {
    /// A place for a timer of `owner` on `clock`; `EAGAIN` if there is none left.
    pub fn take(owner: &Arc<Process>, clock: &CpuClock) -> Result<Self> {
        let process = clock.process().ok_or(Errno::EINVAL)?;
        let by_others = !Arc::ptr_eq(owner, &process);
        let one_more = |taken| (taken < MAX).then_some(taken + 1);
        let taken = process.cpu_places.taken(by_others);
        match taken.fetch_update(Relaxed, Relaxed, one_more) {
            Ok(_) => Ok(Self {
                process: Arc::downgrade(&process),
                by_others,
            }),
            Err(_) => Err(Errno::EAGAIN),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(process) = self.process.upgrade() {
            process
                .cpu_places
                .taken(self.by_others)
                .fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Image;
    use crate::process::cpu_time::clock::Counts;
    use crate::process::rlimits::Rlimits;
    use crate::process::signal::Actions;
    use alloc::vec::Vec;

    fn process(pid: u32) -> Arc<Process> {
        let image = Arc::new(Image::default());
        Process::new(pid, None, Actions::default(), Rlimits::initial(), image)
    }

    #[test]
    fn others_take_no_place_from_the_owner() {
        let (own, stranger) = (process(1), process(2));
        let clock = CpuClock::of_process(&own, Counts::User);
        let fill = |owner| (0..MAX).map(|_| Place::take(owner, &clock)).collect();
        let taken: Result<Vec<Place>> = fill(&stranger);
        assert!(taken.is_ok());
        assert_eq!(Place::take(&stranger, &clock).err(), Some(Errno::EAGAIN));
        let taken: Result<Vec<Place>> = fill(&own);
        assert!(taken.is_ok(), "the owner's are there");
        assert_eq!(Place::take(&own, &clock).err(), Some(Errno::EAGAIN));
        drop(taken);
        assert!(Place::take(&own, &clock).is_ok(), "given back");
    }
}

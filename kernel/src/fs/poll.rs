//! Waiting for any of many files: what poll(2) and select(2) have in common.
//!
//! A [`Watch`] registers one [`Bell`] with every file; a file that may have become ready rings it.
//! The caller looks at all files, sleeps while nobody has rung, and looks again.

use super::file::PollEvents;
use super::open_file::OpenFile;
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use smp::{Observer, ThreadRef, Unparked};

/// Rings in the waiting thread.
struct Bell {
    thread: ThreadRef,
    rung: AtomicBool,
}

impl Observer for Bell {
    fn notify(&self, _events: u32) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Files being watched by the calling thread, until it is dropped.
struct Watch {
    bell: Arc<Bell>,
    observer: Arc<dyn Observer>,
    files: Vec<Arc<OpenFile>>,
}

impl Watch {
    fn new() -> Self {
        let bell = Arc::new(Bell {
            thread: smp::current(),
            rung: AtomicBool::new(false),
        });
        Self {
            observer: bell.clone(),
            bell,
            files: Vec::new(),
        }
    }

    fn add(&mut self, file: &Arc<OpenFile>) -> Result<()> {
        self.files.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        if let Some(observers) = file.file().observers() {
            observers.add(self.observer.clone());
            self.files.push(file.clone());
        }
        Ok(())
    }

    /// Sleeps until a file rings (perhaps long ago). `Ok(false)`: the deadline has passed.
    fn sleep(&self, deadline_ns: Option<u64>) -> Result<bool> {
        // The sleep may end for other reasons, and a sleep elsewhere may have eaten the wake.
        while !self.bell.rung.swap(false, Ordering::AcqRel) {
            if crate::process::signal_pending() {
                return Err(Errno::RESTART_NO_HANDLER);
            }
            if smp::park(deadline_ns) == Unparked::TimedOut {
                return Ok(self.bell.rung.swap(false, Ordering::AcqRel));
            }
        }
        Ok(true)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for file in &self.files {
            if let Some(observers) = file.file().observers() {
                observers.remove(&self.observer);
            }
        }
    }
}

/// Calls `look` until it finds something (more than 0) or `deadline_ns` has passed; sleeps in
/// between until one of `files` may have changed. A pending signal is `RESTART_NO_HANDLER`.
///
/// `look` is asked before anything is registered, so a call that finds something at once is cheap.
pub fn wait_for<'a>(
    files: impl Iterator<Item = &'a Arc<OpenFile>>,
    deadline_ns: Option<u64>,
    mut look: impl FnMut() -> Result<usize>,
) -> Result<usize> {
    let found = look()?;
    if found > 0 || deadline_ns.is_some_and(|deadline| deadline <= smp::now_ns()) {
        return Ok(found);
    }
    let mut watch = Watch::new();
    files.into_iter().try_for_each(|file| watch.add(file))?;
    loop {
        let found = look()?;
        if found > 0 {
            return Ok(found);
        }
        if !watch.sleep(deadline_ns)? {
            return look();
        }
    }
}

/// What is ready of `wanted`, with what is told unasked. A file may say `IN` and mean `RDNORM` too.
pub fn ready(file: &OpenFile, wanted: PollEvents) -> PollEvents {
    let mut events = file.file().poll();
    if events.contains(PollEvents::IN) {
        events |= PollEvents::RDNORM;
    }
    if events.contains(PollEvents::OUT) {
        events |= PollEvents::WRNORM;
    }
    events & (wanted | PollEvents::ERR | PollEvents::HUP | PollEvents::NVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{OpenFlags, pipe};
    use crate::user_memory::Source;

    const MS: u64 = 1_000_000;

    fn readable(file: &Arc<OpenFile>) -> usize {
        ready(file, PollEvents::IN).contains(PollEvents::IN).into()
    }

    #[test]
    fn a_deadline_in_the_past_only_looks() {
        let (reader, _writer) = pipe::new(OpenFlags::empty());
        let found = wait_for([&reader].into_iter(), Some(0), || Ok(readable(&reader)));
        assert_eq!(found, Ok(0));
    }

    #[test]
    fn the_deadline_ends_the_wait() {
        let (reader, _writer) = pipe::new(OpenFlags::empty());
        let deadline = smp::now_ns() + 5 * MS;
        let found = wait_for([&reader].into_iter(), Some(deadline), || {
            Ok(readable(&reader))
        });
        assert_eq!(found, Ok(0));
        assert!(smp::now_ns() >= deadline);
        assert!(reader.file().observers().unwrap().is_empty());
    }

    #[test]
    fn any_of_many_files_ends_the_wait() {
        let pipes: Vec<_> = (0..4).map(|_| pipe::new(OpenFlags::empty())).collect();
        let readers: Vec<_> = pipes.iter().map(|(reader, _)| reader.clone()).collect();
        let waiter = std::thread::spawn(move || {
            wait_for(readers.iter(), None, || {
                Ok(readers.iter().map(readable).sum())
            })
        });
        std::thread::sleep(std::time::Duration::from_millis(5));
        pipes[2].1.write(&mut Source::Kernel(b"x")).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(1));
    }

    #[test]
    fn a_hang_up_is_told_unasked() {
        let (reader, writer) = pipe::new(OpenFlags::empty());
        drop(writer);
        assert_eq!(ready(&reader, PollEvents::empty()), PollEvents::HUP);
    }
}

//! Event counters (eventfd(2)).

use super::file::{File, IoMode, PollEvents};
use super::open_file::{OpenFile, OpenFlags};
use crate::error::{Errno, Result};
use crate::user_memory::{Sink, Source};
use crate::wait::interruptible;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire};
use smp::{Observers, WaitQueue};

/// The most the counter holds.
const MAX: u64 = u64::MAX - 1;

/// A counter: writes add to it, reads take it (or one, for a semaphore).
pub struct EventFd {
    count: AtomicU64,
    semaphore: bool,
    readable: WaitQueue,
    writable: WaitQueue,
    observers: Observers,
}

impl EventFd {
    /// An open counter. `flags` may hold `NONBLOCK`.
    pub fn open(initial: u64, semaphore: bool, flags: OpenFlags) -> Arc<OpenFile> {
        let file = Self {
            count: AtomicU64::new(initial),
            semaphore,
            readable: WaitQueue::new(),
            writable: WaitQueue::new(),
            observers: Observers::new(),
        };
        OpenFile::new(Arc::new(file), flags | OpenFlags::RDWR)
    }

    fn try_take(&self) -> Option<u64> {
        let taken = |count| if self.semaphore { 1 } else { count };
        let take = |count| (count > 0).then(|| count - taken(count));
        self.count
            .fetch_update(AcqRel, Acquire, take)
            .ok()
            .map(taken)
    }

    fn try_add(&self, amount: u64) -> Option<()> {
        let add = |count: u64| count.checked_add(amount).filter(|&sum| sum <= MAX);
        self.count.fetch_update(AcqRel, Acquire, add).ok().map(drop)
    }
}

impl File for EventFd {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        if sink.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let taken = match mode.nonblocking {
            true => self.try_take().ok_or(Errno::EAGAIN)?,
            false => interruptible(&self.readable, None, || self.try_take())?,
        };
        self.writable.wake_all();
        self.observers
            .notify((PollEvents::OUT | PollEvents::WRNORM).bits());
        if self.semaphore {
            // What is left is for somebody else.
            self.readable.wake_one();
        }
        sink.put(&taken.to_ne_bytes())
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let mut bytes = [0; size_of::<u64>()];
        if source.remaining() < bytes.len() {
            return Err(Errno::EINVAL);
        }
        if source.take(&mut bytes)? < bytes.len() {
            return Err(Errno::EFAULT);
        }
        let amount = u64::from_ne_bytes(bytes);
        if amount > MAX {
            return Err(Errno::EINVAL);
        }
        match mode.nonblocking {
            true => self.try_add(amount).ok_or(Errno::EAGAIN)?,
            false => interruptible(&self.writable, None, || self.try_add(amount))?,
        }
        if amount > 0 {
            self.readable.wake_one();
            self.observers
                .notify((PollEvents::IN | PollEvents::RDNORM).bits());
        }
        Ok(bytes.len())
    }

    fn poll(&self) -> PollEvents {
        let count = self.count.load(Acquire);
        let mut events = PollEvents::empty();
        events.set(PollEvents::IN | PollEvents::RDNORM, count > 0);
        events.set(PollEvents::OUT | PollEvents::WRNORM, count < MAX);
        events
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.observers)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("anon_inode:[eventfd]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &OpenFile) -> Result<u64> {
        let mut bytes = [0; 8];
        file.read(&mut Sink::Kernel(&mut bytes))
            .map(|_| u64::from_ne_bytes(bytes))
    }

    fn write(file: &OpenFile, amount: u64) -> Result<usize> {
        file.write(&mut Source::Kernel(&amount.to_ne_bytes()))
    }

    #[test]
    fn a_counter_adds_up_and_is_taken_whole() {
        let file = EventFd::open(3, false, OpenFlags::NONBLOCK);
        assert_eq!(write(&file, 4), Ok(8));
        assert_eq!(read(&file), Ok(7));
        assert_eq!(read(&file), Err(Errno::EAGAIN));
        assert_eq!(write(&file, u64::MAX), Err(Errno::EINVAL));
        assert_eq!(write(&file, MAX), Ok(8));
        assert_eq!(write(&file, 1), Err(Errno::EAGAIN));
        assert_eq!(file.file().poll(), PollEvents::IN | PollEvents::RDNORM);
        assert_eq!(
            file.read(&mut Sink::Kernel(&mut [0; 7])),
            Err(Errno::EINVAL)
        );
    }

    #[test]
    fn a_semaphore_is_taken_one_by_one() {
        let file = EventFd::open(2, true, OpenFlags::NONBLOCK);
        assert_eq!(
            [(); 3].map(|()| read(&file)),
            [Ok(1), Ok(1), Err(Errno::EAGAIN)]
        );
    }

    #[test]
    fn every_waiting_reader_of_a_semaphore_gets_one() {
        let file = EventFd::open(0, true, OpenFlags::empty());
        let readers = [(); 3].map(|()| {
            let file = file.clone();
            std::thread::spawn(move || read(&file))
        });
        assert_eq!(write(&file, 3), Ok(8));
        readers
            .into_iter()
            .for_each(|reader| assert_eq!(reader.join().unwrap(), Ok(1)));
    }
}

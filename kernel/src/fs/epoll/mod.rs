//! epoll(7): a set of interests in files, and the ready ones among them without looking at all.
//!
//! An [`Interest`] observes its file. When the file may have become ready it puts itself on the
//! epoll's ready list; whoever waits takes interests off that list, asks the files, and reports.
//! A level-triggered one that was reported goes back to the end of the list.
//!
//! Who keeps whom: the epoll its interests, a file's observers and the ready list too, an interest
//! nothing but the list it reports to. An open file that goes away takes its interests with it
//! ([`Watchers`]).

mod interest;
mod nesting;
mod ready_list;
#[cfg(test)]
mod tests;

pub use interest::Watchers;

use super::file::{File, PollEvents, downcast};
use super::open_file::{OpenFile, OpenFlags};
use crate::error::{Errno, Result};
use crate::wait::interruptible;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::any::Any;
use core::sync::atomic::AtomicUsize;
use interest::Interest;
use ready_list::ReadyList;
use smp::{Mutex, Observers};

use super::file_table::Fd;

bitflags! {
    /// What an interest is in besides poll events: how it is reported.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Style: u32 {
        const EXCLUSIVE = 1 << 28;
        const WAKEUP = 1 << 29;
        const ONESHOT = 1 << 30;
        const EDGE = 1 << 31;
    }
}

/// What epoll_ctl(2) asks for one file: events, style, and the caller's word to hand back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub events: PollEvents,
    pub style: Style,
    pub data: u64,
}

impl Request {
    /// From `struct epoll_event`.
    pub fn new(bits: u32, data: u64) -> Self {
        Self {
            events: PollEvents::from_bits_truncate(bits),
            style: Style::from_bits_truncate(bits),
            data,
        }
    }
}

/// Names an interest: the same descriptor may mean another open file by now.
type Key = (Fd, u64);

/// An epoll instance.
pub struct Epoll {
    /// Held while interests change and while they are reported.
    interests: Mutex<BTreeMap<Key, Arc<Interest>>>,
    ready: Arc<ReadyList>,
    /// The most epolls that ever were in a chain above this one.
    above: AtomicUsize,
}

impl Epoll {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            interests: Mutex::new(BTreeMap::new()),
            ready: Arc::new(ReadyList::new()),
            above: AtomicUsize::new(0),
        })
    }

    /// An open file with a new instance.
    pub fn open() -> Arc<OpenFile> {
        OpenFile::new(Self::new(), OpenFlags::RDWR)
    }

    /// EPOLL_CTL_ADD. `EPERM` for files that are always ready, `ELOOP` for circles of epolls.
    pub fn add(self: &Arc<Self>, fd: Fd, file: &Arc<OpenFile>, request: Request) -> Result<()> {
        let observers = file.file().observers().ok_or(Errno::EPERM)?;
        let target = downcast::<Epoll>(file.file());
        if request.style.contains(Style::EXCLUSIVE)
            && (target.is_some() || request.style.contains(Style::ONESHOT))
        {
            return Err(Errno::EINVAL);
        }
        if mm::frame::is_out() {
            return Err(Errno::ENOMEM); // one more costs no descriptor, so nothing else limits it
        }
        let _no_other_nesting = target.as_ref().map(|_| nesting::lock());
        if let Some(target) = &target {
            nesting::allow(self, target)?;
        }
        let interest = Interest::new(file, request, &self.ready);
        let mut interests = self.interests.lock();
        self.forget_dead(&mut interests);
        let key = (fd, file.serial());
        if interests.contains_key(&key) {
            return Err(Errno::EEXIST);
        }
        self.ready.reserve(interests.len() + 1)?;
        interests.insert(key, interest.clone());
        file.watchers().insert(interest.clone());
        observers.add(interest.as_observer());
        self.report_if_ready(&interest, file);
        Ok(())
    }

    /// EPOLL_CTL_MOD. Arms a one-shot or edge-triggered interest again.
    pub fn modify(&self, fd: Fd, file: &Arc<OpenFile>, request: Request) -> Result<()> {
        let interests = self.interests.lock();
        let interest = interests.get(&(fd, file.serial())).ok_or(Errno::ENOENT)?;
        let exclusive = interest.request().style.contains(Style::EXCLUSIVE);
        if exclusive || request.style.contains(Style::EXCLUSIVE) {
            return Err(Errno::EINVAL);
        }
        interest.set_request(request);
        self.report_if_ready(interest, file);
        Ok(())
    }

    /// EPOLL_CTL_DEL.
    pub fn remove(&self, fd: Fd, file: &Arc<OpenFile>) -> Result<()> {
        let interest = self
            .interests
            .lock()
            .remove(&(fd, file.serial()))
            .ok_or(Errno::ENOENT)?;
        file.watchers().remove(&interest);
        interest.retire(file.file());
        Ok(())
    }

    fn report_if_ready(&self, interest: &Arc<Interest>, file: &OpenFile) {
        let ready = super::poll::ready(file, interest.request().events);
        if !ready.is_empty() {
            self.ready.push(interest);
        }
    }

    /// Interests whose open file has gone away.
    fn forget_dead(&self, interests: &mut BTreeMap<Key, Arc<Interest>>) {
        if self.ready.take_dead() {
            interests.retain(|_, interest| interest.is_alive());
        }
    }

    /// Waits until interests are ready or `deadline_ns` has passed and hands at most `limit` of
    /// them to `report`; returns how many. A pending signal is `EINTR`, as in Linux.
    pub fn wait(
        &self,
        limit: usize,
        deadline_ns: Option<u64>,
        mut report: impl FnMut(usize, PollEvents, u64) -> Result<()>,
    ) -> Result<usize> {
        let attempt = || match self.harvest(limit, &mut report) {
            Ok(0) => None,
            result => Some(result),
        };
        match interruptible(&self.ready.waiters, deadline_ns, attempt) {
            Ok(result) => result,
            Err(Errno::ETIMEDOUT) => Ok(0),
            Err(error) if error.is_restart() => Err(Errno::EINTR),
            Err(error) => Err(error),
        }
    }

    /// Reports what is on the ready list now, each interest at most once. Where `report` fails the
    /// interest stays; the error counts only if nothing was reported before it.
    fn harvest(
        &self,
        limit: usize,
        report: &mut impl FnMut(usize, PollEvents, u64) -> Result<()>,
    ) -> Result<usize> {
        if self.ready.is_empty() {
            return Ok(0);
        }
        // Closed outside the lock.
        let mut last_references: Vec<OpenFile> = Vec::new();
        let interests = self.interests.lock();
        let mut reported = 0;
        for _ in 0..self.ready.len() {
            if reported == limit {
                break;
            }
            let Some(interest) = self.ready.pop() else {
                break;
            };
            let Some(file) = interest.file() else {
                continue;
            };
            let request = interest.request();
            let events = super::poll::ready(&file, request.events);
            let armed = !interest.is_disarmed();
            last_references.extend(Arc::into_inner(file));
            if events.is_empty() || !armed {
                continue;
            }
            if let Err(error) = report(reported, events, request.data) {
                self.ready.push(&interest);
                if reported == 0 {
                    return Err(error);
                }
                break;
            }
            reported += 1;
            if request.style.contains(Style::ONESHOT) {
                interest.disarm();
            } else if !request.style.contains(Style::EDGE) {
                self.ready.push_quietly(&interest);
            }
        }
        drop(interests);
        if reported > 0 && !self.ready.is_empty() {
            // There may be enough for somebody else.
            self.ready.waiters.wake_one();
        }
        Ok(reported)
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        let interests = core::mem::take(&mut *self.interests.lock());
        for interest in interests.values() {
            if let Some(file) = interest.file() {
                file.watchers().remove(interest);
                interest.retire(file.file());
            }
        }
        // The list's references to the interests, which have it in turn.
        self.ready.clear();
    }
}

impl File for Epoll {
    /// Readable while any interest on the ready list really is.
    fn poll(&self) -> PollEvents {
        let mut last_references: Vec<OpenFile> = Vec::new();
        let _steady = self.interests.lock();
        let ready = self.ready.any(|interest| {
            let Some(file) = interest.file() else {
                return false;
            };
            let ready = !interest.is_disarmed()
                && !super::poll::ready(&file, interest.request().events).is_empty();
            last_references.extend(Arc::into_inner(file));
            ready
        });
        if ready {
            PollEvents::IN | PollEvents::RDNORM
        } else {
            PollEvents::empty()
        }
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.ready.observers)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("anon_inode:[eventpoll]")
    }
}

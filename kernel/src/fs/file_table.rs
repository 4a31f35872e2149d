//! Descriptor tables: which small number means which open file in a process.

use super::open_file::OpenFile;
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use smp::SpinLock;

/// A file descriptor.
pub type Fd = u32;

/// The soft limit a first process starts with (RLIMIT_NOFILE).
pub const DEFAULT_LIMIT: usize = 1024;
/// The highest limit that may be set (fs.nr_open).
pub const MAX_LIMIT: usize = 1 << 20;

#[derive(Clone)]
struct Slot {
    file: Arc<OpenFile>,
    close_on_exec: bool,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Option<Slot>>,
    /// No free slot is below this one.
    lowest_free: usize,
}

/// The open files of a process; threads and `CLONE_FILES` children share one.
///
/// Only they change it; others look, under the lock (/proc).
/// Files leave the table inside the lock but are dropped outside it: closing may sleep.
pub struct FileTable {
    slots: SpinLock<Slots>,
    /// RLIMIT_NOFILE's soft limit: one past the highest descriptor that may be made.
    limit: AtomicUsize,
    /// Tells tables apart: the owner of record locks.
    serial: u64,
}

static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

impl Default for FileTable {
    fn default() -> Self {
        Self::new()
    }
}

impl FileTable {
    pub fn new() -> Self {
        Self::with(Slots::default(), DEFAULT_LIMIT)
    }

    fn with(slots: Slots, limit: usize) -> Self {
        let serial = NEXT_SERIAL.fetch_add(1, Ordering::Relaxed);
        Self {
            slots: SpinLock::new(slots),
            limit: AtomicUsize::new(limit),
            serial,
        }
    }

    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The soft limit of open files; setrlimit(2) sets it here.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit.min(MAX_LIMIT), Ordering::Relaxed);
    }

    /// The open file of `fd`, `EBADF` if there is none.
    pub fn get(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        self.slots.lock().get(fd).map(|slot| slot.file.clone())
    }

    /// As [`get`](Self::get), without the lock while no other task shares the table.
    ///
    /// # Safety
    /// `table` is the calling task's own.
    #[inline]
    pub unsafe fn get_own(table: &Arc<Self>, fd: Fd) -> Result<Arc<OpenFile>> {
        // SAFETY: the caller's own, says the caller; nothing changes it while a file is counted.
        match unsafe { table.unshared() } {
            Some(slots) => slots.get(fd).map(|slot| slot.file.clone()),
            None => table.get(fd),
        }
    }

    /// Runs `call` on the open file of `fd`, `EBADF` if there is none. A table that no other task
    /// shares lends it; from a shared one the file may be closed meanwhile, so it is counted.
    ///
    /// # Safety
    /// The table is the calling task's own, and `call` changes nothing in it.
    #[inline(always)]
    pub unsafe fn lend<R>(
        self: &Arc<Self>,
        fd: Fd,
        call: impl FnOnce(&OpenFile) -> Result<R>,
    ) -> Result<R> {
        let counted;
        // SAFETY: the caller's own, and `call` does not change it, says the caller.
        let file: &OpenFile = match unsafe { self.unshared() } {
            Some(slots) => &slots.get(fd)?.file,
            None => {
                counted = self.get(fd)?;
                &counted
            }
        };
        call(file)
    }

    /// The slots without the lock, unless another task shares the table.
    ///
    /// # Safety
    /// The table is the calling task's own, and nothing changes it while the slots are borrowed.
    #[inline(always)]
    unsafe fn unshared(self: &Arc<Self>) -> Option<&Slots> {
        if Arc::strong_count(self) > 1 {
            return None;
        }
        // What others did to the table came before they let go of it.
        fence(Ordering::Acquire);
        // SAFETY: only tasks change a table, each its own, and no other can come to share this one
        // but through the calling one.
        Some(unsafe { self.slots.unlocked() })
    }

    /// Gives `file` the lowest free descriptor; `EMFILE` at the limit.
    pub fn insert(&self, file: Arc<OpenFile>, close_on_exec: bool) -> Result<Fd> {
        self.insert_from(0, file, close_on_exec)
    }

    /// As [`insert`](Self::insert), not below `lowest` (F_DUPFD); `EINVAL` if that is over the limit.
    pub fn insert_from(&self, lowest: Fd, file: Arc<OpenFile>, close_on_exec: bool) -> Result<Fd> {
        let limit = self.limit();
        if lowest > 0 && lowest as usize >= limit {
            return Err(Errno::EINVAL);
        }
        if mm::frame::is_out() {
            return Err(Errno::ENOMEM);
        }
        self.slots.lock().insert(
            lowest as usize,
            limit,
            Slot {
                file,
                close_on_exec,
            },
        )
    }

    /// dup3(2): `fd` becomes `file`; what it was before is returned, to be dropped.
    pub fn replace(
        &self,
        fd: Fd,
        file: Arc<OpenFile>,
        close_on_exec: bool,
    ) -> Result<Option<Arc<OpenFile>>> {
        if fd as usize >= self.limit() {
            return Err(Errno::EBADF);
        }
        let old = self.slots.lock().replace(
            fd as usize,
            Slot {
                file,
                close_on_exec,
            },
        )?;
        Ok(old.map(|slot| slot.file))
    }

    /// Takes `fd` out: the caller drops the file, which closes it if it was the last reference.
    pub fn remove(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        let file = self
            .slots
            .lock()
            .remove(fd as usize)
            .map(|slot| slot.file)
            .ok_or(Errno::EBADF)?;
        super::lock::release_process(self, &file);
        Ok(file)
    }

    pub fn close_on_exec(&self, fd: Fd) -> Result<bool> {
        self.slots.lock().get(fd).map(|slot| slot.close_on_exec)
    }

    pub fn set_close_on_exec(&self, fd: Fd, close_on_exec: bool) -> Result<()> {
        let mut slots = self.slots.lock();
        slots.get_mut(fd)?.close_on_exec = close_on_exec;
        Ok(())
    }

    /// close_range(2) with `CLOSE_RANGE_CLOEXEC`.
    pub fn set_close_on_exec_range(&self, first: Fd, last: Fd) {
        let mut slots = self.slots.lock();
        let range = slots.clamp(first, last);
        slots.slots[range]
            .iter_mut()
            .flatten()
            .for_each(|slot| slot.close_on_exec = true);
    }

    /// Closes `first..=last`, those of them that are open.
    pub fn close_range(&self, first: Fd, last: Fd) {
        self.close_where(first, last, |_| true);
    }

    /// execve(2): closes what is marked so.
    pub fn close_marked(&self) {
        self.close_where(0, Fd::MAX, |slot| slot.close_on_exec);
    }

    /// Exit: closes everything. The table stays usable.
    pub fn close_all(&self) {
        self.close_range(0, Fd::MAX);
    }

    /// A copy for fork(2): own descriptors, same open files. `ENOMEM` when there is no room for a
    /// table of that size.
    pub fn duplicate(&self) -> Result<Self> {
        self.with_room_for_all(|slots, mut copy| {
            copy.extend_from_slice(slots.used());
            let copy = Slots {
                slots: copy,
                lowest_free: slots.lowest_free,
            };
            Self::with(copy, self.limit())
        })
    }

    /// The open descriptors from `first` on, ascending (/proc/<pid>/fd): each as the table is when
    /// the walk comes to it.
    pub fn descriptors(&self, first: Fd) -> impl Iterator<Item = Fd> {
        let mut from = first as usize;
        core::iter::from_fn(move || {
            let slots = self.slots.lock();
            let open = slots.used().get(from..)?.iter().position(Option::is_some)?;
            from += open + 1;
            Some((from - 1) as Fd)
        })
    }

    /// One past the highest descriptor that is open.
    pub fn used(&self) -> usize {
        self.slots.lock().used().len()
    }

    /// What the table itself takes.
    pub fn table_bytes(&self) -> usize {
        self.slots.lock().slots.capacity() * size_of::<Option<Slot>>()
    }

    /// Runs `fill` on the locked slots with a vector that has room for something of each. A table
    /// may have a million: that much is asked for outside the lock, and may not be there.
    fn with_room_for_all<T, R>(&self, fill: impl FnOnce(&Slots, Vec<T>) -> R) -> Result<R> {
        let mut room = Vec::new();
        loop {
            room.try_reserve_exact(self.used())
                .map_err(|_| Errno::ENOMEM)?;
            let slots = self.slots.lock();
            if slots.used().len() <= room.capacity() {
                return Ok(fill(&slots, room));
            }
        }
    }

    fn close_where(&self, first: Fd, last: Fd, closes: impl Fn(&Slot) -> bool) {
        let range = self.slots.lock().clamp(first, last);
        for fd in range {
            let mut slots = self.slots.lock();
            let removed = match slots.slots.get(fd) {
                Some(Some(slot)) if closes(slot) => slots.remove(fd),
                _ => None,
            };
            drop(slots);
            if let Some(slot) = removed {
                super::lock::release_process(self, &slot.file);
            }
        }
    }
}

impl Drop for FileTable {
    fn drop(&mut self) {
        super::lock::release_table(self);
    }
}

impl Slots {
    fn get(&self, fd: Fd) -> Result<&Slot> {
        self.slots
            .get(fd as usize)
            .and_then(Option::as_ref)
            .ok_or(Errno::EBADF)
    }

    fn get_mut(&mut self, fd: Fd) -> Result<&mut Slot> {
        self.slots
            .get_mut(fd as usize)
            .and_then(Option::as_mut)
            .ok_or(Errno::EBADF)
    }

    /// The slots up to the last that is taken.
    fn used(&self) -> &[Option<Slot>] {
        let last = self.slots.iter().rposition(Option::is_some);
        &self.slots[..last.map_or(0, |last| last + 1)]
    }

    fn insert(&mut self, lowest: usize, limit: usize, slot: Slot) -> Result<Fd> {
        let start = lowest.max(self.lowest_free);
        let free = (start..self.slots.len()).find(|&fd| self.slots[fd].is_none());
        let fd = free.unwrap_or(start.max(self.slots.len()));
        if fd >= limit {
            return Err(Errno::EMFILE);
        }
        self.grow_to(fd)?;
        if start == self.lowest_free {
            self.lowest_free = fd + 1;
        }
        self.slots[fd] = Some(slot);
        Ok(fd as Fd)
    }

    fn replace(&mut self, fd: usize, slot: Slot) -> Result<Option<Slot>> {
        self.grow_to(fd)?;
        Ok(self.slots[fd].replace(slot))
    }

    fn remove(&mut self, fd: usize) -> Option<Slot> {
        let removed = self.slots.get_mut(fd)?.take()?;
        self.lowest_free = self.lowest_free.min(fd);
        Some(removed)
    }

    fn grow_to(&mut self, fd: usize) -> Result<()> {
        if fd >= self.slots.len() {
            let more = fd + 1 - self.slots.len();
            self.slots.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            self.slots.resize_with(fd + 1, || None);
        }
        Ok(())
    }

    /// `first..=last` cut down to the slots that exist.
    fn clamp(&self, first: Fd, last: Fd) -> core::ops::Range<usize> {
        let end = self.slots.len().min((last as usize).saturating_add(1));
        (first as usize).min(end)..end
    }
}

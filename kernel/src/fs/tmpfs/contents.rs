//! The pages of a tmpfs file. Pages that were never written do not exist and read as zeros.

use super::super::node::Allocation;
use super::Shared;
use super::inode::{Body, Inode};
use super::page::{self, Page};
use crate::error::{Errno, Result};
use crate::fs::node::Node;
use crate::user_memory::{Sink, Source};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use bitflags::bitflags;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use mm::space::{PageError, SourceIdentity};
use mm::{FrameRef, PageSource};
use smp::Mutex;

/// The largest size: offsets are signed in the system calls.
const MAX_SIZE: u64 = i64::MAX as u64;

bitflags! {
    /// Seals of fcntl(F_ADD_SEALS).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Seals: u32 {
        const SEAL = 1;
        const SHRINK = 2;
        const GROW = 4;
        const WRITE = 8;
        const FUTURE_WRITE = 16;
    }
}

#[derive(Default)]
struct Pages {
    by_index: BTreeMap<u64, Page>,
    size: u64,
}

pub struct Contents {
    pages: Mutex<Pages>,
    /// Writers and truncation take turns; held across copies from user memory.
    writer: Mutex<()>,
    seals: AtomicU32,
    /// The name given to memfd_create(2); empty for files with a path.
    label: String,
}

impl Contents {
    /// A file with a path: it cannot be sealed.
    pub fn empty() -> Self {
        Self::with_label(String::new(), Seals::SEAL)
    }

    /// A file without a path.
    pub fn labelled(label: &[u8], sealable: bool) -> Self {
        let seals = if sealable {
            Seals::empty()
        } else {
            Seals::SEAL
        };
        Self::with_label(String::from_utf8_lossy(label).to_string(), seals)
    }

    fn with_label(label: String, seals: Seals) -> Self {
        let pages = Mutex::new(Pages::default());
        Self {
            pages,
            writer: Mutex::new(()),
            seals: AtomicU32::new(seals.bits()),
            label,
        }
    }

    pub fn label(&self) -> String {
        if self.label.is_empty() {
            String::from("file")
        } else {
            alloc::format!("/memfd:{} (deleted)", self.label)
        }
    }

    pub fn size(&self) -> u64 {
        self.pages.lock().size
    }

    /// The size, and how many pages there are.
    pub fn sizes(&self) -> (u64, usize) {
        let pages = self.pages.lock();
        (pages.size, pages.by_index.len())
    }

    pub fn page_count(&self) -> usize {
        self.pages.lock().by_index.len()
    }

    pub fn read(&self, offset: u64, sink: &mut Sink<'_>) -> Result<usize> {
        let mut moved = 0;
        loop {
            let at = offset.saturating_add(moved as u64);
            let Some((piece, page)) = self.look(at, sink.remaining()) else {
                return Ok(moved);
            };
            let wanted = piece.len();
            let result = match page {
                Some(page) => page.read(piece, sink),
                None => sink.put_zeros(wanted),
            };
            match result {
                Err(error) if moved == 0 => return Err(error),
                Err(_) => return Ok(moved),
                Ok(count) => moved += count,
            }
            if result != Ok(wanted) {
                return Ok(moved);
            }
        }
    }

    /// The page at `offset` and which part of it is wanted; `None` at the end.
    fn look(&self, offset: u64, wanted: usize) -> Option<(Range<usize>, Option<Page>)> {
        let pages = self.pages.lock();
        let left = pages
            .size
            .checked_sub(offset)
            .filter(|&left| left > 0 && wanted > 0)?;
        let piece = piece_at(offset, left.min(wanted as u64));
        Some((piece, pages.by_index.get(&index_of(offset)).cloned()))
    }

    pub fn write(
        &self,
        shared: &Shared,
        offset: u64,
        source: &mut Source<'_>,
        append: bool,
    ) -> Result<usize> {
        let _writer = self.writer.lock();
        let size = self.size();
        let start = if append { size } else { offset };
        let wanted = source.remaining() as u64;
        self.check_write(size, start, wanted)?;
        let mut moved = 0;
        while source.remaining() > 0 {
            let at = start + moved as u64;
            match self.write_piece(shared, at, source) {
                Err(error) if moved == 0 => return Err(error),
                Ok(count) if count > 0 => moved += count,
                _ => break,
            }
        }
        Ok(moved)
    }

    fn check_write(&self, size: u64, start: u64, wanted: u64) -> Result<()> {
        let end = start
            .checked_add(wanted)
            .filter(|&end| end <= MAX_SIZE)
            .ok_or(Errno::EFBIG)?;
        let seals = self.seals();
        let sealed = seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE);
        if wanted > 0 && (sealed || (end > size && seals.contains(Seals::GROW))) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    fn write_piece(&self, shared: &Shared, at: u64, source: &mut Source<'_>) -> Result<usize> {
        let piece = piece_at(at, source.remaining() as u64);
        let page = self.page_for_write(shared, index_of(at))?;
        let count = page.write(piece, source)?;
        let mut pages = self.pages.lock();
        pages.size = pages.size.max(at + count as u64);
        Ok(count)
    }

    /// The page at `index`, made if it does not exist yet.
    fn page_for_write(&self, shared: &Shared, index: u64) -> Result<Page> {
        if let Some(page) = self.pages.lock().by_index.get(&index) {
            return Ok(page.clone());
        }
        shared.charge_page()?;
        let fresh = Page::zeroed().inspect_err(|_| shared.release_pages(1))?;
        let mut pages = self.pages.lock();
        if let Some(page) = pages.by_index.get(&index) {
            // A page fault made it meanwhile.
            shared.release_pages(1);
            return Ok(page.clone());
        }
        pages.by_index.insert(index, fresh.clone());
        Ok(fresh)
    }

    /// Fills in the pages from `first` on that exist, up to the end of the file.
    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        let pages = self.pages.lock();
        let last = pages.size.div_ceil(page::SIZE as u64);
        let wanted = first.min(last)..last.min(first + frames.len() as u64);
        for (index, page) in pages.by_index.range(wanted) {
            frames[(index - first) as usize] = Some(page.frame());
        }
    }

    pub fn truncate(&self, shared: &Shared, size: u64) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let _writer = self.writer.lock();
        let old = self.size();
        self.check_resize(old, size)?;
        self.pages.lock().size = size;
        if size < old {
            self.drop_range(shared, size, MAX_SIZE);
        }
        Ok(())
    }

    fn check_resize(&self, old: u64, new: u64) -> Result<()> {
        let seals = self.seals();
        let sealed = (new < old && seals.contains(Seals::SHRINK))
            || (new > old && seals.contains(Seals::GROW));
        if sealed { Err(Errno::EPERM) } else { Ok(()) }
    }

    pub fn allocate(
        &self,
        shared: &Shared,
        what: Allocation,
        offset: u64,
        length: u64,
    ) -> Result<()> {
        let end = offset
            .checked_add(length)
            .filter(|&end| end <= MAX_SIZE)
            .ok_or(Errno::EFBIG)?;
        let _writer = self.writer.lock();
        let old = self.size();
        if what != (Allocation::Reserve { keep_size: true }) && self.seals().contains(Seals::WRITE)
        {
            return Err(Errno::EPERM);
        }
        let keep_size = match what {
            Allocation::PunchHole => {
                self.drop_range(shared, offset, end);
                return Ok(());
            }
            Allocation::ZeroRange { keep_size } => {
                self.drop_range(shared, offset, end);
                keep_size
            }
            Allocation::Reserve { keep_size } => keep_size,
        };
        let new = if keep_size { old } else { old.max(end) };
        self.check_resize(old, new)?;
        let range = index_of(offset)..index_of(end - 1) + 1;
        // All or nothing: a reservation that cannot be kept must not fill the file system first.
        let present = self.pages.lock().by_index.range(range.clone()).count() as u64;
        if !shared.has_room(range.end - range.start - present) {
            return Err(Errno::ENOSPC);
        }
        for index in range {
            self.page_for_write(shared, index)?;
        }
        self.pages.lock().size = new;
        Ok(())
    }

    /// Gives back the pages in `start..end` and zeroes the parts of pages at its borders.
    fn drop_range(&self, shared: &Shared, start: u64, end: u64) {
        let whole = start.div_ceil(page::SIZE as u64)..end / page::SIZE as u64;
        let mut pages = self.pages.lock();
        for edge in [start, end]
            .into_iter()
            .filter(|edge| edge % page::SIZE as u64 != 0)
        {
            let page_start = edge - edge % page::SIZE as u64;
            let from = start.max(page_start) - page_start;
            let to = end.min(page_start.saturating_add(page::SIZE as u64)) - page_start;
            if let Some(page) = pages.by_index.get(&index_of(edge)).filter(|_| from < to) {
                page.zero(from as usize..to as usize);
            }
        }
        let dropped = take_range(&mut pages.by_index, whole);
        drop(pages);
        shared.release_pages(dropped.len());
    }

    /// The offset of the next data (or hole) from `offset` on; `None` past the end (lseek(2)).
    pub fn seek_data(&self, offset: u64, hole: bool) -> Option<u64> {
        let pages = self.pages.lock();
        if offset >= pages.size {
            return None;
        }
        let found = if hole {
            first_hole(&pages.by_index, offset)
        } else {
            first_data(&pages.by_index, offset)
        };
        match found {
            Some(at) if at < pages.size => Some(at),
            _ => hole.then_some(pages.size),
        }
    }

    pub fn seals(&self) -> Seals {
        Seals::from_bits_retain(self.seals.load(Ordering::Relaxed))
    }

    /// fcntl(F_ADD_SEALS): seals only ever get more.
    pub fn add_seals(&self, seals: Seals) -> Result<()> {
        let _writer = self.writer.lock();
        if self.seals().contains(Seals::SEAL) {
            return Err(Errno::EPERM);
        }
        self.seals.fetch_or(seals.bits(), Ordering::Relaxed);
        Ok(())
    }
}

fn index_of(offset: u64) -> u64 {
    offset / page::SIZE as u64
}

/// The part of its page that `length` bytes from `offset` on cover.
fn piece_at(offset: u64, length: u64) -> Range<usize> {
    let start = (offset % page::SIZE as u64) as usize;
    start..start + length.min((page::SIZE - start) as u64) as usize
}

/// The first offset from `offset` on that has a page.
fn first_data(pages: &BTreeMap<u64, Page>, offset: u64) -> Option<u64> {
    let (&index, _) = pages.range(index_of(offset)..).next()?;
    Some((index * page::SIZE as u64).max(offset))
}

/// The first offset from `offset` on that has none.
fn first_hole(pages: &BTreeMap<u64, Page>, offset: u64) -> Option<u64> {
    let mut hole = index_of(offset);
    while pages.contains_key(&hole) {
        hole += 1;
    }
    Some((hole * page::SIZE as u64).max(offset))
}

/// Takes the entries with keys in `range` out of `map`.
fn take_range(map: &mut BTreeMap<u64, Page>, range: Range<u64>) -> BTreeMap<u64, Page> {
    if range.is_empty() {
        return BTreeMap::new();
    }
    let mut taken = map.split_off(&range.start);
    map.append(&mut taken.split_off(&range.end));
    taken
}

/// Mapped memory: the same pages.
impl PageSource for Inode {
    fn page(&self, index: u64, _for_write: bool) -> Result<FrameRef, PageError> {
        let Body::Regular(contents) = &self.body else {
            return Err(PageError::Io);
        };
        if index >= contents.size().div_ceil(page::SIZE as u64) {
            return Err(PageError::PastEnd);
        }
        match contents.page_for_write(&self.shared, index) {
            Ok(page) => Ok(page.frame()),
            Err(Errno::ENOMEM) => Err(PageError::OutOfMemory),
            // No room left in the file system: SIGBUS, as Linux does.
            Err(_) => Err(PageError::Io),
        }
    }

    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        if let Body::Regular(contents) = &self.body {
            contents.present(first, frames);
        }
    }

    fn identity(&self) -> SourceIdentity {
        let id = Node::id(self);
        let name = self.contents().map(Contents::label).unwrap_or_default();
        SourceIdentity {
            device: (0, id.device as u32),
            inode: id.inode,
            name,
        }
    }
}

//! The pages of a tmpfs file. Pages that were never written do not exist and read as zeros.

mod holes;
mod mapped;

use super::Shared;
use super::page::{self, Page};
use crate::error::{Errno, Result};
use crate::user_memory::{Sink, Source};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use bitflags::bitflags;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use mm::FrameRef;
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

//! What can be mapped besides zeros: files and shared memory, a frame per page.

use crate::frame::{self, FrameRef};
use crate::lock::SpinLock;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::ops::Range;

/// Why a source has no page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageError {
    /// The index lies past the end: SIGBUS.
    PastEnd,
    Io,
    OutOfMemory,
}

/// Something whose pages can be mapped: a file, a shared memory object.
///
/// Called without the address space's lock, but possibly from inside a user copy: an
/// implementation takes no lock that anyone holds while copying to or from user memory.
pub trait PageSource: Send + Sync {
    /// The frame with page `index` (in pages from the start). `for_write` says that a shared
    /// mapping is about to write to it (mark it dirty). The same page is the same frame.
    fn page(&self, index: u64, for_write: bool) -> Result<FrameRef, PageError>;

    /// Fills in those pages from `first` on that exist and need no work: the neighbours of a page
    /// that is read are mapped with it. May leave out any.
    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        let _ = (first, frames);
    }

    /// What /proc/<pid>/maps shows: device, inode, path.
    fn identity(&self) -> SourceIdentity;

    /// msync(2): writes pages `pages` back. Memory-only sources have nothing to do.
    fn sync(&self, pages: Range<u64>) -> Result<(), PageError> {
        let _ = pages;
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceIdentity {
    pub device: (u32, u32),
    pub inode: u64,
    pub name: String,
}

/// Shared memory without a file: what MAP_SHARED | MAP_ANONYMOUS maps. Pages appear on demand and
/// live as long as somebody maps the object.
pub struct SharedMemory {
    pages: SpinLock<BTreeMap<u64, FrameRef>>,
    label: &'static str,
}

impl SharedMemory {
    pub fn new() -> Self {
        Self::labelled("/dev/zero (deleted)")
    }

    /// One that /proc/<pid>/maps calls `label`.
    pub fn labelled(label: &'static str) -> Self {
        Self {
            pages: SpinLock::new(BTreeMap::new()),
            label,
        }
    }
}

impl Default for SharedMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl PageSource for SharedMemory {
    fn page(&self, index: u64, _for_write: bool) -> Result<FrameRef, PageError> {
        if let Some(frame) = self.pages.lock().get(&index) {
            return Ok(frame.clone());
        }
        let fresh = frame::alloc_user_zeroed()
            .map_err(|_| PageError::OutOfMemory)?
            .share();
        // Somebody may have been quicker.
        Ok(self.pages.lock().entry(index).or_insert(fresh).clone())
    }

    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        let pages = self.pages.lock();
        for (index, frame) in pages.range(first..first + frames.len() as u64) {
            frames[(index - first) as usize] = Some(frame.clone());
        }
    }

    fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            device: (0, 1),
            inode: 0,
            name: String::from(self.label),
        }
    }
}

//! One page of a file: a frame that reads, writes and mappings share.

use crate::error::{Errno, Result};
use crate::user_memory::{Sink, Source};
use core::ops::Range;
use mm::FrameRef;

pub const SIZE: usize = mm::PAGE_SIZE;

/// A counted share of a file's page. Programs that map it may change it at any time; here its
/// bytes are only moved, never looked at.
#[derive(Clone)]
pub struct Page(FrameRef);

impl Page {
    /// A page of zeros.
    pub fn zeroed() -> Result<Self> {
        let frame = mm::frame::alloc_user_zeroed().map_err(|_| Errno::ENOMEM)?;
        Ok(Self(frame.share()))
    }

    pub fn frame(&self) -> FrameRef {
        self.0.clone()
    }

    /// Copies `range` of the page out; returns how much fitted.
    pub fn read(&self, range: Range<usize>, sink: &mut Sink<'_>) -> Result<usize> {
        assert!(range.end <= SIZE);
        // SAFETY: the frame is SIZE bytes of memory that stays alive with `self`; a program that
        // writes to it at the same time only changes which bytes are moved.
        let bytes =
            unsafe { core::slice::from_raw_parts(self.0.as_ptr().add(range.start), range.len()) };
        sink.put(bytes)
    }

    /// Copies into `range` of the page; returns how much there was.
    pub fn write(&self, range: Range<usize>, source: &mut Source<'_>) -> Result<usize> {
        assert!(range.end <= SIZE);
        // SAFETY: as in `read`; writers of one file take turns (`Contents::writer`), and what a
        // program does through a mapping meanwhile mixes bytes, as POSIX allows.
        let bytes = unsafe {
            core::slice::from_raw_parts_mut(self.0.as_mut_ptr().add(range.start), range.len())
        };
        source.take(bytes)
    }

    pub fn zero(&self, range: Range<usize>) {
        assert!(range.end <= SIZE);
        // SAFETY: as in `write`.
        unsafe {
            self.0
                .as_mut_ptr()
                .add(range.start)
                .write_bytes(0, range.len())
        };
    }
}

//! Taking pages out of use: unmap first, flush once, free last.
//!
//! Frames and tables collected here are still reachable through some TLB; they are freed only
//! after the flush. Used under the write lock.

use super::context::Context;
use crate::addr::{FrameNumber, PAGE_SIZE};
use crate::frame;
use crate::page_table::Entry;
use core::mem::MaybeUninit;
use core::ops::Range;

const PAGES: usize = 64;
const TABLES: usize = 16;

/// No address: grows to cover what is added.
const NOTHING: Range<usize> = Range {
    start: usize::MAX,
    end: 0,
};

pub struct Gather<'a> {
    context: &'a Context,
    /// Covers every address that owes a flush.
    range: Range<usize>,
    pages: Frames<PAGES>,
    tables: Frames<TABLES>,
    released: usize,
}

/// Shares to be given back.
struct Frames<const N: usize> {
    frames: [MaybeUninit<FrameNumber>; N],
    /// So many, from the start, are initialised.
    count: usize,
}

impl<const N: usize> Frames<N> {
    fn new() -> Self {
        Self {
            frames: [const { MaybeUninit::uninit() }; N],
            count: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.count == N
    }

    /// Not when full.
    fn push(&mut self, frame: FrameNumber) {
        self.frames[self.count].write(frame);
        self.count += 1;
    }

    fn release(&mut self) -> usize {
        for frame in &self.frames[..self.count] {
            // SAFETY: the first `count` are initialised.
            frame::unshare(unsafe { frame.assume_init() });
        }
        core::mem::take(&mut self.count)
    }
}

impl<'a> Gather<'a> {
    pub fn new(context: &'a Context) -> Self {
        Self {
            context,
            range: NOTHING,
            pages: Frames::new(),
            tables: Frames::new(),
            released: 0,
        }
    }

    /// `entry` has been removed from `address`.
    pub fn page(&mut self, address: usize, entry: Entry) {
        if entry.is_valid() {
            self.changed(address..address + PAGE_SIZE);
        }
        if !entry.is_counted() {
            return;
        }
        if self.pages.is_full() {
            self.flush();
        }
        self.pages.push(entry.frame());
    }

    /// A table over some of `range` has been unlinked.
    pub fn table(&mut self, range: Range<usize>, entry: Entry) {
        if self.tables.is_full() {
            self.flush();
        }
        self.changed(range);
        self.tables.push(entry.frame());
    }

    /// Entries of `range` have lost rights or gone.
    pub fn changed(&mut self, range: Range<usize>) {
        self.range = self.range.start.min(range.start)..self.range.end.max(range.end);
    }

    fn flush(&mut self) {
        if !self.range.is_empty() {
            self.context.flush_pages(self.range.clone());
            self.range = NOTHING;
        }
        self.released += self.pages.release();
        self.tables.release();
    }

    /// Flushes and frees; returns how many pages' shares were given back.
    pub fn finish(mut self) -> usize {
        self.flush();
        self.released
    }
}

impl Drop for Gather<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

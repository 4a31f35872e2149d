//! Taking pages out of use: unmap first, flush once, free last.
//!
//! Frames and tables collected here are still reachable through some TLB; they are freed only
//! after the flush. Used under the write lock.

use super::context::Context;
use crate::addr::PAGE_SIZE;
use crate::page_table::{Entry, free_table, release_page};
use core::ops::Range;

const BATCH: usize = 64;
const TABLES: usize = 16;

pub struct Gather<'a> {
    context: &'a Context,
    /// Covers every address that owes a flush.
    range: Range<usize>,
    pages: [Entry; BATCH],
    page_count: usize,
    tables: [Entry; TABLES],
    table_count: usize,
    released: usize,
}

impl<'a> Gather<'a> {
    pub fn new(context: &'a Context) -> Self {
        Self {
            context,
            range: usize::MAX..0,
            pages: [Entry::EMPTY; BATCH],
            page_count: 0,
            tables: [Entry::EMPTY; TABLES],
            table_count: 0,
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
        if self.page_count == BATCH {
            self.flush();
        }
        self.pages[self.page_count] = entry;
        self.page_count += 1;
    }

    /// A table over some of `range` has been unlinked.
    pub fn table(&mut self, range: Range<usize>, entry: Entry) {
        self.changed(range);
        if self.table_count == TABLES {
            self.flush();
        }
        self.tables[self.table_count] = entry;
        self.table_count += 1;
    }

    /// Entries of `range` have lost rights.
    pub fn changed(&mut self, range: Range<usize>) {
        self.range = self.range.start.min(range.start)..self.range.end.max(range.end);
    }

    fn flush(&mut self) {
        if !self.range.is_empty() {
            self.context.flush_pages(self.range.clone());
            // Tables come after the pages: what is still to be unlinked names its own range.
            self.range = usize::MAX..0;
        }
        self.pages[..self.page_count]
            .iter()
            .for_each(|&entry| release_page(entry));
        self.tables[..self.table_count]
            .iter()
            .for_each(|entry| free_table(entry.frame()));
        self.released += self.page_count;
        (self.page_count, self.table_count) = (0, 0);
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

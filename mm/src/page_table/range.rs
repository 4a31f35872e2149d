//! Going over ranges: every page that is there, and the tables that a hole leaves empty.

use super::table::store;
use super::{ENTRIES, Entry, Table, index, level_shift};
use crate::addr::PAGE_SIZE;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::AtomicU64;

/// Calls `visit` with the address and slot of every non-empty last-level entry of `range`, in
/// order; missing tables are skipped whole.
pub fn visit_pages<'a, B>(
    root: Table<'a>,
    range: Range<usize>,
    mut visit: impl FnMut(usize, &'a AtomicU64) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit_last_tables(root, range, |address, part, table| {
        let mut at = part.start;
        while let Some(used) = table.next_used(at..part.end) {
            visit(address + (used - part.start) * PAGE_SIZE, table.slot(used))?;
            at = used + 1;
        }
        ControlFlow::Continue(())
    })
}

/// Calls `visit` for every last-level table that translates some of `range`: with the first
/// address, the indices in the table, and the table.
pub fn visit_last_tables<'a, B>(
    root: Table<'a>,
    range: Range<usize>,
    mut visit: impl FnMut(usize, Range<usize>, Table<'a>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut address = range.start;
    while address < range.end {
        match find_last_table(root, address) {
            Ok(table) => {
                let end = next_boundary(address, 1 << level_shift(2)).min(range.end);
                let first = index(address, 3);
                visit(address, first..first + (end - address) / PAGE_SIZE, table)?;
                address = end;
            }
            Err(level) => address = next_boundary(address, 1 << level_shift(level)),
        }
    }
    ControlFlow::Continue(())
}

/// The last-level table of `address`, or the level at which the walk ends early.
fn find_last_table(root: Table<'_>, address: usize) -> Result<Table<'_>, usize> {
    let mut table = root;
    for level in 0..3 {
        table = table.next(index(address, level)).ok_or(level)?;
    }
    Ok(table)
}

fn next_boundary(address: usize, span: usize) -> usize {
    (address & !(span - 1)) + span
}

/// Where tables may have become useless: `emptied` lost its pages, and `hole` around it reaches
/// from mapping to mapping.
pub struct Hole {
    pub emptied: Range<usize>,
    pub hole: Range<usize>,
}

/// Unlinks every table over `emptied` that lies wholly inside the hole and passes its entry to
/// `free`, lower levels first.
pub fn free_tables(root: Table<'_>, hole: &Hole, free: &mut impl FnMut(Entry)) {
    unlink(root, 0, 0, hole, free);
}

/// The part of [`free_tables`] for the table of `level` that translates from `base` on.
fn unlink(table: Table<'_>, level: usize, base: usize, hole: &Hole, free: &mut impl FnMut(Entry)) {
    let span = 1usize << level_shift(level);
    let first = hole.emptied.start.saturating_sub(base) / span;
    let last = (hole.emptied.end - base).div_ceil(span).min(ENTRIES);
    for at in first..last {
        let entry = table.load(at);
        let Some(next) = table.next(at) else { continue };
        let start = base + at * span;
        if level < 2 {
            unlink(next, level + 1, start, hole, free);
        }
        if hole.hole.start <= start && start + span <= hole.hole.end {
            debug_assert!(next.is_empty(), "a table with pages in a hole");
            store(table.slot(at), Entry::EMPTY);
            free(entry);
        }
    }
}

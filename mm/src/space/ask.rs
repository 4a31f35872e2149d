//! Pages that come from a source: the question, put without the map's lock, and its answer.
//!
//! A read of a shared area maps what the source has at hand around the page too, so that going
//! over a file costs a fault for each sixteen pages. Private areas are filled page by page: mostly
//! they are programs, touched here and there, and what is mapped there is copied by each fork and
//! given back at each exit.

use super::area::Area;
use super::fault::{Wanted, copy_frame, sync_instructions};
use super::source::PageSource;
use super::types::Fault;
use super::{AddressSpace, Map};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE};
use crate::frame::{self, FrameRef};
use crate::page_table::{Entry, Rights, load, store, visit_last_tables};
use alloc::sync::Arc;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::AtomicU64;

/// So many pages, aligned, are mapped at once.
const AROUND: usize = 16;
const AROUND_SIZE: usize = AROUND * PAGE_SIZE;
type Neighbours = [Option<FrameRef>; AROUND];

/// What a fault has to ask of a source.
pub(super) struct Question {
    source: Arc<dyn PageSource>,
    index: u64,
    for_write: bool,
    generation: u64,
    /// The pages that may be mapped as well, if any may.
    around: Option<Range<usize>>,
}

impl Question {
    /// For page `index` of `source`, in `area`, which begins at `start`.
    pub fn new(
        source: &Arc<dyn PageSource>,
        index: u64,
        wanted: Wanted,
        start: usize,
        area: &Area,
        generation: u64,
    ) -> Self {
        let around = || around(wanted.page, start..area.end);
        Self {
            source: source.clone(),
            index,
            for_write: wanted.write() && area.is_shared(),
            generation,
            around: (area.is_shared() && !wanted.write()).then(around),
        }
    }

    /// Those pages of `around` that the source has at hand, from its start on.
    fn neighbours(&self, page: usize, around: &Range<usize>) -> Neighbours {
        let mut frames = [const { None }; AROUND];
        let before = (page - around.start) >> PAGE_SHIFT;
        let count = around.len() >> PAGE_SHIFT;
        self.source
            .present(self.index - before as u64, &mut frames[..count]);
        frames
    }
}

/// The aligned run of pages around `page`, as far as `area` reaches.
fn around(page: usize, area: Range<usize>) -> Range<usize> {
    let start = page & !(AROUND_SIZE - 1);
    area.start.max(start)..area.end.min(start + AROUND_SIZE)
}

impl AddressSpace {
    /// Has a source fill the page. False if the map has changed since the question came up.
    pub(super) fn ask(&self, wanted: Wanted, question: &Question) -> Result<bool, Fault> {
        let frame = question.source.page(question.index, question.for_write)?;
        let Some(around) = &question.around else {
            return self.answer(wanted, question, frame, |_, _| ());
        };
        let neighbours = question.neighbours(wanted.page, around);
        self.answer(wanted, question, frame, |map, rights| {
            self.install_around(map, around.clone(), neighbours, rights.read_only());
        })
    }

    /// Maps the frame that a source gave, and has `more` map others with it.
    fn answer(
        &self,
        wanted: Wanted,
        question: &Question,
        frame: FrameRef,
        more: impl FnOnce(&Map, Rights),
    ) -> Result<bool, Fault> {
        let map = self.map.read();
        if map.generation != question.generation {
            return Ok(false);
        }
        let Some((_, area)) = map.areas.find(wanted.page) else {
            return Ok(false);
        };
        let slot = self.slot(&map, wanted.page)?;
        let rights = area.prot.rights();
        if area.is_shared() {
            let granted = if question.for_write {
                rights
            } else {
                rights.read_only()
            };
            self.install_shared(slot, frame, granted, wanted.page);
        } else if wanted.write() {
            self.install_private(slot, copy_frame(&frame)?, rights);
        } else {
            self.install_source(slot, frame, rights.read_only());
        }
        more(&map, rights);
        Ok(true)
    }

    /// Maps a source's frame where nothing was.
    fn install_source(&self, slot: &AtomicU64, frame: FrameRef, rights: Rights) {
        sync_instructions(frame.number(), rights);
        if self.replace(slot, Entry::EMPTY, Entry::user(frame.number(), rights)) {
            frame.into_number();
            self.count_resident(1);
        }
    }

    /// Maps a source's frame in a shared area: new, with more rights, or instead of a frame that
    /// the source has replaced.
    fn install_shared(&self, slot: &AtomicU64, frame: FrameRef, rights: Rights, page: usize) {
        let old = load(slot);
        if old.is_empty() {
            return self.install_source(slot, frame, rights);
        }
        let new = Entry::user(frame.number(), rights);
        if old.frame() == frame.number() {
            self.replace(slot, old, new);
            self.context.flush_page_here(page);
        } else if self.exchange(slot, old, new, page) {
            frame.into_number();
            frame::unshare(old.frame());
        }
    }

    /// Maps `frames` from the start of `around` on, each where nothing is.
    fn install_around(
        &self,
        map: &Map,
        around: Range<usize>,
        mut frames: Neighbours,
        rights: Rights,
    ) {
        for frame in frames.iter().flatten() {
            sync_instructions(frame.number(), rights);
        }
        let mut installed = 0;
        let edit = self.edit.lock();
        // One table, as the pages are aligned; the wanted page has made it.
        let _ = visit_last_tables(self.table(map), around, |_, part, table| {
            for (index, given) in part.zip(&mut frames) {
                if let Some(frame) = given.take_if(|_| table.load(index).is_empty()) {
                    let entry = Entry::user(frame.into_number(), rights);
                    store(table.slot(index), entry);
                    installed += 1;
                }
            }
            ControlFlow::<()>::Continue(())
        });
        drop(edit);
        self.count_resident(installed);
    }
}

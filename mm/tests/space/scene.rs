//! What the tests start from: a space that is active, and a file in memory.

use std::sync::{Arc, Mutex};

use mm::space::{
    AddressSpace, Backing, Label, MapFlags, MapRequest, PageError, PageSource, Placement, Prot,
    SourceIdentity,
};
use mm::{FrameRef, frame};

use super::common::{PAGE, private, read_write};

pub const BASE: usize = 0x10_0000;

pub fn active_space() -> Arc<AddressSpace> {
    let space = AddressSpace::new().unwrap();
    space.activate();
    space
}

pub fn map_at(space: &AddressSpace, start: usize, pages: usize) {
    space
        .map(private(Placement::Fixed(start), pages * PAGE, read_write()))
        .unwrap();
}

/// A file in memory whose page `n` is full of the byte `n + 1`.
pub struct Numbered {
    pages: Mutex<Vec<Option<FrameRef>>>,
    pub dirtied: Mutex<Vec<u64>>,
}

impl Numbered {
    pub fn new(pages: usize) -> Arc<Self> {
        Arc::new(Self {
            pages: Mutex::new(vec![None; pages]),
            dirtied: Mutex::default(),
        })
    }

    pub fn byte(&self, page: usize) -> u8 {
        let pages = self.pages.lock().unwrap();
        // SAFETY: a byte of a frame we hold.
        unsafe { pages[page].as_ref().unwrap().as_ptr().read() }
    }
}

impl PageSource for Numbered {
    fn page(&self, index: u64, for_write: bool) -> Result<FrameRef, PageError> {
        let mut pages = self.pages.lock().unwrap();
        let page = pages.get_mut(index as usize).ok_or(PageError::PastEnd)?;
        if for_write {
            self.dirtied.lock().unwrap().push(index);
        }
        if page.is_none() {
            let mut frame = frame::alloc_user().map_err(|_| PageError::OutOfMemory)?;
            frame.bytes_mut().fill(index as u8 + 1);
            *page = Some(frame.share());
        }
        Ok(page.clone().unwrap())
    }

    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        let pages = self.pages.lock().unwrap();
        for (page, frame) in pages[first as usize..].iter().zip(frames) {
            *frame = page.clone();
        }
    }

    fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            device: (8, 1),
            inode: 42,
            name: "/numbered".into(),
        }
    }
}

pub fn map_source(
    space: &AddressSpace,
    start: usize,
    source: Arc<dyn PageSource>,
    first: u64,
    pages: usize,
    prot: Prot,
    flags: MapFlags,
) {
    let backing = Backing::Source { source, first };
    let request = MapRequest {
        placement: Placement::Fixed(start),
        length: pages * PAGE,
        prot,
        flags,
        backing,
        label: Label::None,
    };
    space.map(request).unwrap();
}

//! The frame array: sixteen bytes about every frame of RAM, one run per region.
//!
//! A frame's fields belong to whoever owns the frame: links and order to the buddy lists (under
//! their lock) or to a cached batch while it is free, links and slab fields to the slab (under its
//! class's lock) while the heap has it, the count to everybody who shares it.

use crate::addr::FrameNumber;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicUsize};

/// No frame, in a link.
pub const NIL: u32 = u32::MAX;

/// What the buddy lists need to know to merge a freed block with its buddy.
pub const STATE_USED: u8 = 0;
/// Head of a block of `order` on a buddy list.
pub const STATE_FREE: u8 = 1;

/// Instruction caches hold no stale copy of the frame.
pub const FLAG_INSTRUCTIONS_SYNCED: u8 = 1;

#[repr(C)]
pub struct FrameInfo {
    /// Shares held; 0 for free frames and for memory that is not counted (slabs, blocks).
    count: AtomicU32,
    pub state: AtomicU8,
    pub order: AtomicU8,
    pub flags: AtomicU8,
    pub class: AtomicU8,
    pub next: AtomicU32,
    /// The other link, or a slab's free list: see `slab.rs`.
    pub previous: AtomicU32,
    pub slab_free_head: AtomicU16,
    pub slab_free_count: AtomicU16,
}

impl FrameInfo {
    pub const fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            state: AtomicU8::new(STATE_USED),
            order: AtomicU8::new(0),
            flags: AtomicU8::new(0),
            class: AtomicU8::new(0),
            next: AtomicU32::new(NIL),
            previous: AtomicU32::new(NIL),
            slab_free_head: AtomicU16::new(0),
            slab_free_count: AtomicU16::new(0),
        }
    }

    #[inline]
    pub fn count(&self) -> u32 {
        self.count.load(Acquire)
    }

    /// A fresh frame's first share.
    #[inline]
    pub fn set_counted(&self) {
        self.flags.store(0, Relaxed);
        self.count.store(1, Relaxed);
    }

    /// One more share; the caller has one already.
    #[inline]
    pub fn share(&self) {
        let before = self.count.fetch_add(1, Relaxed);
        debug_assert!(
            before > 0 && before < u32::MAX / 2,
            "sharing a frame with {before} shares"
        );
    }

    /// One more share, unless the frame has none (it is being freed or is not counted).
    #[inline]
    pub fn try_share(&self) -> bool {
        self.count
            .fetch_update(Acquire, Relaxed, |count| (count > 0).then_some(count + 1))
            .is_ok()
    }

    /// Gives a share back; true when it was the last one and the caller must free the frame.
    #[must_use]
    #[inline]
    pub fn unshare(&self) -> bool {
        // An only owner needs no atomic update: nobody else can reach the count. A `try_share`
        // may still race, but it rechecks that its frame is in place and gives its share back.
        let before = self.count.fetch_sub(1, AcqRel);
        debug_assert!(before > 0, "a frame without shares is given back");
        before == 1
    }

    pub fn mark_synced(&self) {
        self.flags.store(FLAG_INSTRUCTIONS_SYNCED, Release);
    }

    #[inline]
    pub fn mark_written(&self) {
        self.flags.store(0, Release);
    }

    #[inline]
    pub fn is_synced(&self) -> bool {
        self.flags.load(Acquire) & FLAG_INSTRUCTIONS_SYNCED != 0
    }
}

/// A run of RAM and its part of the array.
struct Region {
    first: AtomicU32,
    frames: AtomicU32,
    infos: AtomicPtr<FrameInfo>,
}

/// Machines list few banks of RAM; a bank past this is left unused (and said so by `boot`).
pub const MAX_REGIONS: usize = 16;

impl Region {
    /// What is known about `frame`, if it lies here.
    #[inline]
    fn find(&self, frame: FrameNumber) -> Option<&'static FrameInfo> {
        let index = frame.0.wrapping_sub(self.first.load(Relaxed));
        // SAFETY: inside the array that `add_region` was given.
        let info = || unsafe { &*self.infos.load(Relaxed).add(index as usize) };
        (index < self.frames.load(Relaxed)).then(info)
    }
}

static REGIONS: [Region; MAX_REGIONS] = [const {
    Region {
        first: AtomicU32::new(0),
        frames: AtomicU32::new(0),
        infos: AtomicPtr::new(core::ptr::null_mut()),
    }
}; MAX_REGIONS];
static REGION_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Adds a region whose infos lie at `infos`.
///
/// # Safety
/// `infos` has `frames` initialised elements that nothing else uses, for ever. Boot, one CPU.
pub unsafe fn add_region(first: FrameNumber, frames: u32, infos: *mut FrameInfo) {
    let index = REGION_COUNT.load(Relaxed);
    let region = &REGIONS[index];
    region.first.store(first.0, Relaxed);
    region.frames.store(frames, Relaxed);
    region.infos.store(infos, Relaxed);
    REGION_COUNT.store(index + 1, Release);
}

/// What is known about `frame`, if it is RAM.
#[inline]
pub fn find(frame: FrameNumber) -> Option<&'static FrameInfo> {
    // Most machines have one region.
    match REGIONS[0].find(frame) {
        Some(info) => Some(info),
        None => find_beyond(frame),
    }
}

#[cold]
fn find_beyond(frame: FrameNumber) -> Option<&'static FrameInfo> {
    REGIONS[1..].iter().find_map(|region| region.find(frame))
}

/// As [`find`], for frames that came from the allocator.
#[inline]
pub fn info(frame: FrameNumber) -> &'static FrameInfo {
    find(frame).expect("a frame outside of RAM")
}

/// Whether both frames lie in one region, so that they may merge.
pub fn same_region(a: FrameNumber, b: FrameNumber) -> bool {
    REGIONS.iter().any(|region| {
        let holds = |frame: FrameNumber| {
            frame.0.wrapping_sub(region.first.load(Relaxed)) < region.frames.load(Relaxed)
        };
        holds(a) && holds(b)
    })
}

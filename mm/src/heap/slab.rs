//! Slabs: a block of frames cut into objects of one class.
//!
//! Everything about a slab is in the frame array, under its class's lock: the number of free
//! objects, the first free one (in grains; each free object holds the next), and the links of the
//! list of slabs that have some. Objects themselves need no header.

use super::FRAMES;
use super::class::{COUNT, Class, GRAIN};
use crate::addr::FrameNumber;
use crate::frame::array::{FrameInfo, NIL, info};
use crate::frame::{give_block, take_block};
use crate::lock::SpinLock;
use crate::phys_map;
use core::sync::atomic::Ordering::Relaxed;

/// No free object.
const END: u16 = u16::MAX;

/// The slabs of one class that have free objects.
struct Partial {
    head: u32,
    /// Of those, the slabs with no object in use. One is kept so that a lone object going back
    /// and forth does not take and give a block each time.
    unused: u32,
}

static CLASSES: [SpinLock<Partial>; COUNT] = [const {
    SpinLock::new(Partial {
        head: NIL,
        unused: 0,
    })
}; COUNT];

/// Fills `objects` as far as memory goes; returns how many.
pub fn take(class: Class, objects: &mut [*mut u8]) -> usize {
    let mut partial = CLASSES[class.index()].lock();
    for (taken, object) in objects.iter_mut().enumerate() {
        if partial.head == NIL && !partial.grow(class) {
            return taken;
        }
        *object = partial.take_one(class);
    }
    objects.len()
}

pub fn give(class: Class, objects: &[*mut u8]) {
    let mut partial = CLASSES[class.index()].lock();
    objects
        .iter()
        .for_each(|&object| partial.give_one(class, object));
}

impl Partial {
    /// Adds a slab of free objects.
    fn grow(&mut self, class: Class) -> bool {
        let order = class.slab_order();
        let Some(slab) = take_block(order) else {
            return false;
        };
        FRAMES.fetch_add(1 << order, Relaxed);
        let base = phys_map::frame_pointer(slab);
        let count = class.objects_per_slab();
        for index in 0..count {
            let next = if index + 1 < count {
                grains((index + 1) * class.size())
            } else {
                END
            };
            // SAFETY: inside the block, which nobody uses yet; grain-aligned.
            unsafe { base.add(index * class.size()).cast::<u16>().write(next) };
        }
        info(slab).slab_free_head.store(0, Relaxed);
        info(slab).slab_free_count.store(count as u16, Relaxed);
        self.unused += 1;
        self.link(slab);
        true
    }

    fn take_one(&mut self, class: Class) -> *mut u8 {
        let slab = FrameNumber(self.head);
        let state = info(slab);
        let offset = state.slab_free_head.load(Relaxed) as usize * GRAIN;
        let object = phys_map::frame_pointer(slab).wrapping_add(offset);
        // SAFETY: a free object of the slab holds the place of the next one.
        state
            .slab_free_head
            .store(unsafe { object.cast::<u16>().read() }, Relaxed);
        let free = state.slab_free_count.load(Relaxed);
        state.slab_free_count.store(free - 1, Relaxed);
        if free as usize == class.objects_per_slab() {
            self.unused -= 1;
        }
        if free == 1 {
            self.unlink(slab);
        }
        object
    }

    fn give_one(&mut self, class: Class, object: *mut u8) {
        let frame = phys_map::physical(object).frame();
        let slab = FrameNumber(frame.0 & !((1 << class.slab_order()) - 1));
        let state = info(slab);
        let offset = object.addr() - phys_map::frame_pointer(slab).addr();
        debug_assert!(
            offset.is_multiple_of(class.size()),
            "freed {object:?}: not an object of {class:?}"
        );
        // SAFETY: the caller gave up the object, which is in this slab.
        unsafe {
            object
                .cast::<u16>()
                .write(state.slab_free_head.load(Relaxed))
        };
        state.slab_free_head.store(grains(offset), Relaxed);
        let free = state.slab_free_count.load(Relaxed) + 1;
        state.slab_free_count.store(free, Relaxed);
        if free == 1 {
            self.link(slab);
        }
        if free as usize == class.objects_per_slab() {
            self.retire(class, slab);
        }
    }

    /// A slab has become unused: keeps it if it is the only one such.
    fn retire(&mut self, class: Class, slab: FrameNumber) {
        if self.unused == 0 {
            self.unused = 1;
            return;
        }
        self.unlink(slab);
        FRAMES.fetch_sub(1 << class.slab_order(), Relaxed);
        give_block(slab, class.slab_order());
    }

    fn link(&mut self, slab: FrameNumber) {
        let state: &FrameInfo = info(slab);
        state.next.store(self.head, Relaxed);
        state.previous.store(NIL, Relaxed);
        if self.head != NIL {
            info(FrameNumber(self.head)).previous.store(slab.0, Relaxed);
        }
        self.head = slab.0;
    }

    fn unlink(&mut self, slab: FrameNumber) {
        let (next, previous) = (
            info(slab).next.load(Relaxed),
            info(slab).previous.load(Relaxed),
        );
        match previous {
            NIL => self.head = next,
            frame => info(FrameNumber(frame)).next.store(next, Relaxed),
        }
        if next != NIL {
            info(FrameNumber(next)).previous.store(previous, Relaxed);
        }
    }
}

fn grains(offset: usize) -> u16 {
    (offset / GRAIN) as u16
}

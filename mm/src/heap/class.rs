//! Size classes: which slab serves a request.

use crate::addr::PAGE_SIZE;
use core::alloc::Layout;

const SIZES: [usize; COUNT] = [
    16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048,
];
pub const COUNT: usize = 14;
const LARGEST: usize = SIZES[COUNT - 1];
/// All sizes are multiples of this, so it is the alignment everybody gets.
pub const GRAIN: usize = 16;

/// An index into the table of sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(u8);

/// Class for each number of grains.
const BY_GRAINS: [u8; LARGEST / GRAIN + 1] = {
    let mut table = [0; LARGEST / GRAIN + 1];
    let (mut grains, mut class) = (0, 0);
    while grains < table.len() {
        if grains * GRAIN > SIZES[class] {
            class += 1;
        }
        table[grains] = class as u8;
        grains += 1;
    }
    table
};

impl Class {
    /// The class that serves `layout`; `None` when it is too big for slabs.
    #[inline]
    pub fn of(layout: Layout) -> Option<Self> {
        let size = if layout.align() <= GRAIN {
            layout.size()
        } else {
            // Slabs are page-aligned, so objects whose size is a power of two are aligned to it.
            layout.size().max(layout.align()).next_power_of_two()
        };
        (size <= LARGEST).then(|| Self(BY_GRAINS[size.div_ceil(GRAIN)]))
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT as u8).map(Self)
    }

    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes per object.
    pub fn size(self) -> usize {
        SIZES[self.index()]
    }

    /// A slab is `1 << order` frames: enough for eight objects or more.
    pub fn slab_order(self) -> usize {
        match self.size() {
            0..=256 => 0,
            257..=768 => 1,
            _ => 2,
        }
    }

    pub fn objects_per_slab(self) -> usize {
        (PAGE_SIZE << self.slab_order()) / self.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_covers_size_and_alignment() {
        for size in 1..=LARGEST {
            for align in [1, 8, 16, 32, 64, 128, 1024] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let class = Class::of(layout).unwrap();
                assert!(class.size() >= size, "{layout:?}");
                assert_eq!(class.size() % align.min(class.size()), 0, "{layout:?}");
                assert!(class.size() >= align, "{layout:?}");
            }
        }
        assert_eq!(
            Class::of(Layout::from_size_align(LARGEST + 1, 8).unwrap()),
            None
        );
        assert_eq!(Class::of(Layout::from_size_align(8, 4096).unwrap()), None);
    }

    #[test]
    fn little_is_wasted() {
        for class in Class::all() {
            let wasted =
                (PAGE_SIZE << class.slab_order()) - class.objects_per_slab() * class.size();
            assert!(
                wasted * 12 < PAGE_SIZE << class.slab_order(),
                "{class:?} wastes {wasted}"
            );
        }
    }
}

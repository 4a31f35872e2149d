//! From the machine's memory map to the first free frames: once, on the boot CPU.

use super::array::{self, FrameInfo, MAX_REGIONS};
use crate::addr::{FrameNumber, PAGE_SIZE, PhysAddr};
use crate::phys_map;
use core::ops::Range;

/// A run of frames, `start..end`.
type Frames = Range<u32>;

/// Reserved runs that boot can keep apart; the machine has a handful.
const MAX_RESERVED: usize = 32;

/// The memory map: regions of RAM with their reserved runs, sorted.
struct Plan {
    reserved: [Frames; MAX_RESERVED + 1],
    reserved_count: usize,
}

/// Builds the frame array for `regions` and calls `free` for each run of usable frames.
/// Returns the number of frames of RAM.
///
/// # Safety
/// As `frame::init`.
pub unsafe fn build(
    regions: &[Range<PhysAddr>],
    reserved: &[Range<PhysAddr>],
    mut free: impl FnMut(Frames),
) -> usize {
    assert!(
        reserved.len() <= MAX_RESERVED,
        "too many reserved ranges of memory"
    );
    let mut plan = Plan::new(reserved);
    let regions = || {
        regions
            .iter()
            .map(inner_frames)
            .filter(|frames| !frames.is_empty())
            .take(MAX_REGIONS)
    };
    let total: usize = regions().map(|frames| frames.len()).sum();

    let bytes = total * size_of::<FrameInfo>();
    let home = plan
        .find_gap(regions(), bytes.div_ceil(PAGE_SIZE) as u32)
        .expect("no room for the frame array");
    // SAFETY: the gap is unused RAM, large enough for one element per frame.
    unsafe { place_array(&home, regions()) };
    plan.reserve(home);

    for region in regions() {
        plan.gaps(region, &mut free);
    }
    total
}

/// Splits the array at `home` among the regions.
///
/// # Safety
/// `home` is unused and holds an element for each frame of `regions`.
unsafe fn place_array(home: &Frames, regions: impl Iterator<Item = Frames>) {
    let mut infos = phys_map::frame_pointer(FrameNumber(home.start)).cast::<FrameInfo>();
    for region in regions {
        for index in 0..region.len() {
            // SAFETY: in bounds, by the caller's promise.
            unsafe { infos.add(index).write(FrameInfo::new()) };
        }
        // SAFETY: just initialised, and the run belongs to the array from now on.
        unsafe { array::add_region(FrameNumber(region.start), region.len() as u32, infos) };
        // SAFETY: one past this region's part is still inside `home`, or its end.
        infos = unsafe { infos.add(region.len()) };
    }
}

impl Plan {
    fn new(reserved: &[Range<PhysAddr>]) -> Self {
        let mut plan = Self {
            reserved: [const { 0..0 }; MAX_RESERVED + 1],
            reserved_count: 0,
        };
        reserved
            .iter()
            .map(outer_frames)
            .for_each(|frames| plan.reserve(frames));
        plan
    }

    fn reserve(&mut self, frames: Frames) {
        self.reserved[self.reserved_count] = frames;
        self.reserved_count += 1;
        self.reserved[..self.reserved_count].sort_unstable_by_key(|frames| frames.start);
    }

    /// Calls `visit` for each run of `region` that is not reserved.
    fn gaps(&self, region: Frames, visit: &mut impl FnMut(Frames)) {
        let mut from = region.start;
        for taken in &self.reserved[..self.reserved_count] {
            if from < taken.start.min(region.end) {
                visit(from..taken.start.min(region.end));
            }
            from = from.max(taken.end);
        }
        if from < region.end {
            visit(from..region.end);
        }
    }

    /// The start of the largest gap, if it holds `frames`.
    fn find_gap(&self, regions: impl Iterator<Item = Frames>, frames: u32) -> Option<Frames> {
        let mut best = 0..0;
        for region in regions {
            self.gaps(region, &mut |gap| {
                if gap.len() > best.len() {
                    best = gap;
                }
            });
        }
        (best.len() as u32 >= frames).then(|| best.start..best.start + frames)
    }
}

/// The frames that lie wholly inside a range of RAM.
fn inner_frames(range: &Range<PhysAddr>) -> Frames {
    let first = range.start.0.div_ceil(PAGE_SIZE as u64);
    let end = range.end.0 / PAGE_SIZE as u64;
    // Frame 0 stays unused: a table entry of zero must mean nothing.
    (first.max(1) as u32)..(end.min(u32::MAX as u64 - 1) as u32)
}

/// The frames that a reserved range touches.
pub fn outer_frames(range: &Range<PhysAddr>) -> Frames {
    let first = range.start.0 / PAGE_SIZE as u64;
    let end = range.end.0.div_ceil(PAGE_SIZE as u64);
    (first as u32)..(end as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn bytes(range: Range<u64>) -> Range<PhysAddr> {
        PhysAddr(range.start)..PhysAddr(range.end)
    }

    fn gaps(plan: &Plan, region: Frames) -> Vec<Frames> {
        let mut found = Vec::new();
        plan.gaps(region, &mut |gap| found.push(gap));
        found
    }

    #[test]
    fn reserved_memory_is_left_out_whole() {
        let reserved = [
            0x5800..0x6001,
            0x1000..0x2000,
            0x1800..0x3000,
            0x9000..0x20000,
        ];
        let plan = Plan::new(&reserved.map(bytes));
        assert_eq!(gaps(&plan, 1..16), [3..5, 7..9]);
        assert_eq!(gaps(&plan, 4..8), [4..5, 7..8]);
        assert_eq!(gaps(&plan, 9..16), []);
        assert_eq!(gaps(&plan, 31..40).first(), Some(&(32..40)));
    }

    #[test]
    fn the_array_goes_into_the_largest_gap() {
        let plan = Plan::new(&[bytes(0x4000..0x5000)]);
        let regions = || [1..8, 0x100..0x200].into_iter();
        assert_eq!(plan.find_gap(regions(), 20), Some(0x100..0x114));
        assert_eq!(plan.find_gap(regions(), 0x101), None);
    }

    #[test]
    fn partial_frames_are_not_memory() {
        assert_eq!(inner_frames(&bytes(0x1800..0x4800)), 2..4);
        assert_eq!(inner_frames(&bytes(0..0x2000)), 1..2);
        assert!(inner_frames(&bytes(0x1800..0x1900)).is_empty());
        assert_eq!(outer_frames(&bytes(0x1800..0x4800)), 1..5);
    }
}

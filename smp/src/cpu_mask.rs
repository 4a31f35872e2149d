//! A set of CPUs that any CPU may change: who is online, idle, has surplus.
//!
//! A word per *group*: up to 64 CPUs of a memory node. The words of all masks for one group lie in one
//! cache line, so that a machine of one group has one line to look at. With more groups there is a
//! level above (`above.rs`), which tells which groups may have members.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::array;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use percpu::CpuId;

use crate::above::{Above, GROUPS};
use crate::map::{Map, Place, Span};
use crate::sync::{AtomicU64, Ordering, fence, mutate};

/// Masks that fit into a cache line of 128 bytes, beside a hand.
const MASKS: usize = 15;

/// One bit per CPU.
pub(crate) struct CpuMask {
    words: Arc<Words>,
    /// Which of the masks that share the lines.
    index: usize,
}

/// The words of masks that are used together.
struct Words {
    groups: Box<[Line]>,
    /// A line for every [`GROUPS`] groups; none if there is but one group.
    above: Box<[Line]>,
}

/// A cache line: a word of each mask, and the hand of the group.
#[repr(align(128))]
struct Line {
    words: [AtomicU64; MASKS],
    hand: AtomicU32,
}

fn lines(count: usize) -> Box<[Line]> {
    let line = || Line {
        words: array::from_fn(|_| AtomicU64::new(0)),
        hand: AtomicU32::new(0),
    };
    (0..count).map(|_| line()).collect()
}

impl Words {
    fn new(map: &Map) -> Self {
        let count = map.group_count();
        let above = if count > 1 { count.div_ceil(GROUPS) } else { 0 };
        Self {
            groups: lines(count),
            above: lines(above),
        }
    }
}

impl CpuMask {
    /// Masks that are used together.
    pub fn together<const N: usize>(map: &Map) -> [Self; N] {
        const { assert!(N <= MASKS) };
        let words = Arc::new(Words::new(map));
        array::from_fn(|index| Self {
            words: words.clone(),
            index,
        })
    }

    fn bit(map: &Map, cpu: CpuId) -> (usize, u64) {
        let Place { group, bit, .. } = map.place(cpu);
        (group, 1 << bit)
    }

    /// What the level above says of a group, if there is one.
    #[inline]
    fn above(&self, group: usize) -> Option<Above<'_>> {
        let line = self.words.above.get(group / GROUPS)?;
        Some(Above::new(&line.words[self.index], group % GROUPS))
    }

    /// Whether it is worth looking for members in a group.
    #[inline]
    pub fn may_have(&self, group: usize) -> bool {
        self.above(group).is_none_or(|above| above.may_have())
    }

    /// The members in a span whose group may have some.
    #[inline]
    pub fn search(&self, span: &Span) -> u64 {
        let members = match self.word(span.group) {
            0 => self.forget(span.group),
            members => members,
        };
        members & span.bits
    }

    fn forget(&self, group: usize) -> u64 {
        let above = self.above(group);
        above.map_or(0, |above| above.forget(|| self.word(group)))
    }

    #[inline]
    fn members(&self, group: usize) -> &AtomicU64 {
        &self.words.groups[group].words[self.index]
    }

    /// All members in a group.
    #[inline]
    pub fn word(&self, group: usize) -> u64 {
        self.members(group).load(Ordering::Acquire)
    }

    /// Whether one look tells that there is nobody.
    #[inline]
    pub fn is_plainly_empty(&self) -> bool {
        let word = match &*self.words.above {
            [] => self.members(0),
            [above] => &above.words[self.index],
            _ => return false,
        };
        word.load(Ordering::Acquire) == 0
    }

    /// The bit of a group at which who searches it next begins, so that members are found in turn.
    #[inline]
    pub fn hand(&self, group: usize) -> u32 {
        self.words.groups[group].hand.load(Relaxed)
    }

    /// Lets the next search begin after `cpu`.
    #[inline]
    pub fn move_hand(&self, map: &Map, cpu: CpuId) {
        let Place { group, bit, .. } = map.place(cpu);
        self.words.groups[group].hand.store(bit + 1, Relaxed);
    }

    pub fn contains(&self, map: &Map, cpu: CpuId) -> bool {
        let (group, bit) = Self::bit(map, cpu);
        self.word(group) & bit != 0
    }

    /// Adds a CPU; writes only if that changes anything.
    pub fn insert(&self, map: &Map, cpu: CpuId) {
        let (group, bit) = Self::bit(map, cpu);
        let members = self.members(group);
        if members.load(Ordering::Relaxed) & bit == 0 {
            members.fetch_or(bit, Ordering::AcqRel);
        }
        if let Some(above) = self.above(group) {
            above.appeared();
        }
    }

    /// Removes a CPU; says whether this call did it. Of two that claim an idle CPU one wins.
    pub fn remove(&self, map: &Map, cpu: CpuId) -> bool {
        let (group, bit) = Self::bit(map, cpu);
        let members = self.members(group);
        members.load(Ordering::Relaxed) & bit != 0
            && members.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// `cpu` has published offers and shows itself: either this sees that a thief hid it, or the
    /// thief sees the offer.
    pub fn show(&self, map: &Map, cpu: CpuId) {
        // Pairs with the fence of `hide`.
        if mutate("show_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        self.insert(map, cpu);
    }

    /// A thief found nothing more on offer at `cpu`, and spares others the way; `has_offers` looks
    /// again. True if `cpu` has been shown again: who looked meanwhile was misled.
    #[must_use = "somebody may be idle beside an offer"]
    pub fn hide(&self, map: &Map, cpu: CpuId, has_offers: impl FnOnce() -> bool) -> bool {
        if !self.remove(map, cpu) {
            return false;
        }
        // Pairs with the fence of `show`.
        if mutate("hide_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        let shows = mutate("hide_for_good", true, false) && has_offers();
        if shows {
            self.insert(map, cpu);
        }
        shows
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topology::{FULL_CAPACITY, Topology};

    fn span(group: usize, bits: u64) -> Span {
        let capacity = FULL_CAPACITY;
        Span {
            group,
            bits,
            capacity,
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "long, and in safe code")]
    fn an_empty_group_is_forgotten_until_somebody_appears() {
        let map = Map::new(&Topology::uniform(1024, 8));
        let [other, mask] = CpuMask::together(&map);
        let far = CpuId::new(1000);
        let Place { group, .. } = map.place(far);
        let span = span(group, !0);
        let candidate = || mask.may_have(group);
        assert!(!candidate());
        mask.insert(&map, far);
        assert!(candidate() && mask.search(&span) == 1 << (1000 % 64));
        assert!(!other.may_have(group));
        assert!(mask.remove(&map, far) && !mask.remove(&map, far));
        assert!(candidate() && mask.search(&span) == 0);
        assert!(!candidate());
        mask.insert(&map, far);
        assert!(candidate());
    }

    #[test]
    fn one_group_is_always_a_candidate() {
        let map = Map::new(&Topology::uniform(64, 4));
        let [mask] = CpuMask::together(&map);
        let first = span(0, 0xf);
        assert!(mask.may_have(0) && mask.search(&first) == 0);
        mask.insert(&map, CpuId::new(5));
        assert_eq!((mask.search(&first), mask.word(0)), (0, 1 << 5));
    }

    #[test]
    fn the_next_search_begins_behind_the_last() {
        let map = Map::new(&Topology::uniform(64, 8));
        let [mask] = CpuMask::together(&map);
        for cpu in [1, 5, 60] {
            mask.insert(&map, CpuId::new(cpu));
        }
        let next = || {
            let mut members = map.members_in_turn(0, mask.word(0), mask.hand(0));
            let first = members.next().expect("there are three");
            mask.move_hand(&map, first);
            first.index()
        };
        assert_eq!([(); 4].map(|()| next()), [1, 5, 60, 1]);
    }
}

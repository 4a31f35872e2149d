//! The level above a mask of CPUs: which groups may have members, so that a search soon ends when
//! there is nobody.
//!
//! A group has two bits in one word: *here*, somebody may be there, and *doubt*, a searcher found
//! it empty and is looking once more. While either is set the group is looked at.
//!
//! * Who appears writes its bit below first, then makes sure of *here*.
//! * Who finds the group empty exchanges *here* for *doubt*, which one searcher at a time can do;
//!   looks once more; if somebody is there after all sets *here* again; then ends the doubt.
//!
//! Both have a full fence between what they write and what they read. So either who appears finds
//! *here* gone and sets it, or the doubter finds the member; until then there is doubt. Hence who
//! looks after a member appeared finds its group worth a look, at any moment (loom:
//! `a_member_is_never_overlooked`). Nobody waits for anybody: a doubter that is held up only costs
//! others a look.

use crate::sync::{AtomicU64, Ordering, fence, mutate};

/// Groups that have their two bits in one word.
pub const GROUPS: usize = u64::BITS as usize / 2;

/// What a word says of one group.
pub struct Above<'a> {
    word: &'a AtomicU64,
    here: u64,
    doubt: u64,
}

impl<'a> Above<'a> {
    /// The bits of group number `index` of those that share the word, which is 0 at first.
    #[inline]
    pub fn new(word: &'a AtomicU64, index: usize) -> Self {
        let here = 1 << index;
        Self {
            word,
            here,
            doubt: here << GROUPS,
        }
    }

    /// Whether it is worth looking for members.
    #[inline]
    pub fn may_have(&self) -> bool {
        let either = self.here | mutate("doubt_unseen", self.doubt, 0);
        self.word.load(Ordering::Acquire) & either != 0
    }

    /// The caller has added a member below.
    #[inline]
    pub fn appeared(&self) {
        // Pairs with the fence of `forget`.
        if mutate("appear_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        if self.word.load(Ordering::Relaxed) & self.here == 0 {
            self.word.fetch_or(self.here, Ordering::AcqRel);
        }
    }

    /// The caller has found the group empty; `look` looks once more. Returns what that finds: 0
    /// if somebody else is in doubt already.
    pub fn forget(&self, look: impl FnOnce() -> u64) -> u64 {
        if !self.begin_doubt() {
            return 0;
        }
        // Pairs with the fence of `appeared`.
        if mutate("forget_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        let members = look();
        if mutate("doubt_ends_early", false, true) {
            self.end_doubt();
        }
        if members != 0 && mutate("forget_for_good", true, false) {
            self.word.fetch_or(self.here, Ordering::AcqRel);
        }
        self.end_doubt();
        members
    }

    /// Exchanges *here* for *doubt*, unless another searcher doubts or has forgotten the group.
    fn begin_doubt(&self) -> bool {
        let both = self.here | self.doubt;
        let relevant = mutate("doubt_shared", both, self.here);
        let doubted = |word| (word & relevant == self.here).then_some(word & !both | self.doubt);
        let (ok, ko) = (Ordering::AcqRel, Ordering::Relaxed);
        self.word.fetch_update(ok, ko, doubted).is_ok()
    }

    fn end_doubt(&self) {
        self.word.fetch_and(!self.doubt, Ordering::AcqRel);
    }
}

//! The shelf of a CPU: surplus threads that any CPU may claim.
//!
//! A slot holds a token that names a READY thread, or 0. Only the owner writes tokens, each with
//! one release store into a slot it knows to be empty; anybody claims by exchanging the very
//! token for 0 (acquire). Whoever wins holds the thread. The token carries what a claimant may
//! look at before it holds the thread: nothing behind it may be read until then.
//!
//! `key` is the urgency (smaller first), `seq` the order of publication; both only choose between
//! slots. `tid` and `generation` name the thread, so that a stale token never claims a successor.

use crate::sync::{AtomicU64, Ordering, mutate};
use crate::thread::ThreadId;

/// Slots per shelf. The models make do with two.
pub(crate) const SLOTS: usize = if cfg!(loom) { 2 } else { 8 };

const TID_BITS: u32 = 20;
const GENERATION_BITS: u32 = 24;
const SEQ_BITS: u32 = 12;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
const TID_MASK: u64 = (1 << TID_BITS) - 1;
const SEQ_MASK: u64 = (1 << SEQ_BITS) - 1;

/// One more than the largest thread number a token can carry.
pub(crate) const TID_LIMIT: u32 = 1 << TID_BITS;

/// A claimable thread, packed: key 8, seq 12, tid 20, generation 24 bits. Never 0: no tid is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Token {
    pub fn new(key: u8, seq: u16, id: ThreadId) -> Self {
        debug_assert!(id.tid != 0 && id.tid < TID_LIMIT);
        let (key, seq) = (u64::from(key), u64::from(seq) & SEQ_MASK);
        let generation = u64::from(id.generation) & GENERATION_MASK;
        let name = u64::from(id.tid) << GENERATION_BITS | generation;
        Self((key << SEQ_BITS | seq) << (TID_BITS + GENERATION_BITS) | name)
    }

    pub fn tid(self) -> u32 {
        (self.0 >> GENERATION_BITS & TID_MASK) as u32
    }

    /// Whether the token's generation is that of `id`.
    pub fn names(self, id: ThreadId) -> bool {
        self.tid() == id.tid
            && self.0 & GENERATION_MASK == u64::from(id.generation) & GENERATION_MASK
    }

    fn key(self) -> u8 {
        (self.0 >> (64 - 8)) as u8
    }

    fn seq(self) -> u64 {
        self.0 >> (TID_BITS + GENERATION_BITS) & SEQ_MASK
    }

    /// Smaller key first, then earlier publication (the sequence wraps).
    fn is_before(self, other: Token) -> bool {
        let earlier = self.seq().wrapping_sub(other.seq()) & SEQ_MASK > SEQ_MASK / 2;
        self.key() < other.key() || self.key() == other.key() && earlier
    }
}

pub(crate) struct Shelf([AtomicU64; SLOTS]);

impl Shelf {
    pub fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Offers a thread in an empty slot. Owner only; it no longer holds the thread then.
    pub fn publish(&self, slot: usize, token: Token) {
        let order = mutate("publish_relaxed", Ordering::Release, Ordering::Relaxed);
        self.0[slot].store(token.0, order);
    }

    /// Whether `token` is still there, for the owner's bookkeeping.
    pub fn holds(&self, slot: usize, token: Token) -> bool {
        self.0[slot].load(Ordering::Relaxed) == token.0
    }

    /// Takes `token` out of its slot; on success the caller holds the thread.
    #[must_use = "a claimed thread is in the caller's hands"]
    pub fn claim(&self, slot: usize, token: Token) -> bool {
        let order = mutate("claim_relaxed", Ordering::AcqRel, Ordering::Relaxed);
        if mutate("claim_by_store", false, true) {
            self.0[slot].store(0, Ordering::SeqCst);
            return true;
        }
        let claimed = self.0[slot].compare_exchange(token.0, 0, order, Ordering::Relaxed);
        claimed.is_ok()
    }

    /// How many offers there are.
    pub fn count(&self) -> usize {
        let occupied = |word: &&AtomicU64| word.load(Ordering::Relaxed) != 0;
        self.0.iter().filter(occupied).count()
    }

    /// The most urgent offer, for a thief.
    pub fn best(&self) -> Option<(usize, Token)> {
        let mut best: Option<(usize, Token)> = None;
        for (slot, word) in self.0.iter().enumerate() {
            let token = Token(word.load(Ordering::Relaxed));
            if token.0 != 0 && best.is_none_or(|(_, other)| token.is_before(other)) {
                best = Some((slot, token));
            }
        }
        best
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn id(tid: u32, generation: u32) -> ThreadId {
        ThreadId { tid, generation }
    }

    #[test]
    fn a_token_carries_its_thread() {
        let token = Token::new(255, 4095, id(TID_LIMIT - 1, 0x00ff_ffff));
        assert_eq!(token.tid(), TID_LIMIT - 1);
        assert!(token.names(id(TID_LIMIT - 1, 0x00ff_ffff)));
        assert!(!token.names(id(TID_LIMIT - 1, 1)));
    }

    #[test]
    fn urgent_then_oldest_is_best_even_when_the_sequence_wraps() {
        let shelf = Shelf::new();
        shelf.publish(0, Token::new(20, 2, id(1, 1)));
        shelf.publish(1, Token::new(20, 4090, id(2, 1)));
        shelf.publish(2, Token::new(30, 4000, id(3, 1)));
        assert_eq!(shelf.best().unwrap().1.tid(), 2);
        let (slot, token) = shelf.best().unwrap();
        assert!(shelf.claim(slot, token));
        assert!(!shelf.claim(slot, token));
        assert_eq!(shelf.best().unwrap().1.tid(), 1);
    }
}

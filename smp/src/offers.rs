//! What the owner of a shelf remembers of its offers.
//!
//! A thread on the shelf may be claimed, run and freed at any moment, so the owner must not look
//! at it. It keeps a copy of what orders threads, and learns from the slot whether it still holds.

use core::ptr;

use crate::held::Held;
use crate::shelf::{SLOTS, Shelf, Token};
use crate::thread::{Thread, ThreadId};

struct Offer {
    token: Token,
    thread: *const Thread,
    start: u64,
    deadline: u64,
    weight: u64,
    arrived_ns: u64,
}

/// The owner's copy of its shelf.
pub(crate) struct Offers {
    slots: [Option<Offer>; SLOTS],
    /// Bit n: slot n is in use, as far as the owner knows.
    occupied: u32,
    /// How many those are.
    len: usize,
    /// The sum of the weights.
    weight: u64,
    seq: u16,
}

impl Offers {
    pub fn new() -> Self {
        Self {
            slots: [const { None }; SLOTS],
            occupied: 0,
            len: 0,
            weight: 0,
            seq: 0,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.len == SLOTS
    }

    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Offers a thread; there is a free slot.
    pub fn put(&mut self, thread: Held, shelf: &Shelf) {
        let slot = self.occupied.trailing_ones() as usize;
        let (id, seq) = (thread.id(), self.seq);
        self.seq = self.seq.wrapping_add(1);
        let offer = thread.body(|body| Offer {
            token: Token::new(body.key, seq, id),
            thread: ptr::null(),
            start: body.share.start,
            deadline: body.share.deadline,
            weight: body.share.weight(),
            arrived_ns: body.arrived_ns,
        });
        let token = offer.token;
        self.occupied |= 1 << slot;
        self.len += 1;
        self.weight += offer.weight;
        let thread = thread.into_raw();
        self.slots[slot] = Some(Offer { thread, ..offer });
        shelf.publish(slot, token);
    }

    fn remove(&mut self, slot: usize) -> Option<Offer> {
        let offer = self.slots[slot].take()?;
        self.occupied &= !(1 << slot);
        self.len -= 1;
        self.weight -= offer.weight;
        Some(offer)
    }

    /// Takes an offer back, unless somebody claimed it.
    pub fn take(&mut self, slot: usize, shelf: &Shelf) -> Option<Held> {
        let offer = self.remove(slot)?;
        // SAFETY: claimed by its exact token, so the thread is alive and this CPU holds it.
        shelf
            .claim(slot, offer.token)
            .then(|| unsafe { Held::assume(offer.thread) })
    }

    /// Takes back the offer of one particular thread.
    pub fn withdraw(&mut self, id: ThreadId, shelf: &Shelf) -> Option<Held> {
        let (slot, _) = self.iter().find(|(_, offer)| offer.token.names(id))?;
        self.take(slot, shelf)
    }

    /// Takes back one that is still there and whose weight `suits`.
    pub fn take_last(&mut self, shelf: &Shelf, suits: &impl Fn(u64) -> bool) -> Option<Held> {
        let fits = |offer: &Offer| suits(offer.weight);
        (0..SLOTS).rev().find_map(|slot| {
            let fits = self.slots[slot].as_ref().is_some_and(fits);
            fits.then(|| self.take(slot, shelf)).flatten()
        })
    }

    /// Takes back the one that has been longest on this CPU of those whose weight `suits`, if not
    /// after `since_ns`.
    pub fn take_eldest(
        &mut self,
        since_ns: u64,
        shelf: &Shelf,
        suits: &impl Fn(u64) -> bool,
    ) -> Option<Held> {
        let suitable = self.iter().filter(|(_, offer)| suits(offer.weight));
        let eldest = suitable.min_by_key(|(_, offer)| offer.arrived_ns);
        let (slot, offer) = eldest?;
        (offer.arrived_ns <= since_ns).then(|| self.take(slot, shelf))?
    }

    /// Forgets offers that others claimed.
    #[inline]
    pub fn reconcile(&mut self, shelf: &Shelf) {
        let mut left = self.occupied;
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            let holds = |offer: &Offer| shelf.holds(slot, offer.token);
            if !self.slots[slot].as_ref().is_some_and(holds) {
                self.remove(slot);
            }
        }
    }

    /// The earliest deadline on offer among those whose start is not past `clock`, and its slot.
    #[inline]
    pub fn first(&self, clock: u64) -> Option<(u64, usize)> {
        let eligible = self.iter().filter(|(_, offer)| offer.start <= clock);
        eligible.map(|(slot, offer)| (offer.deadline, slot)).min()
    }

    /// The least start, and its slot.
    pub fn least(&self) -> Option<(u64, usize)> {
        self.iter().map(|(slot, offer)| (offer.start, slot)).min()
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = (usize, &Offer)> {
        let mut left = self.occupied;
        core::iter::from_fn(move || {
            let slot = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some((slot, self.slots[slot].as_ref()?))
        })
    }
}

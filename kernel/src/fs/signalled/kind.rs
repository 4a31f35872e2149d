//! What a signal tells of a file: `si_code` and `si_band` (sigaction(2)).

use crate::fs::file::PollEvents;

/// One thing to tell.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub code: i32,
    pub band: PollEvents,
}

const KINDS: [Kind; 4] = [
    Kind::new(1, PollEvents::IN.union(PollEvents::RDNORM)),
    Kind::new(2, PollEvents::OUT.union(PollEvents::WRNORM)),
    Kind::new(4, PollEvents::ERR),
    Kind::new(6, PollEvents::HUP.union(PollEvents::ERR)),
];

impl Kind {
    const fn new(code: i32, band: PollEvents) -> Self {
        Self { code, band }
    }
}

/// What `events` tell, as a bit: the first that they are counts.
pub(super) fn bit_of(events: PollEvents) -> Option<u32> {
    let found = KINDS.iter().position(|kind| events.intersects(kind.band));
    found.map(|index| 1 << index)
}

/// The kinds of such bits.
pub(super) fn kinds(bits: u32) -> impl Iterator<Item = Kind> {
    let kinds = KINDS.into_iter().enumerate();
    kinds.filter_map(move |(index, kind)| (bits & 1 << index != 0).then_some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn what_can_be_read_is_told_first() {
        let codes = |events| -> Vec<i32> {
            let bits = bit_of(events).unwrap_or(0);
            kinds(bits).map(|kind| kind.code).collect()
        };
        assert_eq!(codes(PollEvents::HUP | PollEvents::IN), [1]);
        assert_eq!(codes(PollEvents::WRNORM | PollEvents::ERR), [2]);
        assert_eq!(codes(PollEvents::HUP), [6]);
        assert_eq!(codes(PollEvents::empty()), []);
    }
}

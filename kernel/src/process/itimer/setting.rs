//! When a timer fires, as its own clock shows it.

/// When a timer fires next and how often after that; 0 is never, or once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    pub next_ns: u64,
    pub interval_ns: u64,
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Never,
    /// That long from now.
    In(u64),
    /// When the clock shows this.
    At(u64),
}

/// What somebody is told; 0 is never, or once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    pub left_ns: u64,
    pub interval_ns: u64,
}

/// A timer about to fire still has some time left.
const LEAST_LEFT_NS: u64 = 1_000;

impl Setting {
    pub fn new(first: First, interval_ns: u64, now_ns: u64) -> Self {
        let next_ns = match first {
            First::Never => return Self::default(),
            First::In(wait_ns) => now_ns.saturating_add(wait_ns),
            First::At(moment_ns) => moment_ns,
        };
        Self {
            next_ns: next_ns.max(1),
            interval_ns,
        }
    }

    /// The setting after firing at `now`, and how many periods were missed before it.
    pub fn advance(self, now_ns: u64) -> (Self, u64) {
        if self.interval_ns == 0 {
            return (Self::default(), 0);
        }
        let missed = now_ns.saturating_sub(self.next_ns) / self.interval_ns;
        let next_ns = self
            .next_ns
            .saturating_add((missed + 1).saturating_mul(self.interval_ns));
        (Self { next_ns, ..self }, missed)
    }

    /// As seen at `now_ns`: the next expiry is ahead even while a parked timer has missed some.
    pub fn at(self, now_ns: u64) -> Remaining {
        let behind = self.interval_ns != 0 && self.next_ns != 0 && self.next_ns <= now_ns;
        let Self {
            next_ns,
            interval_ns,
        } = if behind { self.advance(now_ns).0 } else { self };
        let left_ns = match next_ns {
            0 => 0,
            next => next.saturating_sub(now_ns).max(LEAST_LEFT_NS),
        };
        Remaining {
            left_ns,
            interval_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_10: Setting = Setting {
        next_ns: 100,
        interval_ns: 10,
    };
    const ONCE: Setting = Setting {
        next_ns: 100,
        interval_ns: 0,
    };

    #[test]
    fn missed_periods_are_counted_not_queued() {
        let next = |next_ns| Setting {
            next_ns,
            ..EVERY_10
        };
        assert_eq!(EVERY_10.advance(100), (next(110), 0));
        assert_eq!(EVERY_10.advance(135), (next(140), 3));
        assert_eq!(ONCE.advance(500), (Setting::default(), 0));
    }

    #[test]
    fn some_time_is_left_until_it_fires() {
        let slow = Setting {
            next_ns: 90_000,
            interval_ns: 20_000,
        };
        assert_eq!(slow.at(50_000).left_ns, 40_000);
        assert_eq!(slow.at(95_000).left_ns, 15_000, "parked");
        assert_eq!(ONCE.at(500).left_ns, LEAST_LEFT_NS);
        assert_eq!(Setting::default().at(500), Remaining::default());
    }

    #[test]
    fn a_request_is_for_a_moment_or_a_while() {
        let next = |first| Setting::new(first, 7, 1000).next_ns;
        assert_eq!(next(First::In(50)), 1050);
        assert_eq!(next(First::At(50)), 50);
        assert_eq!(next(First::At(0)), 1, "past, and not never");
        assert_eq!(Setting::new(First::Never, 7, 1000), Setting::default());
    }
}

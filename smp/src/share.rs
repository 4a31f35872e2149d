//! A thread's part of the fair class: what it has had, what it asks for, what it is owed.
//!
//! The vocabulary is that of Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First"
//! (1995), and so are the rules. Virtual time is CPU time divided by weight. A thread's `start` is
//! the virtual time of what it has been served; its request is one slice, due at `deadline`, one
//! slice in virtual time later, but for one that woke, which is due earlier. Against the virtual clock of a queue, which passes as an ideal
//! machine would serve everybody at once, it is *owed* time while `start` is not past the clock:
//! then it is eligible. The difference is its lag.

/// The unit weight, that of nice 0.
pub(crate) const UNIT: u64 = 1024;
/// Linux's weights by nice value, -20 first: each step is a quarter more or less CPU time.
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];
/// The weight of `Policy::Idle`, as in Linux.
const IDLE_WEIGHT: u32 = 3;

/// The longest slice.
pub(crate) const PERIOD_NS: u64 = 6_000_000;
const MIN_SLICE_NS: u64 = 1_000_000;
/// What lag is measured against: half the period.
pub(crate) const HALF_PERIOD_NS: u64 = PERIOD_NS / 2;

/// What a thread asks for at a time among `ready` that want to run, itself included.
pub(crate) fn slice_ns(ready: usize) -> u64 {
    const CROWD: usize = (PERIOD_NS / MIN_SLICE_NS) as usize;
    match ready {
        0 => PERIOD_NS,
        CROWD.. => MIN_SLICE_NS,
        few => PERIOD_NS / few as u64,
    }
}

pub(crate) fn weight(nice: i8, idle: bool) -> u32 {
    if idle {
        return IDLE_WEIGHT;
    }
    WEIGHTS[(nice.clamp(-20, 19) + 20) as usize]
}

/// The fair part of a thread, owned by its holder.
#[derive(Debug)]
pub(crate) struct Share {
    weight: u32,
    /// Virtual time of the service received, on the clock of the queue it is placed on.
    pub start: u64,
    /// Virtual time its request is due.
    pub deadline: u64,
    /// Virtual time its request is served: when it is due, unless that was moved.
    end: u64,
    /// Clock minus start when it was last detached: positive when it is owed time.
    pub lag: i64,
    /// It is new or has woken, and the request it came with is not served yet.
    pub woken: bool,
    /// The request it was picked for has been served; it runs on a new one.
    pub served: bool,
    /// Which tree of its line it waits in: the eligible, or the others.
    pub eligible: bool,
}

impl Share {
    pub fn new(weight: u32) -> Self {
        Self {
            weight,
            start: 0,
            deadline: 0,
            end: 0,
            lag: 0,
            woken: true,
            served: false,
            eligible: false,
        }
    }

    pub fn weight(&self) -> u64 {
        self.weight.into()
    }

    #[inline]
    pub fn virtual_ns(&self, real_ns: u64) -> u64 {
        if self.weight() == UNIT {
            return real_ns;
        }
        real_ns * UNIT / self.weight()
    }

    /// Real time until the present request is served.
    pub fn left_ns(&self) -> u64 {
        if self.weight() == UNIT {
            return self.left();
        }
        (self.left() * self.weight()).div_ceil(UNIT)
    }

    fn left(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Accounts CPU time; when the request is served the next begins.
    #[inline]
    pub fn charge(&mut self, run_ns: u64, next_slice_ns: impl FnOnce() -> u64) {
        self.start += self.virtual_ns(run_ns);
        if self.start >= self.end {
            self.end = self.start + self.virtual_ns(next_slice_ns());
            self.deadline = self.end;
            self.served = true;
            self.woken = false;
        }
    }

    /// Lets everybody due by `deadline` go first.
    pub fn step_behind(&mut self, deadline: u64) {
        self.deadline = self.deadline.max(deadline + 1);
        self.end = self.end.max(self.deadline);
    }

    /// Changes the weight: what it is owed, and the rest of its request, stay the same in real
    /// time. Detached.
    pub fn reweigh(&mut self, weight: u32) {
        let (old, new) = (self.weight(), u64::from(weight));
        self.weight = weight;
        if old != new {
            let early = self.end.wrapping_sub(self.deadline);
            self.ask(self.left() * old / new, early);
            self.lag = self.lag * old as i64 / new as i64;
        }
    }

    /// The clock it is placed on is set back.
    pub fn set_back(&mut self, by: u64) {
        self.start -= by;
        self.deadline -= by;
        self.end -= by;
    }

    /// Neither owed nor owing. Detached.
    pub fn forget(&mut self) {
        self.lag = 0;
    }

    /// Leaves a clock: remembers what it is owed there, at most two slices either way.
    pub fn detach(&mut self, clock: u64) {
        let limit = self.virtual_ns(2 * HALF_PERIOD_NS) as i64;
        let lag = clock.wrapping_sub(self.start) as i64;
        self.lag = lag.clamp(-limit, limit);
    }

    /// Placed on a clock with a new request.
    pub fn attach(&mut self, clock: u64, slice_ns: u64) {
        self.start = clock.saturating_add_signed(-self.lag);
        self.end = self.start + self.virtual_ns(slice_ns);
        self.deadline = self.end;
    }

    /// Its new request is due `early` before the clock or, if it owes, before it may begin; and before
    /// `limit`. What it is owed does not count: of those that come so the first goes first.
    pub fn hurry(&mut self, clock: u64, early: u64, limit: u64) {
        let due = self.start.max(clock) - early;
        self.deadline = due.min(limit - 1);
    }

    /// Placed on a clock with what is left of its request.
    pub fn rejoin(&mut self, clock: u64) {
        let (left, early) = (self.left(), self.end.wrapping_sub(self.deadline));
        self.start = clock.saturating_add_signed(-self.lag);
        self.ask(left, early);
    }

    /// Asks for `left` from its start, due `early` before the end of that (or after it, wrapped).
    fn ask(&mut self, left: u64, early: u64) {
        self.end = self.start + left;
        self.deadline = self.end.wrapping_sub(early);
    }

    /// The clock went on for `missed` while it slept. What it owed is paid off by that, and it may
    /// be owed up to `bonus` on top: that covers what it will use too much.
    pub fn wake(&mut self, missed: u64, bonus: u64) {
        let rested = self.lag.saturating_add_unsigned(missed);
        self.lag = rested.min(bonus as i64).max(self.lag);
        self.woken = true;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slices_shrink_with_the_load_within_bounds() {
        let slices = [0, 1, 2, 3, 6, 100].map(slice_ns);
        assert_eq!(slices, [6, 6, 3, 2, 1, 1].map(|ms| ms * 1_000_000));
    }

    #[test]
    fn a_new_weight_leaves_real_time_as_it_was() {
        let mut share = Share::new(1024);
        share.attach(1 << 40, 4_000_000);
        share.charge(1_000_000, || unreachable!("not served yet"));
        share.detach((1 << 40) + 3_000_000);
        share.reweigh(2048);
        assert_eq!((share.lag, share.left_ns()), (1_000_000, 3_000_000));
    }

    #[test]
    fn sleep_pays_debts_and_earns_a_bounded_bonus() {
        let woken = |lag, missed| {
            let mut share = Share::new(1024);
            share.lag = lag;
            share.wake(missed, 3);
            share.lag
        };
        assert_eq!([woken(-10, 4), woken(-10, 100), woken(5, 100)], [-6, 3, 5]);
    }
}

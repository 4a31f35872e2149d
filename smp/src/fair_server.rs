//! Keeps a runaway real-time thread from locking everybody out.
//!
//! Of each period of a CPU real-time threads may use a part (95 % of a second) while fair threads
//! wait there. When that is spent, the fair class goes first until the period is over, however often
//! its threads sleep in between: a conversation does not wait anew for each of its words.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How much real-time threads may use of each CPU while fair threads wait. Read by every CPU when
/// it accounts real time, so that a change counts from then on.
pub struct RealtimeLimit {
    period_ns: AtomicU64,
    /// `UNLIMITED`: no limit.
    runtime_ns: AtomicU64,
}

const UNLIMITED: u64 = u64::MAX;
/// Nobody pays for more than this or a period, whichever is longer: what seems to have run longer
/// at a time did so because the whole machine stood still.
const MAX_DEBT_NS: u64 = 1_000_000_000;
/// The longest period: about 35 minutes, as in Linux, whose microseconds are an `int`.
const MAX_PERIOD_NS: u64 = i32::MAX as u64 * 1000;

/// A limit that makes no sense: no period, or more run time than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLimit;

impl RealtimeLimit {
    pub(crate) const fn new() -> Self {
        Self {
            period_ns: AtomicU64::new(1_000_000_000),
            runtime_ns: AtomicU64::new(950_000_000),
        }
    }

    /// In nanoseconds.
    pub fn period_ns(&self) -> u64 {
        self.period_ns.load(Relaxed)
    }

    /// In nanoseconds of a period; `None`: no limit.
    pub fn runtime_ns(&self) -> Option<u64> {
        let runtime = self.runtime_ns.load(Relaxed);
        (runtime != UNLIMITED).then_some(runtime)
    }

    pub fn set_period_ns(&self, period_ns: u64) -> Result<(), BadLimit> {
        let fits = self.runtime_ns().is_none_or(|runtime| runtime <= period_ns);
        if !fits || !(1..=MAX_PERIOD_NS).contains(&period_ns) {
            return Err(BadLimit);
        }
        self.period_ns.store(period_ns, Relaxed);
        Ok(())
    }

    pub fn set_runtime_ns(&self, runtime_ns: Option<u64>) -> Result<(), BadLimit> {
        if runtime_ns.is_some_and(|runtime| runtime > self.period_ns()) {
            return Err(BadLimit);
        }
        self.runtime_ns
            .store(runtime_ns.unwrap_or(UNLIMITED), Relaxed);
        Ok(())
    }
}

/// The real-time use of one CPU in the present period, while fair threads wait.
pub(crate) struct FairServer {
    period_start_ns: u64,
    used_ns: u64,
    // The limit as it was last read.
    period_ns: u64,
    budget_ns: u64,
}

impl FairServer {
    pub fn new() -> Self {
        Self {
            period_start_ns: 0,
            used_ns: 0,
            period_ns: u64::MAX,
            budget_ns: UNLIMITED,
        }
    }

    /// Accounts time up to `now_ns`, the last `realtime_ns` of it real-time. Time during which no
    /// fair thread waited owes nothing, and takes nothing back of what is owed already.
    #[inline(always)]
    pub fn charge(
        &mut self,
        now_ns: u64,
        realtime_ns: u64,
        fair_waits: bool,
        limit: &RealtimeLimit,
    ) {
        if realtime_ns | self.used_ns != 0 {
            self.charge_used(now_ns, realtime_ns, fair_waits, limit);
        }
    }

    #[inline(never)]
    fn charge_used(
        &mut self,
        now_ns: u64,
        realtime_ns: u64,
        fair_waits: bool,
        limit: &RealtimeLimit,
    ) {
        self.period_ns = limit.period_ns();
        self.budget_ns = limit.runtime_ns().unwrap_or(UNLIMITED);
        if fair_waits {
            self.used_ns += realtime_ns;
        } else if realtime_ns > 0 && !self.is_spent() {
            self.begin_period(now_ns, u64::MAX);
        }
        let periods = now_ns.saturating_sub(self.period_start_ns) / self.period_ns;
        if periods > 0 {
            self.begin_period(now_ns, self.budget_ns.saturating_mul(periods));
        }
    }

    /// What was used beyond `granted_ns` counts in the new period too: a period may be shorter than
    /// the time between two looks.
    fn begin_period(&mut self, now_ns: u64, granted_ns: u64) {
        self.period_start_ns = now_ns;
        // No budget is used up from the start, and not forgotten: each period has its end.
        let least = u64::from(self.budget_ns == 0);
        let most = self.period_ns.max(MAX_DEBT_NS);
        self.used_ns = self.used_ns.saturating_sub(granted_ns).clamp(least, most);
    }

    /// Whether the fair class goes first, if it has anybody.
    pub fn is_spent(&self) -> bool {
        self.used_ns >= self.budget_ns
    }

    /// When the answer of [`is_spent`](Self::is_spent) changes if the present class goes on.
    pub fn next_change_ns(&self, now_ns: u64) -> u64 {
        match self.is_spent() {
            true => self.period_start_ns.saturating_add(self.period_ns),
            false => now_ns.saturating_add(self.budget_ns - self.used_ns),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn senseless_limits_are_refused() {
        let limit = RealtimeLimit::new();
        assert_eq!(limit.set_runtime_ns(Some(1_000_000_001)), Err(BadLimit));
        assert_eq!(limit.set_period_ns(949_999_999), Err(BadLimit));
        assert_eq!(limit.set_runtime_ns(None), Ok(()));
        assert_eq!(limit.set_period_ns(0), Err(BadLimit));
        assert_eq!(limit.set_period_ns(1), Ok(()));
        assert_eq!((limit.period_ns(), limit.runtime_ns()), (1, None));
    }

    #[test]
    fn no_budget_is_always_spent_and_a_new_one_is_heard_of() {
        let (limit, mut server) = (RealtimeLimit::new(), FairServer::new());
        limit.set_runtime_ns(Some(0)).unwrap();
        server.charge(1 << 40, 1, false, &limit);
        for now in [2 << 40, 3 << 40] {
            server.charge(now, 0, true, &limit);
            assert!(server.is_spent() && server.next_change_ns(now) > now);
        }
        limit.set_runtime_ns(Some(1000)).unwrap();
        server.charge(4 << 40, 0, true, &limit);
        assert!(!server.is_spent());
    }

    #[test]
    fn a_pause_of_the_machine_costs_real_time_no_more_than_a_period() {
        let second = 1_000_000_000;
        let (limit, mut server) = (RealtimeLimit::new(), FairServer::new());
        let paused = 3600 * second;
        server.charge(paused, paused, true, &limit);
        assert!(server.is_spent());
        server.charge(paused + 2 * second, 0, true, &limit);
        assert!(!server.is_spent());
    }

    #[test]
    fn who_sleeps_while_owed_time_goes_first_again_when_it_wakes() {
        const MS: u64 = 1_000_000;
        let (limit, mut server) = (RealtimeLimit::new(), FairServer::new());
        let start = 5_000 * MS;
        server.charge(start, 5_000 * MS, false, &limit);
        server.charge(start + 940 * MS, 940 * MS, true, &limit);
        assert!(!server.is_spent());
        server.charge(start + 950 * MS, 10 * MS, true, &limit);
        assert!(server.is_spent(), "it is a fair thread's turn");
        server.charge(start + 970 * MS, 15 * MS, false, &limit);
        assert!(server.is_spent(), "it slept, and wakes");
        server.charge(start + 1_001 * MS, 20 * MS, false, &limit);
        assert!(!server.is_spent(), "the period is over");
        let owed = 900 * MS;
        server.charge(start + 1_901 * MS, owed, true, &limit);
        assert!(!server.is_spent(), "nothing is owed of the time before");
    }

    #[test]
    fn who_did_not_wait_long_is_owed_nothing_by_the_next() {
        const MS: u64 = 1_000_000;
        let (limit, mut server) = (RealtimeLimit::new(), FairServer::new());
        let start = 5_000 * MS;
        server.charge(start, MS, false, &limit);
        server.charge(start + 500 * MS, 500 * MS, true, &limit);
        server.charge(start + 600 * MS, 100 * MS, false, &limit);
        server.charge(start + 1_500 * MS, 900 * MS, true, &limit);
        assert!(!server.is_spent());
    }

    #[test]
    fn no_limit_is_never_spent() {
        let (limit, mut server) = (RealtimeLimit::new(), FairServer::new());
        limit.set_runtime_ns(None).unwrap();
        server.charge(1 << 40, 1 << 39, true, &limit);
        assert!(!server.is_spent());
        assert_eq!(server.next_change_ns(5), u64::MAX);
    }
}

//! Keeps a runaway real-time thread from locking everybody out.
//!
//! Real-time threads may use 95 % of each second of a CPU while fair threads wait there. When
//! that is spent, the fair class goes first until the second is over.

const WINDOW_NS: u64 = 1_000_000_000;
const BUDGET_NS: u64 = WINDOW_NS / 100 * 95;

/// The real-time use of one CPU in the present second, while fair threads wait.
#[derive(Default)]
pub(crate) struct FairServer {
    window_start_ns: u64,
    used_ns: u64,
}

impl FairServer {
    /// Accounts time up to `now_ns`, the last `realtime_ns` of it real-time. Time during which no
    /// fair thread waited owes nothing.
    pub fn charge(&mut self, now_ns: u64, realtime_ns: u64, fair_waits: bool) {
        self.used_ns += realtime_ns;
        let over = now_ns.saturating_sub(self.window_start_ns) >= WINDOW_NS;
        if over || !fair_waits && realtime_ns > 0 {
            self.window_start_ns = now_ns;
            self.used_ns = 0;
        }
    }

    /// Whether the fair class goes first, if it has anybody.
    pub fn is_spent(&self) -> bool {
        self.used_ns >= BUDGET_NS
    }

    /// When the answer of [`is_spent`](Self::is_spent) changes if the present class goes on.
    pub fn next_change_ns(&self, now_ns: u64) -> u64 {
        match self.is_spent() {
            true => self.window_start_ns + WINDOW_NS,
            false => now_ns + (BUDGET_NS - self.used_ns),
        }
    }
}

//! `/proc/loadavg`: exponentially decaying averages over 1, 5 and 15 minutes.
//!
//! Nothing ticks while the machine is idle, so the averages are brought up to date when somebody
//! looks: between two looks the load counts as constant, the busy time of all CPUs over the time
//! passed plus the threads that wait for a CPU now. The numbers are Linux's (kernel/sched/loadavg.c
//! describes them): fixed point with 11 bits, one step each 5 seconds.

use super::machine::{online_stats, thread_counts};
use crate::error::Result;
use crate::process;
use crate::time::{NANOSECONDS, monotonic_ns};
use alloc::format;
use alloc::string::String;
use smp::SpinLock;

const BITS: u32 = 11;
const ONE: u64 = 1 << BITS;
const STEP_NS: u64 = 5 * NANOSECONDS;
/// exp(-5 s / 1, 5, 15 min) in fixed point.
const DECAY: [u64; 3] = [1884, 2014, 2037];

struct Averages {
    at_ns: u64,
    busy_ns: u64,
    values: [u64; 3],
}

static AVERAGES: SpinLock<Averages> = SpinLock::new(Averages {
    at_ns: 0,
    busy_ns: 0,
    values: [0; 3],
});

impl Averages {
    /// Goes on to `now_ns`, when the CPUs have been busy for `busy_ns` in all and `ready` wait.
    fn advance(&mut self, now_ns: u64, busy_ns: u64, ready: u64) {
        let steps = now_ns.saturating_sub(self.at_ns) / STEP_NS;
        if steps == 0 {
            return;
        }
        let passed = now_ns - self.at_ns;
        let busy = busy_ns.saturating_sub(self.busy_ns);
        let load = (u128::from(busy) * u128::from(ONE) / u128::from(passed)) as u64 + ready * ONE;
        for (value, decay) in self.values.iter_mut().zip(DECAY) {
            let kept = power(decay, steps);
            *value = (*value * kept + load * (ONE - kept)) >> BITS;
        }
        (self.at_ns, self.busy_ns) = (now_ns, busy_ns);
    }
}

/// `base` to the power of `exponent`, both results and base in fixed point.
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = ONE;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = (result * base) >> BITS;
        }
        base = (base * base) >> BITS;
        exponent >>= 1;
    }
    result
}

/// The averages over 1, 5 and 15 minutes with `BITS` bits of fraction, up to now.
fn averages() -> [u64; 3] {
    let stats = online_stats();
    let busy = stats.iter().map(|(_, stats)| stats.busy_ns()).sum();
    let ready = stats
        .iter()
        .map(|(_, stats)| u64::from(stats.nr_ready))
        .sum();
    let mut averages = AVERAGES.lock();
    averages.advance(monotonic_ns(), busy, ready);
    averages.values
}

/// As sysinfo(2) has them, with 16 bits of fraction (`SI_LOAD_SHIFT`).
pub fn for_sysinfo() -> [u64; 3] {
    averages().map(|value| value << (16 - BITS))
}

pub fn loadavg() -> Result<String> {
    let [one, five, fifteen] =
        averages().map(|value| format!("{}.{:02}", value >> BITS, (value % ONE) * 100 / ONE));
    let (running, all) = thread_counts();
    let last = process::processes()
        .last()
        .map_or(0, |process| process.pid());
    Ok(format!("{one} {five} {fifteen} {running}/{all} {last}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_load_is_approached_and_decays() {
        let mut averages = Averages {
            at_ns: 0,
            busy_ns: 0,
            values: [0; 3],
        };
        let minute = 60 * NANOSECONDS;
        // Two CPUs busy for ten minutes, looked at once a minute.
        for at in 1..=10 {
            averages.advance(at * minute, 2 * at * minute, 0);
        }
        let [one, five, fifteen] = averages.values.map(|value| value as f64 / ONE as f64);
        assert!((1.97..=2.0).contains(&one), "{one}");
        assert!((1.6..1.8).contains(&five), "{five}");
        assert!((0.9..1.1).contains(&fifteen), "{fifteen}");
        averages.advance(70 * minute, 20 * minute, 0);
        assert!(averages.values[0] < ONE / 50);
    }
}

//! What each CPU has done so far, and the difference between two looks at it.
//!
//! Times come from /proc/stat, or exact to the nanosecond from /proc/weft/cpus where the
//! kernel has that; the scheduler's counters come from there only, and on other kernels they
//! are absent rather than zero.

use crate::json::Object;
use crate::records::Record;
use std::time::Instant;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cpu {
    pub number: usize,
    pub user_ns: u64,
    pub system_ns: u64,
    pub irq_ns: u64,
    pub idle_ns: u64,
    pub scheduler: Option<Scheduler>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scheduler {
    pub ready: u64,
    pub current: Option<u32>,
    pub switches: u64,
    pub steals: u64,
    pub migrations: u64,
    pub ipis: u64,
}

#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Instant,
    pub cpus: Vec<Cpu>,
}

impl Sample {
    pub fn take() -> Result<Self, String> {
        let at = Instant::now();
        if let Ok(text) = std::fs::read_to_string("/proc/weft/cpus") {
            return Ok(Self {
                at,
                cpus: text.lines().filter_map(own_line).collect(),
            });
        }
        let text = std::fs::read_to_string("/proc/stat")
            .map_err(|error| format!("/proc/stat: {error}"))?;
        Ok(Self {
            at,
            cpus: text.lines().filter_map(stat_line).collect(),
        })
    }
}

/// A line of /proc/weft/cpus; CPUs that are offline are left out.
fn own_line(line: &str) -> Option<Cpu> {
    let record = Record::parse(line);
    let count = |key| record.number(key).unwrap_or(0);
    if record.text("online") == Some("0") {
        return None;
    }
    Some(Cpu {
        number: record.number("cpu")?,
        user_ns: count("user_ns"),
        system_ns: count("system_ns"),
        irq_ns: count("irq_ns"),
        idle_ns: count("idle_ns"),
        scheduler: Some(Scheduler {
            ready: count("ready"),
            current: record.number("current"),
            switches: record
                .number("switches")
                .unwrap_or(count("voluntary") + count("involuntary")),
            steals: count("steals"),
            migrations: count("migrations"),
            ipis: count("ipis_received"),
        }),
    })
}

/// `cpu0 user nice system idle iowait irq softirq steal ...` in clock ticks (proc_stat(5)).
fn stat_line(line: &str) -> Option<Cpu> {
    let mut words = line.strip_prefix("cpu")?.split_whitespace();
    let number = words
        .next()
        .filter(|_| !line.starts_with("cpu "))?
        .parse()
        .ok()?;
    let ticks: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    let time = |fields: &[usize]| {
        fields
            .iter()
            .filter_map(|&field| ticks.get(field))
            .sum::<u64>()
            * tick_ns()
    };
    Some(Cpu {
        number,
        user_ns: time(&[0, 1]),
        system_ns: time(&[2, 7]),
        irq_ns: time(&[5, 6]),
        idle_ns: time(&[3, 4]),
        scheduler: None,
    })
}

fn tick_ns() -> u64 {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .unwrap_or(100);
    1_000_000_000 / ticks.max(1) as u64
}

/// One CPU between two samples: parts of the time, and events per second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    pub number: usize,
    pub user: f64,
    pub system: f64,
    pub irq: f64,
    pub rates: Option<Rates>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    pub ready: u64,
    pub current: Option<u32>,
    pub switches: f64,
    pub steals: f64,
    pub migrations: f64,
    pub ipis: f64,
}

impl Interval {
    pub fn busy(&self) -> f64 {
        self.user + self.system + self.irq
    }

    pub fn json(&self) -> Object {
        let part = |value: f64| format!("{value:.4}");
        let object = Object::default()
            .raw("cpu", self.number)
            .raw("user", part(self.user))
            .raw("system", part(self.system))
            .raw("irq", part(self.irq))
            .raw("idle", part(1.0 - self.busy()));
        let Some(rates) = &self.rates else {
            return object;
        };
        let object = match rates.current {
            Some(thread) => object.raw("current", thread),
            None => object.raw("current", "null"),
        };
        object
            .raw("ready", rates.ready)
            .raw("switches_per_s", format!("{:.1}", rates.switches))
            .raw("steals_per_s", format!("{:.1}", rates.steals))
            .raw("migrations_per_s", format!("{:.1}", rates.migrations))
            .raw("ipis_per_s", format!("{:.1}", rates.ipis))
    }
}

pub fn between(old: &Sample, new: &Sample) -> Vec<Interval> {
    let seconds = new.at.duration_since(old.at).as_secs_f64().max(1e-9);
    let pairs = new
        .cpus
        .iter()
        .filter_map(|cpu| Some((old.cpus.iter().find(|was| was.number == cpu.number)?, cpu)));
    pairs.map(|(was, is)| interval(was, is, seconds)).collect()
}

fn interval(was: &Cpu, is: &Cpu, seconds: f64) -> Interval {
    let grown = |pick: fn(&Cpu) -> u64| pick(is).saturating_sub(pick(was)) as f64;
    let (user, system) = (grown(|cpu| cpu.user_ns), grown(|cpu| cpu.system_ns));
    let (irq, idle) = (grown(|cpu| cpu.irq_ns), grown(|cpu| cpu.idle_ns));
    let all = (user + system + irq + idle).max(1.0);
    let rates = is
        .scheduler
        .as_ref()
        .zip(was.scheduler.as_ref())
        .map(|(is, was)| {
            let rate =
                |pick: fn(&Scheduler) -> u64| pick(is).saturating_sub(pick(was)) as f64 / seconds;
            Rates {
                ready: is.ready,
                current: is.current,
                switches: rate(|counts| counts.switches),
                steals: rate(|counts| counts.steals),
                migrations: rate(|counts| counts.migrations),
                ipis: rate(|counts| counts.ipis),
            }
        });
    Interval {
        number: is.number,
        user: user / all,
        system: system / all,
        irq: irq / all,
        rates,
    }
}

/// The whole machine as one JSON object.
pub fn json(intervals: &[Interval]) -> Object {
    Object::default().list("cpus", intervals.iter().map(Interval::json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn linux_counts_ticks() {
        let cpu = stat_line("cpu3 100 10 50 700 40 5 5 0 0 0").unwrap();
        assert_eq!((cpu.number, cpu.scheduler.is_none()), (3, true));
        assert_eq!(cpu.user_ns / tick_ns(), 110);
        assert_eq!(cpu.idle_ns / tick_ns(), 740);
        assert!(stat_line("cpu  100 10 50 700 40 5 5 0 0 0").is_none());
    }

    #[test]
    fn an_interval_is_parts_and_rates() {
        let line = "cpu=1 online=1 user_ns=0 system_ns=0 irq_ns=0 idle_ns=0 switches=0 ipis_received=0 ready=0 current=-";
        let later = "cpu=1 online=1 user_ns=600 system_ns=200 irq_ns=0 idle_ns=200 switches=50 ipis_received=4 ready=2 current=7";
        let at = Instant::now();
        let old = Sample {
            at,
            cpus: vec![own_line(line).unwrap()],
        };
        let new = Sample {
            at: at + Duration::from_secs(2),
            cpus: vec![own_line(later).unwrap()],
        };
        let found = &between(&old, &new)[0];
        assert_eq!((found.user, found.system, found.busy()), (0.6, 0.2, 0.8));
        let rates = found.rates.as_ref().unwrap();
        assert_eq!(
            (rates.switches, rates.ipis, rates.ready, rates.current),
            (25.0, 2.0, 2, Some(7))
        );
    }
}

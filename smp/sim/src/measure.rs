//! What is written down while a machine runs.

use crate::hardware::Counts;
use crate::histogram::Histogram;
use crate::policy::Task;

pub struct Measure {
    pub since_ns: u64,
    /// From a wake until the thread's first instruction.
    pub delay: Histogram,
    /// All the time a thread was ready and did not run, from its wake until it slept again.
    pub waiting: Histogram,
    /// CPU time for which a CPU ran nothing while a thread it might have run was ready.
    pub wasted_ns: u64,
    /// By distance: within the cluster, the node, to another node.
    pub moves: [u64; 3],
    /// Threads that went to sleep.
    pub done: u64,
    pub busy_ns: Vec<u64>,
    /// Only `delay` of threads up to this number is kept; 0: of all.
    pub only_up_to: Task,
    /// CPU time of thread n.
    pub run_ns: Vec<u64>,
    pub film: Option<Film>,
    counts: Counts,
}

/// The machine over time: what each CPU did in each interval, and how long threads waited.
#[derive(Clone)]
pub struct Film {
    pub interval_ns: u64,
    /// `busy_ns[cpu][interval]`
    pub busy_ns: Vec<Vec<u64>>,
    pub delay: Vec<Histogram>,
}

impl Measure {
    pub fn new(cpus: usize) -> Self {
        Self {
            since_ns: 0,
            delay: Histogram::default(),
            waiting: Histogram::default(),
            wasted_ns: 0,
            moves: [0; 3],
            done: 0,
            busy_ns: vec![0; cpus],
            only_up_to: 0,
            run_ns: Vec::new(),
            film: None,
            counts: Counts::default(),
        }
    }

    /// Begins anew, at `now`.
    pub fn restart(&mut self, now: u64, counts: Counts) {
        let (film, only_up_to) = (self.film.take(), self.only_up_to);
        *self = Self::new(self.busy_ns.len());
        (self.since_ns, self.counts, self.film) = (now, counts, film);
        self.only_up_to = only_up_to;
    }

    /// Films `intervals` intervals from time 0 on.
    pub fn record(&mut self, interval_ns: u64, intervals: usize) {
        self.film = Some(Film {
            interval_ns,
            busy_ns: vec![vec![0; intervals]; self.busy_ns.len()],
            delay: vec![Histogram::default(); intervals],
        });
    }

    /// What happened since the restart, of what has happened until now.
    pub fn counts(&self, now: Counts) -> Counts {
        Counts {
            ipis: now.ipis - self.counts.ipis,
            probes: now.probes - self.counts.probes,
            looks: now.looks - self.counts.looks,
            steals: now.steals - self.counts.steals,
            switches: now.switches - self.counts.switches,
            left: now.left - self.counts.left,
        }
    }

    pub(crate) fn waste(&mut self, ns: u64) {
        self.wasted_ns += ns;
    }

    /// A thread woken at `woken_at` runs for the first time since.
    pub(crate) fn first_run(&mut self, task: Task, woken_at: u64, waited: u64) {
        if woken_at < self.since_ns || self.only_up_to != 0 && task > self.only_up_to {
            return;
        }
        self.delay.add(waited);
        if let Some(film) = &mut self.film {
            let interval = (woken_at / film.interval_ns) as usize;
            if let Some(delay) = film.delay.get_mut(interval) {
                delay.add(waited);
            }
        }
    }

    /// A thread sleeps or ends after having waited so long in all.
    pub(crate) fn done(&mut self, waited: u64, _now: u64) {
        self.waiting.add(waited);
        self.done += 1;
    }

    pub(crate) fn ran(&mut self, cpu: usize, task: Task, from: u64, until: u64) {
        self.busy_ns[cpu] += until - from.max(self.since_ns).min(until);
        let slot = task as usize;
        if self.run_ns.len() <= slot {
            self.run_ns.resize(slot + 1, 0);
        }
        self.run_ns[slot] += until - from;
        if let Some(film) = &mut self.film {
            film.ran(cpu, from, until);
        }
    }

    /// Jain's index of the CPU times of threads 1 to `threads`: 1 is perfectly fair.
    pub fn jain(&self, threads: usize) -> f64 {
        let time = |task| self.run_ns.get(task).copied().unwrap_or(0) as f64;
        let (sum, squares) = (1..=threads).fold((0.0, 0.0), |(sum, squares), task| {
            (sum + time(task), squares + time(task) * time(task))
        });
        sum * sum / (threads as f64 * squares)
    }
}

impl Film {
    fn ran(&mut self, cpu: usize, mut from: u64, until: u64) {
        while from < until {
            let interval = (from / self.interval_ns) as usize;
            let end = until.min((interval as u64 + 1) * self.interval_ns);
            if let Some(busy) = self.busy_ns[cpu].get_mut(interval) {
                *busy += end - from;
            }
            from = end;
        }
    }
}

//! Wasted-core time: how long CPUs were idle while threads were ready.

use crate::trace::Happening;
use std::collections::{BTreeMap, BTreeSet};
use trace_format::{Event, Left};

/// A wake bears the time at which its CPU entered the scheduler, so it may seem to come before the
/// woken has left its own CPU.
const SKEW_NS: u64 = 10_000;

const IDLE: u32 = 0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waste {
    /// The sum of all CPUs'.
    pub total_ns: u64,
    /// The longest time without a moment at which no CPU was wasted.
    pub longest_ns: u64,
    /// The part of the total in which no interrupt was on its way that would end it.
    pub unattended_ns: u64,
}

#[derive(Default)]
struct Machine {
    /// What each CPU runs.
    running: BTreeMap<u32, u32>,
    ready: BTreeSet<u32>,
    /// Wakes of threads that run, by their time.
    early: BTreeMap<u32, u64>,
    /// CPUs that an interrupt was sent to, and that have not begun to serve it.
    called: BTreeSet<u32>,
}

impl Machine {
    /// Before the first of `happenings`: a CPU runs what its first switch leaves, and one that does
    /// not switch is idle.
    fn before(happenings: &[Happening], cpus: &[usize]) -> Self {
        let mut running: BTreeMap<u32, u32> = cpus.iter().map(|&cpu| (cpu as u32, IDLE)).collect();
        for happening in happenings.iter().rev() {
            if let Event::Switch { from, .. } = happening.event {
                running.insert(happening.cpu, from);
            }
        }
        Self {
            running,
            ..Self::default()
        }
    }

    fn idle(&self) -> impl Iterator<Item = u32> {
        let idle = self.running.iter().filter(|&(_, &tid)| tid == IDLE);
        idle.map(|(&cpu, _)| cpu)
    }

    /// As many idle CPUs as there are ready threads: one that is just being woken for such a
    /// thread counts as well.
    fn wasted(&self) -> usize {
        self.idle().count().min(self.ready.len())
    }

    /// Those of them for which no interrupt is on its way.
    fn unattended(&self) -> usize {
        let called = self.idle().filter(|cpu| self.called.contains(cpu));
        self.wasted().saturating_sub(called.count())
    }

    fn runs(&self, tid: u32) -> bool {
        self.running.values().any(|&running| running == tid)
    }

    fn take(&mut self, happening: Happening) {
        let Happening { ns, cpu, event } = happening;
        match event {
            Event::IpiSent { target, .. } => drop(self.called.insert(target)),
            Event::IrqEnter { .. } => drop(self.called.remove(&cpu)),
            Event::Wake { tid, .. } if self.runs(tid) => drop(self.early.insert(tid, ns)),
            Event::Wake { tid, .. } => drop(self.ready.insert(tid)),
            Event::Switch { from, to, left } => {
                self.running.insert(cpu, to);
                self.ready.remove(&to);
                let was_woken = self.early.remove(&from).is_some_and(|at| ns - at < SKEW_NS);
                let waits = match left {
                    Left::Yielded | Left::Preempted => true,
                    Left::Parked => was_woken,
                    Left::Ended | Left::Idle => false,
                };
                if waits && from != IDLE && !self.runs(from) {
                    self.ready.insert(from);
                }
            }
            _ => {}
        }
    }
}

/// What was wasted of `cpus` in `happenings`, which are in order of time.
pub fn waste(happenings: &[Happening], cpus: &[usize]) -> Waste {
    let mut machine = Machine::before(happenings, cpus);
    let (mut waste, mut episode_ns) = (Waste::default(), 0);
    for pair in happenings.windows(2) {
        machine.take(pair[0]);
        let (wasted, lasts_ns) = (machine.wasted(), pair[1].ns - pair[0].ns);
        waste.total_ns += wasted as u64 * lasts_ns;
        waste.unattended_ns += machine.unattended() as u64 * lasts_ns;
        episode_ns = match wasted {
            0 if lasts_ns > 0 => 0,
            0 => episode_ns,
            _ => episode_ns + lasts_ns,
        };
        waste.longest_ns = waste.longest_ns.max(episode_ns);
    }
    waste
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64, cpu: u32, event: Event) -> Happening {
        Happening { ns, cpu, event }
    }

    fn switch(from: u32, to: u32, left: Left) -> Event {
        Event::Switch { from, to, left }
    }

    const WAKE_7: Event = Event::Wake { tid: 7, target: 0 };

    #[test]
    fn an_idle_cpu_is_wasted_while_a_thread_is_ready() {
        let happenings = [
            at(100, 0, switch(0, 5, Left::Idle)),
            at(100, 1, switch(6, 0, Left::Parked)),
            at(200, 0, WAKE_7),
            at(230, 1, switch(0, 7, Left::Idle)),
            at(300, 0, WAKE_7),
            at(400, 0, switch(5, 6, Left::Preempted)),
            at(420, 1, switch(7, 0, Left::Ended)),
            at(470, 1, switch(0, 5, Left::Idle)),
            at(900, 1, WAKE_7),
        ];
        let expected = Waste {
            total_ns: 30 + 50,
            longest_ns: 50,
            unattended_ns: 30 + 50,
        };
        assert_eq!(waste(&happenings, &[0, 1]), expected);
    }

    #[test]
    fn an_interrupt_on_its_way_attends_to_one_cpu() {
        let sent = |target| Event::IpiSent { target, bits: 0 };
        let wake_8 = Event::Wake { tid: 8, target: 2 };
        let happenings = [
            at(100, 0, switch(0, 5, Left::Idle)),
            at(200, 0, WAKE_7),
            at(203, 0, sent(1)),
            at(210, 2, sent(0)),
            at(250, 0, wake_8),
            at(290, 1, Event::IrqEnter { intid: 0 }),
            at(295, 1, switch(0, 7, Left::Idle)),
            at(300, 2, switch(0, 8, Left::Idle)),
        ];
        let expected = Waste {
            total_ns: 50 + 2 * 45 + 5,
            longest_ns: 100,
            unattended_ns: 3 + 40 + 2 * 5 + 5,
        };
        assert_eq!(waste(&happenings, &[0, 1, 2]), expected);
    }

    #[test]
    fn ready_threads_waste_nothing_while_all_cpus_are_busy() {
        let happenings = [
            at(100, 0, switch(0, 5, Left::Idle)),
            at(200, 0, WAKE_7),
            at(900, 0, switch(5, 7, Left::Parked)),
            at(950, 0, switch(7, 0, Left::Parked)),
            at(990, 0, WAKE_7),
        ];
        assert_eq!(waste(&happenings, &[0]), Waste::default());
    }

    #[test]
    fn a_cpu_that_never_switches_is_idle() {
        let happenings = [
            at(100, 0, switch(5, 6, Left::Preempted)),
            at(400, 0, switch(6, 5, Left::Preempted)),
            at(900, 0, switch(5, 6, Left::Preempted)),
        ];
        let all = Waste {
            total_ns: 800,
            longest_ns: 800,
            unattended_ns: 800,
        };
        assert_eq!(waste(&happenings, &[0, 1]), all);
        assert_eq!(waste(&happenings, &[0]), Waste::default());
    }

    #[test]
    fn a_wake_that_overtakes_the_park_counts() {
        let early = |ns| {
            [
                at(100, 0, switch(0, 7, Left::Idle)),
                at(ns, 1, WAKE_7),
                at(100_000, 0, switch(7, 0, Left::Parked)),
                at(100_300, 0, switch(0, 7, Left::Idle)),
            ]
        };
        assert_eq!(waste(&early(99_000), &[0]).total_ns, 300);
        assert_eq!(
            waste(&early(200), &[0]).total_ns,
            0,
            "that one had found it running"
        );
    }
}

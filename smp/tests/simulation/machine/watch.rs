//! What the machine sees to after every event: nobody runs twice or where it may not, no storms of
//! timers; and what it notes: waste, and inversions of priority.

use smp::{CpuId, CpuSet, Runtime};

use super::{IPI_LATENCY_NS, Machine};

impl Machine {
    pub(super) fn check(&mut self) {
        let now = self.now();
        let mut seen = std::collections::BTreeSet::new();
        for (cpu, state) in self.cpus.iter().enumerate() {
            if state.running == 0 {
                continue;
            }
            assert!(
                seen.insert(state.running),
                "thread {} runs twice",
                state.running
            );
            let thread = self.sched.find_thread(state.running).expect("it runs");
            let moved = self.moved_at.get(&state.running).copied().unwrap_or(0);
            let allowed = thread.affinity().contains(CpuId::new(cpu));
            assert!(
                allowed || now <= moved + 2 * IPI_LATENCY_NS,
                "affinity breached"
            );
        }
    }

    /// A timer that is set for a time that has passed, again and again, leaves a real CPU no time
    /// for anything else.
    pub(super) fn check_timer(&mut self, cpu: usize) {
        const HARDLY_ANY_NS: u64 = 100;
        let now = self.now();
        let (last, in_a_row) = self.cpus[cpu].timer;
        let storm = now - last < HARDLY_ANY_NS;
        self.cpus[cpu].timer = (now, if storm { in_a_row + 1 } else { 0 });
        assert!(in_a_row < 100, "a storm of timer interrupts on CPU {cpu}");
    }

    /// Notes real-time threads that wait while a CPU they may use runs something less urgent.
    pub(super) fn note_inversions(&mut self, until: u64) {
        if !self.watch_inversions {
            return;
        }
        let now = self.now();
        let running: Vec<(CpuId, u8)> = (0..self.cpus.len())
            .map(|cpu| {
                let thread = self.sched.find_thread(self.cpus[cpu].running);
                let priority = thread.map_or(0, |thread| thread.params().priority());
                (CpuId::new(cpu), priority)
            })
            .collect();
        for thread in self.sched.threads() {
            let (priority, affinity) = (thread.params().priority(), thread.affinity());
            let better =
                |&(cpu, running): &(CpuId, u8)| running < priority && affinity.contains(cpu);
            if thread.phase() == smp::Phase::Ready && running.iter().any(better) {
                let since = *self.inverted_since.entry(thread.tid()).or_insert(now);
                self.worst_inversion_ns = self.worst_inversion_ns.max(until - since);
            } else {
                self.inverted_since.remove(&thread.tid());
            }
        }
    }

    /// Accounts the time up to `until` if a CPU waits while a ready thread may run there.
    pub(super) fn note_waste(&mut self, until: u64) {
        let now = self.now();
        let waiting: CpuSet = (0..self.cpus.len())
            .filter(|&cpu| {
                self.cpus[cpu].waiting && self.sched.platform().lines(cpu).ipi_at.is_none()
            })
            .map(CpuId::new)
            .collect();
        let wasted = !waiting.is_empty()
            && self.sched.threads().any(|thread| {
                thread.phase() == smp::Phase::Ready && thread.affinity().intersects(&waiting)
            });
        if !wasted {
            self.waste_since = None;
            return;
        }
        let since = *self.waste_since.get_or_insert(now);
        self.wasted_ns += until - now;
        self.worst_waste_ns = self.worst_waste_ns.max(until - since);
    }
}

//! A simulated machine: virtual time, interrupts with a latency, threads that are scripts.
//!
//! It drives the real scheduler from one host thread and is deterministic. After every event it
//! checks that no thread runs twice and that nobody runs where it may not.
//!
//! The simulator (`smp/sim`) has a machine of its own on purpose. That one knows threads by number
//! only, through what all policies have in common (start, wake, park, yield, exit), and everything
//! costs time. Here tests turn the scheduler's own knobs, which no other policy has (affinity,
//! parameters, CPUs off and on), and nothing costs any, so that what is expected is exact.

mod platform;
mod requests;
mod script;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use smp::{CpuId, Runtime, Scheduler, ThreadRef, ThreadSpec, Topology};

use platform::{IPI_LATENCY_NS, SimPlatform};
use script::Script;

pub use script::Step;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;

#[derive(Default)]
struct SimCpu {
    running: u32,
    charged_at: u64,
    waiting: bool,
    off: bool,
    /// When the timer came last, and how often in a row with hardly any time between.
    timer: (u64, u32),
}

pub struct Machine {
    pub sched: Scheduler<SimPlatform>,
    cpus: Vec<SimCpu>,
    scripts: BTreeMap<u32, Script>,
    /// Threads whose affinity changed lately may be caught where they were until the IPI lands.
    moved_at: BTreeMap<u32, u64>,
    /// First time each thread ran.
    pub first_run: BTreeMap<u32, u64>,
    /// CPU time wasted: a CPU waits while a thread that could run there waits elsewhere.
    pub wasted_ns: u64,
    pub worst_waste_ns: u64,
    waste_since: Option<u64>,
    /// The longest a real-time thread waited while a CPU it may use ran something less urgent.
    pub worst_inversion_ns: u64,
    /// Whether inversions are looked for at all: it takes long.
    pub watch_inversions: bool,
    inverted_since: BTreeMap<u32, u64>,
    pub finished: usize,
    pub spawned: VecDeque<u32>,
}

impl Machine {
    pub fn new(cpus: usize, per_cluster: usize) -> Self {
        Self::with_topology(Topology::uniform(cpus, per_cluster))
    }

    pub fn with_topology(topology: Topology) -> Self {
        let cpus = topology.cpu_count();
        let platform = SimPlatform {
            topology,
            here: AtomicUsize::new(0),
            now: AtomicU64::new(1_000),
            lines: (0..cpus).map(|_| Mutex::default()).collect(),
            chaos: AtomicU64::new(0),
        };
        let mut machine = Self {
            sched: Scheduler::new(platform),
            cpus: (0..cpus).map(|_| SimCpu::default()).collect(),
            scripts: BTreeMap::new(),
            moved_at: BTreeMap::new(),
            first_run: BTreeMap::new(),
            wasted_ns: 0,
            worst_waste_ns: 0,
            waste_since: None,
            worst_inversion_ns: 0,
            watch_inversions: false,
            inverted_since: BTreeMap::new(),
            finished: 0,
            spawned: VecDeque::new(),
        };
        for cpu in 0..cpus {
            machine.on(cpu, |m| m.sched.cpu_online(CpuId::new(cpu)));
            machine.settle(cpu);
        }
        machine
    }

    pub fn now(&self) -> u64 {
        self.sched.now_ns()
    }

    /// Lets `cpu` do something on the machine's own account: an interrupt wakes it for it.
    fn awake(&mut self, cpu: usize, act: impl FnOnce(&mut Self)) {
        self.on(cpu, |m| {
            if std::mem::take(&mut m.cpus[cpu].waiting) {
                m.sched.end_wait();
            }
            act(m);
        });
        self.settle(cpu);
    }

    fn on<R>(&mut self, cpu: usize, act: impl FnOnce(&mut Self) -> R) -> R {
        self.sched.platform().here.store(cpu, Relaxed);
        act(self)
    }

    /// Starts a thread from CPU 0.
    pub fn spawn(&mut self, spec: ThreadSpec, steps: Vec<Step>) -> ThreadRef {
        self.spawn_on(0, spec, steps)
    }

    pub fn spawn_on(&mut self, cpu: usize, spec: ThreadSpec, steps: Vec<Step>) -> ThreadRef {
        let thread = self.sched.create(spec).expect("a thread number is free");
        let script = Script {
            steps,
            next: 0,
            rounds: 0,
            run_left: 0,
            parked: false,
        };
        self.scripts.insert(thread.tid(), script);
        self.awake(cpu, |m| m.sched.start(&thread));
        thread
    }

    pub fn hog(&mut self, spec: ThreadSpec) -> ThreadRef {
        self.spawn(spec, vec![Step::Run(u64::MAX / 2)])
    }

    /// Lets CPU `cpu` reach a rest: a thread runs, or it waits.
    fn settle(&mut self, cpu: usize) {
        loop {
            let tid = self.on(cpu, |m| m.sched.current_id().tid);
            let now = self.now();
            if tid != 0 {
                if self.cpus[cpu].running != tid {
                    self.cpus[cpu].running = tid;
                    self.cpus[cpu].charged_at = now;
                    self.first_run.entry(tid).or_insert(now);
                    if std::mem::take(&mut self.scripts.get_mut(&tid).unwrap().parked) {
                        self.on(cpu, |m| m.sched.end_park());
                    }
                }
                self.cpus[cpu].waiting = false;
                break;
            }
            self.cpus[cpu].running = 0;
            if self.cpus[cpu].waiting {
                break;
            }
            self.on(cpu, |m| m.sched.idle_look());
            if self.on(cpu, |m| m.sched.current_id().tid) == 0 {
                self.cpus[cpu].waiting = self.on(cpu, |m| m.sched.begin_wait());
            }
            if !self.cpus[cpu].waiting && self.on(cpu, |m| m.sched.leave_for_good()) {
                self.cpus[cpu].off = true;
                break;
            }
        }
        self.check();
    }

    fn interrupt(&mut self, cpu: usize, handler: impl FnOnce(&Scheduler<SimPlatform>)) {
        if self.cpus[cpu].off {
            return;
        }
        self.on(cpu, |m| {
            m.sched.platform().lines(cpu).irqs_off = true;
            if m.cpus[cpu].waiting {
                m.cpus[cpu].waiting = false;
                m.sched.end_wait();
            }
            handler(&m.sched);
            m.sched.preempt_if_needed();
            m.sched.platform().lines(cpu).irqs_off = false;
        });
        self.settle(cpu);
    }

    fn charge(&mut self, cpu: usize) {
        let now = self.now();
        let state = &mut self.cpus[cpu];
        let ran = now - std::mem::replace(&mut state.charged_at, now);
        if let Some(script) = self.scripts.get_mut(&state.running) {
            script.run_left = script.run_left.saturating_sub(ran);
        }
    }

    fn next_event(&self) -> Option<(u64, usize)> {
        let events = (0..self.cpus.len()).filter_map(|cpu| {
            let lines = *self.sched.platform().lines(cpu);
            let state = &self.cpus[cpu];
            let script = self.scripts.get(&state.running);
            let done = script.map(|script| state.charged_at.saturating_add(script.run_left));
            [lines.ipi_at, lines.timer_at, done]
                .into_iter()
                .flatten()
                .min()
                .map(|at| (at, cpu))
        });
        events.min()
    }

    /// Runs until `end_ns`, or until nothing more will happen.
    pub fn run_until(&mut self, end_ns: u64) {
        while let Some((at, cpu)) = self.next_event()
            && at <= end_ns
        {
            self.note_waste(at.max(self.now()));
            self.note_inversions(at.max(self.now()));
            let now = at.max(self.now());
            self.sched.platform().now.store(now, Relaxed);
            self.charge(cpu);
            let lines = *self.sched.platform().lines(cpu);
            if lines.ipi_at.is_some_and(|at| at <= now) {
                self.sched.platform().lines(cpu).ipi_at = None;
                self.interrupt(cpu, |sched| sched.on_reschedule_ipi());
            } else if lines.timer_at.is_some_and(|at| at <= now) {
                self.sched.platform().lines(cpu).timer_at = None;
                self.check_timer(cpu);
                self.interrupt(cpu, |sched| sched.on_timer());
            } else {
                self.step(cpu);
            }
        }
        let left = end_ns.max(self.now());
        if end_ns != u64::MAX {
            self.note_waste(left);
            self.note_inversions(left);
            self.sched.platform().now.store(left, Relaxed);
            (0..self.cpus.len()).for_each(|cpu| self.charge(cpu));
        }
    }

    pub fn ready(&self) -> u32 {
        (0..self.cpus.len())
            .map(|cpu| self.sched.cpu_stats(CpuId::new(cpu)).nr_ready)
            .sum()
    }

    pub fn pending_timers(&self) -> usize {
        (0..self.cpus.len())
            .filter(|&cpu| self.sched.platform().lines(cpu).timer_at.is_some())
            .count()
    }
}

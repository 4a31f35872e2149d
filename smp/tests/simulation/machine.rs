//! A simulated machine: virtual time, interrupts with a latency, threads that are scripts.
//!
//! It drives the real scheduler from one host thread and is deterministic. After every event it
//! checks that no thread runs twice and that nobody runs where it may not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use smp::{
    CpuId, CpuSet, KernelStack, Params, Platform, Policy, Runtime, Scheduler, SpawnError, Thread,
    ThreadRef, ThreadSpec, Topology,
};

const IPI_LATENCY_NS: u64 = 2_000;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;

/// What a simulated thread does next.
#[derive(Clone, Debug)]
pub enum Step {
    Run(u64),
    Sleep(u64),
    Park,
    Yield,
    Wake(u32),
    /// From here on it is in a bulk transfer.
    MoveBulk,
    SetAffinity(u32, CpuSet),
    SetParams(u32, Params),
    Spawn(u32, Vec<Step>),
    /// From the start again, so many times.
    Repeat(u64),
}

pub struct SimPlatform {
    topology: Topology,
    here: AtomicUsize,
    now: AtomicU64,
    lines: Vec<Mutex<Lines>>,
}

#[derive(Clone, Copy, Default)]
struct Lines {
    ipi_at: Option<u64>,
    timer_at: Option<u64>,
    irqs_off: bool,
}

impl SimPlatform {
    fn lines(&self, cpu: usize) -> std::sync::MutexGuard<'_, Lines> {
        self.lines[cpu].lock().unwrap()
    }
}

impl Platform for SimPlatform {
    fn topology(&self) -> Topology {
        self.topology.clone()
    }
    fn cpu(&self) -> CpuId {
        CpuId::new(self.here.load(Relaxed))
    }
    fn now_ns(&self) -> u64 {
        self.now.load(Relaxed)
    }
    fn irq_save(&self) -> bool {
        !std::mem::replace(&mut self.lines(self.cpu().index()).irqs_off, true)
    }
    fn irq_restore(&self, were_unmasked: bool) {
        if were_unmasked {
            self.lines(self.cpu().index()).irqs_off = false;
        }
    }
    fn send_reschedule(&self, cpu: CpuId) {
        assert_ne!(cpu, self.cpu(), "a CPU interrupts itself");
        let at = self.now_ns() + IPI_LATENCY_NS;
        self.lines(cpu.index()).ipi_at.get_or_insert(at);
    }
    fn set_timer(&self, deadline_ns: Option<u64>) {
        self.lines(self.cpu().index()).timer_at = deadline_ns;
    }
    fn wait_for_interrupt(&self) {
        unreachable!("the machine waits by itself");
    }
    fn irq_window(&self) {}
    fn set_need_resched(&self, _needed: bool) {}
    fn is_preemptible(&self) -> bool {
        true
    }
    fn before_switch(&self, prev: &Thread, next: &Thread) {
        assert!(!std::ptr::eq(prev, next), "a switch to itself");
    }
    unsafe fn switch(&self, _prev: &Thread, _next: &Thread) {}
    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        Ok(KernelStack {
            owner: Box::new(()),
            initial_sp: 0,
        })
    }
}

struct Script {
    steps: Vec<Step>,
    next: usize,
    rounds: u64,
    run_left: u64,
    parked: bool,
}

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

    fn check(&mut self) {
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

    /// A timer that is set for a time that has passed, again and again, leaves a real CPU no time
    /// for anything else.
    fn check_timer(&mut self, cpu: usize) {
        const HARDLY_ANY_NS: u64 = 100;
        let now = self.now();
        let (last, in_a_row) = self.cpus[cpu].timer;
        let storm = now - last < HARDLY_ANY_NS;
        self.cpus[cpu].timer = (now, if storm { in_a_row + 1 } else { 0 });
        assert!(in_a_row < 100, "a storm of timer interrupts on CPU {cpu}");
    }

    fn charge(&mut self, cpu: usize) {
        let now = self.now();
        let state = &mut self.cpus[cpu];
        let ran = now - std::mem::replace(&mut state.charged_at, now);
        if let Some(script) = self.scripts.get_mut(&state.running) {
            script.run_left = script.run_left.saturating_sub(ran);
        }
    }

    /// The script of the running thread goes on to its next step.
    fn step(&mut self, cpu: usize) {
        let tid = self.cpus[cpu].running;
        let script = self.scripts.get_mut(&tid).expect("a scripted thread");
        let step = script.steps.get(script.next).cloned();
        script.next += 1;
        match step {
            Some(Step::Run(ns)) => script.run_left = ns,
            Some(Step::Repeat(times)) => {
                if script.rounds < times {
                    script.rounds += 1;
                    script.next = 0;
                }
            }
            Some(Step::Sleep(ns)) => {
                script.parked = true;
                let deadline = self.now() + ns;
                self.park(cpu, Some(deadline));
            }
            Some(Step::Park) => {
                script.parked = true;
                self.park(cpu, None);
            }
            Some(Step::Yield) => self.on(cpu, |m| m.sched.yield_now()),
            Some(Step::Wake(tid)) => {
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.unpark(&thread));
                }
            }
            Some(Step::MoveBulk) => self.on(cpu, |m| m.sched.current().set_moves_bulk(true)),
            Some(Step::SetAffinity(tid, set)) => {
                self.moved_at.insert(tid, self.now());
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.set_affinity(&thread, &set))
                        .expect("online");
                }
            }
            Some(Step::SetParams(tid, params)) => {
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.change_params(&thread, &|_| params));
                }
            }
            Some(Step::Spawn(tid, steps)) => {
                self.spawn_on(cpu, ThreadSpec::new("child", || {}).tid(tid), steps);
                self.spawned.push_back(tid);
            }
            None => {
                self.scripts.remove(&tid);
                self.finished += 1;
                self.on(cpu, |m| m.sched.bury_current());
                self.sched.reap();
            }
        }
        self.on(cpu, |m| m.sched.platform().lines(cpu).irqs_off = false);
        self.settle(cpu);
    }

    fn park(&mut self, cpu: usize, deadline: Option<u64>) {
        let over = self.on(cpu, |m| {
            m.sched.platform().irq_save();
            m.sched.begin_park(deadline)
        });
        if over.is_some() {
            let tid = self.cpus[cpu].running;
            self.scripts.get_mut(&tid).unwrap().parked = false;
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

    /// Notes real-time threads that wait while a CPU they may use runs something less urgent.
    fn note_inversions(&mut self, until: u64) {
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
    fn note_waste(&mut self, until: u64) {
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

    /// CPU `by` asks `cpu` to go off.
    pub fn take_off(&mut self, cpu: usize, by: usize) -> Result<(), smp::OfflineError> {
        let mut asked = Ok(());
        self.awake(by, |m| asked = m.sched.begin_offline(CpuId::new(cpu)));
        asked
    }

    pub fn is_off(&self, cpu: usize) -> bool {
        self.cpus[cpu].off
    }

    pub fn bring_back(&mut self, cpu: usize) {
        assert!(std::mem::take(&mut self.cpus[cpu].off), "it is off");
        self.on(cpu, |m| m.sched.cpu_online(CpuId::new(cpu)));
        self.settle(cpu);
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

    pub fn set_policy(&mut self, thread: &ThreadRef, policy: Policy) {
        self.change(0, thread, &|params| Params { policy, ..params });
    }

    pub fn set_nice(&mut self, thread: &ThreadRef, nice: i8) {
        self.change(0, thread, &|params| Params { nice, ..params });
    }

    /// Changes a thread's parameters from CPU `cpu`.
    pub fn change(&mut self, cpu: usize, thread: &ThreadRef, change: &dyn Fn(Params) -> Params) {
        self.awake(cpu, |m| m.sched.change_params(thread, change));
    }

    pub fn set_affinity(&mut self, thread: &ThreadRef, set: &CpuSet) {
        self.moved_at.insert(thread.tid(), self.now());
        self.awake(0, |m| m.sched.set_affinity(thread, set).expect("online"));
    }
}

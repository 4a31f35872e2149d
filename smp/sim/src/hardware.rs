//! The virtual machine's hardware: one clock, and per CPU a timer, an interrupt line and a speed.
//!
//! A CPU's action happens at one instant; what it costs is added up and keeps the CPU, its
//! interrupts masked, from the next. Several owners share it (machine, policy), hence atomics;
//! but a machine is driven by one host thread.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use smp::{CpuId, KernelStack, Platform, SpawnError, Thread, Topology};

use crate::costs::Costs;

const NEVER: u64 = u64::MAX;

/// How the CPUs lie and how fast they are.
#[derive(Clone, Debug)]
pub struct Layout {
    pub cpus: usize,
    pub per_cluster: usize,
    /// CPUs of one memory node.
    pub per_node: usize,
    /// Of CPU n: work done per time, in 1024ths.
    pub speed: fn(usize) -> u64,
}

impl Layout {
    /// Equal CPUs in clusters, one node.
    pub fn flat(cpus: usize, per_cluster: usize) -> Self {
        Self {
            cpus,
            per_cluster,
            per_node: cpus,
            speed: |_| 1024,
        }
    }

    /// 0: the same cluster, 1: the same node, 2: another node.
    pub fn distance(&self, a: usize, b: usize) -> usize {
        match (
            a / self.per_cluster == b / self.per_cluster,
            a / self.per_node == b / self.per_node,
        ) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }
}

/// What a CPU is about to hear.
struct Lines {
    ipi_at: AtomicU64,
    timer_at: AtomicU64,
    irqs_off: AtomicBool,
}

pub struct Hardware {
    pub layout: Layout,
    pub costs: Costs,
    here: AtomicUsize,
    now: AtomicU64,
    /// What the present action has cost so far.
    spent: AtomicU64,
    lines: Box<[Lines]>,
    /// CPUs whose lines changed since the machine last asked.
    touched: Mutex<Vec<usize>>,
    ipis: AtomicU64,
    probes: AtomicU64,
    looks: AtomicU64,
    steals: AtomicU64,
    switches: AtomicU64,
    left: AtomicU64,
}

/// What happened on all CPUs so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ipis: u64,
    /// Cache lines of others looked at in search of work.
    pub probes: u64,
    /// The same in search of a CPU for a thread.
    pub looks: u64,
    pub steals: u64,
    pub switches: u64,
    /// Those of them by which the real scheduler left a thread, not an idle CPU.
    pub left: u64,
}

impl Hardware {
    pub fn new(layout: Layout, costs: Costs) -> Arc<Self> {
        let lines = (0..layout.cpus).map(|_| Lines {
            ipi_at: AtomicU64::new(NEVER),
            timer_at: AtomicU64::new(NEVER),
            irqs_off: AtomicBool::new(false),
        });
        Arc::new(Self {
            lines: lines.collect(),
            layout,
            costs,
            here: AtomicUsize::new(0),
            now: AtomicU64::new(1_000),
            spent: AtomicU64::new(0),
            touched: Mutex::default(),
            ipis: AtomicU64::new(0),
            probes: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            steals: AtomicU64::new(0),
            switches: AtomicU64::new(0),
            left: AtomicU64::new(0),
        })
    }

    pub fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    pub fn set_now(&self, now: u64) {
        self.now.store(now, Relaxed);
    }

    /// The CPU that acts.
    pub fn here(&self) -> usize {
        self.here.load(Relaxed)
    }

    /// `cpu` acts from now on.
    pub fn set_here(&self, cpu: usize) {
        self.here.store(cpu, Relaxed);
    }

    /// The present action takes `ns` more.
    pub fn charge(&self, ns: u64) {
        self.spent.store(self.spent.load(Relaxed) + ns, Relaxed);
    }

    pub fn spent(&self) -> u64 {
        self.spent.load(Relaxed)
    }

    /// What the action that ends has cost.
    pub fn take_spent(&self) -> u64 {
        self.spent.swap(0, Relaxed)
    }

    /// The acting CPU interrupts another.
    pub fn interrupt(&self, cpu: usize) {
        assert_ne!(cpu, self.here(), "a CPU interrupts itself");
        self.charge(self.costs.send_ns);
        add(&self.ipis, 1);
        let at = self.now() + self.spent() + self.costs.latency_ns;
        let line = &self.lines[cpu].ipi_at;
        line.store(line.load(Relaxed).min(at), Relaxed);
        self.touched.lock().expect("one thread").push(cpu);
    }

    pub fn set_timer_here(&self, deadline_ns: Option<u64>) {
        self.charge(self.costs.timer_ns);
        self.lines[self.here()]
            .timer_at
            .store(deadline_ns.unwrap_or(NEVER), Relaxed);
    }

    /// The acting CPU changes to a thread.
    pub fn note_switch(&self) {
        self.charge(self.costs.switch_ns);
        add(&self.switches, 1);
    }

    /// The acting CPU changes to its idle thread.
    pub fn note_rest(&self) {
        self.charge(self.costs.rest_ns);
        add(&self.switches, 1);
    }

    /// The acting CPU looked for work at `lines` cache lines of others.
    pub fn note_probes(&self, lines: u64) {
        self.charge(lines * self.costs.probe_ns);
        add(&self.probes, lines);
    }

    /// The acting CPU looked for a CPU at `lines` cache lines of others.
    pub fn note_looks(&self, lines: u64) {
        self.charge(lines * self.costs.look_ns);
        add(&self.looks, lines);
    }

    pub fn note_steals(&self, threads: u64) {
        self.charge(threads * self.costs.claim_ns);
        add(&self.steals, threads);
    }

    pub fn counts(&self) -> Counts {
        Counts {
            ipis: self.ipis.load(Relaxed),
            probes: self.probes.load(Relaxed),
            looks: self.looks.load(Relaxed),
            steals: self.steals.load(Relaxed),
            switches: self.switches.load(Relaxed),
            left: self.left.load(Relaxed),
        }
    }

    pub fn ipi_at(&self, cpu: usize) -> u64 {
        self.lines[cpu].ipi_at.load(Relaxed)
    }

    pub fn timer_at(&self, cpu: usize) -> u64 {
        self.lines[cpu].timer_at.load(Relaxed)
    }

    /// Whether `cpu` is interrupted by a peer at `now`; the line falls.
    pub fn take_ipi(&self, cpu: usize, now: u64) -> bool {
        take(&self.lines[cpu].ipi_at, now)
    }

    /// Whether the timer of `cpu` fires at `now`; it stops.
    pub fn take_timer(&self, cpu: usize, now: u64) -> bool {
        take(&self.lines[cpu].timer_at, now)
    }

    pub fn take_touched(&self) -> Option<usize> {
        self.touched.lock().expect("one thread").pop()
    }

    pub fn are_irqs_masked(&self, cpu: usize) -> bool {
        self.lines[cpu].irqs_off.load(Relaxed)
    }

    pub fn unmask_irqs(&self, cpu: usize) {
        self.lines[cpu].irqs_off.store(false, Relaxed);
    }

    pub fn mask_irqs(&self, cpu: usize) -> bool {
        !self.lines[cpu].irqs_off.swap(true, Relaxed)
    }
}

fn take(line: &AtomicU64, now: u64) -> bool {
    let due = line.load(Relaxed) <= now;
    if due {
        line.store(NEVER, Relaxed);
    }
    due
}

fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed) + by, Relaxed);
}

/// The hardware as the real scheduler sees it.
pub struct Port(pub Arc<Hardware>);

impl Platform for Port {
    fn topology(&self) -> Topology {
        let layout = &self.0.layout;
        let nodes = layout.cpus.div_ceil(layout.per_node);
        let distance = |a| {
            (0..nodes)
                .map(move |b| if a == b { 10 } else { 20 })
                .collect()
        };
        Topology::uniform(layout.cpus, layout.per_cluster)
            .with_capacity(|cpu| (layout.speed)(cpu) as u16)
            .with_nodes(
                |cpu| (cpu / layout.per_node) as u16,
                (0..nodes).map(distance).collect(),
            )
    }
    fn cpu(&self) -> CpuId {
        CpuId::new(self.0.here())
    }
    fn now_ns(&self) -> u64 {
        self.0.now()
    }
    fn irq_save(&self) -> bool {
        self.0.mask_irqs(self.0.here())
    }
    fn irq_restore(&self, were_unmasked: bool) {
        if were_unmasked {
            self.0.unmask_irqs(self.0.here());
        }
    }
    fn send_reschedule(&self, cpu: CpuId) {
        self.0.interrupt(cpu.index());
    }
    fn set_timer(&self, deadline_ns: Option<u64>) {
        self.0.set_timer_here(deadline_ns);
    }
    fn wait_for_interrupt(&self) {
        unreachable!("the machine waits by itself");
    }
    fn before_switch(&self, prev: &Thread, next: &Thread) {
        assert!(!std::ptr::eq(prev, next), "a switch to itself");
        match next.tid() {
            0 => self.0.note_rest(),
            _ => self.0.note_switch(),
        }
        add(&self.0.left, u64::from(prev.tid() != 0));
    }
    unsafe fn switch(&self, _prev: &Thread, _next: &Thread) {}
    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        Ok(KernelStack::none())
    }
}

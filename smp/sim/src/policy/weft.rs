//! The real scheduler: the very code the kernel runs.

use std::sync::Arc;

use smp::{CpuId, CpuSet, Runtime, Scheduler, ThreadRef, ThreadSpec};

use super::{Interrupt, Policy, Task, TaskSpec};
use crate::hardware::{Hardware, Port};

pub struct Weft {
    pub sched: Scheduler<Port>,
    hardware: Arc<Hardware>,
    threads: Vec<Option<Entry>>,
    cpus: Vec<Cpu>,
    /// Wakes of the present action that the machine has charged.
    ordered: u64,
}

struct Entry {
    thread: ThreadRef,
    /// It sleeps: `end_park` is due when it runs again.
    parked: bool,
}

/// What the machine's loop knows of a CPU between two actions.
#[derive(Clone, Copy, Default)]
struct Cpu {
    waiting: bool,
    /// Counters of the scheduler that were charged already.
    steals: u64,
    probes: u64,
    looks: u64,
    wakes: u64,
    preemptions: u64,
}

impl Weft {
    /// All CPUs come online and go idle.
    pub fn new(hardware: &Arc<Hardware>) -> Self {
        let cpus = hardware.layout.cpus;
        let mut weft = Self {
            sched: Scheduler::new(Port(Arc::clone(hardware))),
            hardware: Arc::clone(hardware),
            threads: Vec::new(),
            cpus: vec![Cpu::default(); cpus],
            ordered: 0,
        };
        for cpu in 0..cpus {
            hardware.set_here(cpu);
            weft.sched.cpu_online(CpuId::new(cpu));
            weft.rest();
        }
        weft
    }

    pub fn thread(&self, task: Task) -> Option<&ThreadRef> {
        let entry = self.threads.get(task as usize)?.as_ref()?;
        Some(&entry.thread)
    }

    /// Ends the wait of a CPU that is interrupted.
    fn awake(&mut self) {
        if std::mem::take(&mut self.cpus[self.hardware.here()].waiting) {
            self.sched.end_wait();
        }
    }

    /// Charges what the scheduler counted since the last time and the machine does not know of.
    fn charge_counted(&mut self) {
        let here = self.hardware.here();
        let stats = self.sched.cpu_stats(CpuId::new(here));
        let cpu = &mut self.cpus[here];
        let steals = stats.steals - std::mem::replace(&mut cpu.steals, stats.steals);
        let probes = stats.probes - std::mem::replace(&mut cpu.probes, stats.probes);
        let looks = stats.looks - std::mem::replace(&mut cpu.looks, stats.looks);
        let wakes = stats.wakes - std::mem::replace(&mut cpu.wakes, stats.wakes);
        let preempted = stats.involuntary_switches;
        let preemptions = preempted - std::mem::replace(&mut cpu.preemptions, preempted);
        let costs = &self.hardware.costs;
        // Of the wakes those of threads whose time has come.
        let by_timer = wakes - std::mem::take(&mut self.ordered);
        self.hardware
            .charge(by_timer * costs.wake_ns + preemptions * costs.preempt_ns);
        self.hardware.note_steals(steals);
        self.hardware.note_probes(probes);
        self.hardware.note_looks(looks);
    }

    /// An action of the scheduler that may wake threads: charges that those which it leaves waiting
    /// here are offered, if the CPU is busy.
    fn offering(&self, action: impl FnOnce(&Scheduler<Port>)) {
        let busy = self.sched.current_id().tid != 0;
        let kept = || {
            let here = CpuId::new(self.hardware.here());
            self.sched.cpu_stats(here).local_wakes
        };
        let before = kept();
        action(&self.sched);
        if busy && kept() > before {
            self.hardware.charge(self.hardware.costs.offer_ns);
        }
    }

    fn parked(&mut self, task: Task) -> &mut bool {
        let entry = self.threads[task as usize].as_mut();
        &mut entry.expect("it lives").parked
    }
}

impl Policy for Weft {
    fn create(&mut self, task: Task, spec: TaskSpec) {
        let mut asked = ThreadSpec::new("simulated", || {}).tid(task);
        if let Some(cpu) = spec.pinned {
            asked = asked.affinity(CpuSet::single(CpuId::new(cpu)));
        }
        if let Some(priority) = spec.realtime {
            asked = asked.policy(smp::Policy::Fifo(priority));
        }
        let thread = self.sched.create(asked).expect("a thread number is free");
        let slot = task as usize;
        self.threads
            .resize_with(self.threads.len().max(slot + 1), || None);
        let parked = false;
        self.threads[slot] = Some(Entry { thread, parked });
    }

    fn start(&mut self, task: Task) {
        self.awake();
        let thread = self.thread(task).expect("created").clone();
        self.sched.start(&thread);
    }

    fn wake(&mut self, task: Task) {
        let thread = self.threads[task as usize].as_ref().expect("it lives");
        let here = CpuId::new(self.hardware.here());
        let before = self.sched.cpu_stats(here).wakes;
        // Threads wake one another as by a futex.
        self.offering(
            |sched| match self.hardware.are_irqs_masked(self.hardware.here()) {
                true => sched.unpark(&thread.thread),
                false => sched.call(&thread.thread),
            },
        );
        self.ordered += self.sched.cpu_stats(here).wakes - before;
    }

    fn park(&mut self, deadline_ns: Option<u64>) -> bool {
        let task = self.sched.current_id().tid;
        self.hardware.mask_irqs(self.hardware.here());
        *self.parked(task) = true;
        let over = self.sched.begin_park(deadline_ns).is_some();
        if over {
            *self.parked(task) = false;
        }
        self.hardware.unmask_irqs(self.hardware.here());
        !over
    }

    fn yield_now(&mut self) {
        self.sched.yield_now();
    }

    fn exit(&mut self) {
        let task = self.sched.current_id().tid;
        self.threads[task as usize] = None;
        self.sched.bury_current();
        self.sched.reap();
    }

    fn interrupt(&mut self, reason: Interrupt) {
        self.hardware.mask_irqs(self.hardware.here());
        self.awake();
        match reason {
            Interrupt::Peer => self.sched.on_reschedule_ipi(),
            Interrupt::Timer => self.offering(Scheduler::on_timer),
            Interrupt::Device => return,
        }
        self.sched.preempt_if_needed();
    }

    fn end_of_interrupt(&mut self) {
        self.sched.preempt_if_needed();
    }

    fn rest(&mut self) -> Option<Task> {
        let here = self.hardware.here();
        let running = loop {
            match self.sched.current_id().tid {
                0 if self.cpus[here].waiting => break None,
                0 => {
                    self.sched.idle_look();
                    let idle = self.sched.current_id().tid == 0;
                    self.cpus[here].waiting = idle && self.sched.begin_wait();
                }
                task => break Some(task),
            }
        };
        if let Some(task) = running
            && std::mem::take(self.parked(task))
        {
            self.sched.end_park();
        }
        self.hardware.unmask_irqs(here);
        self.charge_counted();
        running
    }
}

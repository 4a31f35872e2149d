//! The virtual machine: CPUs that run threads under a policy.
//!
//! Between two events a CPU rests: it runs a thread or waits. An event (a step done, an interrupt)
//! makes it act; the action happens at one instant and keeps the CPU busy for what it costs.
//! After every action the machine checks that no thread runs twice or where it may not. The events are
//! in `events.rs`, the ways of a thread between sleeping, ready and running in `places.rs`.

mod events;
mod places;
mod thread;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::calendar::Calendar;
use crate::hardware::Hardware;
use crate::measure::Measure;
use crate::policy::{Policy, Task};
use crate::workload::{Outside, Workload};
use thread::{Place, Thread};

const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Cpu {
    running: Option<Task>,
    /// Until when it is busy with its last action; the thread goes on from there.
    free_at: u64,
    charged_at: u64,
    devices: VecDeque<(u64, std::ops::Range<Task>)>,
}

impl Cpu {
    /// When a device interrupts it next, or did.
    fn device_at(&self) -> u64 {
        self.devices.front().map_or(NEVER, |(at, _)| *at)
    }
}

/// Where CPUs take turns.
#[derive(Default)]
struct Turn {
    /// Who has it, and until when.
    cpu: usize,
    end: u64,
    /// Another thread runs there now: it goes on in this turn.
    changed: bool,
}

pub struct Machine<W> {
    pub workload: W,
    pub measure: Measure,
    hardware: Arc<Hardware>,
    policy: Box<dyn Policy>,
    cpus: Vec<Cpu>,
    threads: Vec<Thread>,
    calendar: Calendar,
    outside: Option<Outside>,
    /// Sleepers by deadline: they count as ready from then on.
    sleepers: BTreeSet<(u64, Task)>,
    idle: usize,
    /// Ready threads that any CPU may run.
    ready: usize,
    alive: usize,
    turn: Turn,
}

impl<W: Workload> Machine<W> {
    pub fn new(hardware: Arc<Hardware>, policy: Box<dyn Policy>, workload: W) -> Self {
        let cpus = hardware.layout.cpus;
        let mut machine = Self {
            workload,
            measure: Measure::new(cpus),
            policy,
            cpus: (0..cpus).map(|_| Cpu::default()).collect(),
            // Number 0 is nobody.
            threads: vec![Thread::ended()],
            calendar: Calendar::new(cpus + 1),
            outside: None,
            sleepers: BTreeSet::new(),
            idle: cpus,
            ready: 0,
            alive: 0,
            turn: Turn::default(),
            hardware,
        };
        machine.hardware.take_spent();
        for task in 1..=machine.workload.initial() {
            machine.create(task);
            let now = machine.now();
            machine.sleepers_become_ready(task..task + 1, now);
            machine.act((task as usize - 1) % cpus, |m| m.wake(task));
        }
        machine.expect_outside();
        machine
    }

    pub fn now(&self) -> u64 {
        self.hardware.now()
    }

    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// Threads that have not ended.
    pub fn alive(&self) -> usize {
        self.alive
    }

    /// Threads that are ready and do not run.
    pub fn waiting(&self) -> usize {
        let ready = |thread: &&Thread| matches!(thread.place, Place::Ready { .. });
        self.threads.iter().filter(ready).count()
    }

    /// Runs until `end_ns`, or until nothing more will happen.
    pub fn run_until(&mut self, end_ns: u64) {
        while let Some((at, who)) = self.calendar.first()
            && at <= end_ns
        {
            if who == self.cpus.len() {
                self.advance(at);
                self.take_outside();
            } else if self.has_turn(who, at) {
                self.advance(at);
                self.event(who);
            }
        }
        if end_ns != NEVER {
            self.advance(end_ns);
            (0..self.cpus.len()).for_each(|cpu| self.charge(cpu));
        }
    }

    /// Forgets what was measured so far.
    pub fn measure_from_here(&mut self) {
        (0..self.cpus.len()).for_each(|cpu| self.charge(cpu));
        self.measure.restart(self.now(), self.hardware.counts());
    }

    /// Whether the CPU may act at `at`; else it will be asked again, the others first.
    fn has_turn(&mut self, cpu: usize, at: u64) -> bool {
        if !self.hardware.costs.turns {
            return true;
        }
        let Turn { cpu: last, end, .. } = self.turn;
        let order = (cpu + self.cpus.len() - last - 1) % self.cpus.len();
        let goes_on = cpu == last && self.turn.changed;
        let begin = end + if goes_on { 0 } else { 1 + order as u64 };
        if at < begin {
            self.calendar.set(cpu, Some(begin));
        }
        at >= begin
    }

    fn advance(&mut self, at: u64) {
        let now = self.now();
        while let Some(&(due, task)) = self.sleepers.first()
            && due <= at
        {
            self.sleepers.pop_first();
            self.threads[task as usize].deadline = None;
            self.becomes_ready(task, due);
        }
        let at = at.max(now);
        self.measure
            .waste(self.idle.min(self.ready) as u64 * (at - now));
        self.hardware.set_now(at);
    }

    fn take_outside(&mut self) {
        let Some(Outside { cpu, wake, at_ns }) = self.outside.take() else {
            return;
        };
        (self.threads.len() as Task..wake.end).for_each(|task| self.create(task));
        self.sleepers_become_ready(wake.clone(), at_ns);
        self.cpus[cpu].devices.push_back((at_ns, wake));
        self.plan(cpu);
        self.expect_outside();
    }

    fn expect_outside(&mut self) {
        self.outside = self.workload.outside();
        let at = self.outside.as_ref().map(|next| next.at_ns.max(self.now()));
        self.calendar.set(self.cpus.len(), at);
    }

    fn create(&mut self, task: Task) {
        assert_eq!(task as usize, self.threads.len(), "numbers are dense");
        let spec = self.workload.spec(task);
        self.policy.create(task, spec);
        self.threads.push(Thread {
            place: Place::Asleep,
            pinned: spec.pinned,
            ..Thread::ended()
        });
        self.alive += 1;
    }

    /// Enters in the calendar when something will happen on `cpu`.
    fn plan(&mut self, cpu: usize) {
        let (state, speed) = (&self.cpus[cpu], (self.hardware.layout.speed)(cpu));
        let done = state.running.map_or(NEVER, |task| {
            let left = self.threads[task as usize].run_left;
            state.charged_at.saturating_add(time(left, speed))
        });
        let lines = self.hardware.ipi_at(cpu).min(self.hardware.timer_at(cpu));
        let at = done.min(state.device_at()).min(lines);
        self.calendar
            .set(cpu, (at != NEVER).then(|| at.max(state.free_at)));
    }
}

/// Work done in `ns` at a speed in 1024ths, and the time that work takes.
fn work(ns: u64, speed: u64) -> u64 {
    if speed == 1024 { ns } else { ns * speed / 1024 }
}

fn time(work: u64, speed: u64) -> u64 {
    if speed == 1024 {
        work
    } else {
        work.saturating_mul(1024).div_ceil(speed)
    }
}

//! The virtual machine: CPUs that run threads under a policy.
//!
//! Between two events a CPU rests: it runs a thread or waits. An event (a step done, an interrupt)
//! makes it act; the action happens at one instant and keeps the CPU busy for what it costs.
//! After every action the machine checks that no thread runs twice or where it may not.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::calendar::Calendar;
use crate::hardware::Hardware;
use crate::measure::Measure;
use crate::policy::{Interrupt, Policy, Task};
use crate::workload::{Outside, Step, Workload};

const NEVER: u64 = u64::MAX;

/// A thread as the machine sees it.
#[derive(Clone, Debug)]
struct Thread {
    place: Place,
    /// Its deadline, if it sleeps with one.
    deadline: Option<u64>,
    /// When it was woken, and how long it has waited since.
    woken_at: u64,
    waited: u64,
    fresh: bool,
    run_left: u64,
    last_cpu: Option<usize>,
    pinned: Option<usize>,
    started: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Asleep,
    Ready { since: u64 },
    Running { cpu: usize },
    Ended,
}

#[derive(Default)]
struct Cpu {
    running: Option<Task>,
    /// Until when it is busy with its last action; the thread goes on from there.
    free_at: u64,
    charged_at: u64,
    devices: VecDeque<(u64, std::ops::Range<Task>)>,
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
            machine.become_ready(task..task + 1, now);
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
        self.become_ready(wake.clone(), at_ns);
        self.cpus[cpu].devices.push_back((at_ns, wake));
        self.plan(cpu);
        self.expect_outside();
    }

    /// Those of `tasks` that sleep have something to do since then.
    fn become_ready(&mut self, tasks: std::ops::Range<Task>, since: u64) {
        for task in tasks {
            if self
                .threads
                .get(task as usize)
                .is_some_and(Thread::is_asleep)
            {
                self.becomes_ready(task, since);
            }
        }
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

    /// Wakes a thread, for the first time or again.
    fn wake(&mut self, task: Task) {
        self.hardware.charge(self.hardware.costs.wake_ns);
        match std::mem::replace(&mut self.threads[task as usize].started, true) {
            true => self.policy.wake(task),
            false => self.policy.start(task),
        }
    }

    /// Something happens on `cpu`.
    fn event(&mut self, cpu: usize) {
        self.charge(cpu);
        let now = self.now();
        if self.hardware.take_ipi(cpu, now) {
            self.interrupt(cpu, Interrupt::Peer);
        } else if self.hardware.take_timer(cpu, now) {
            self.interrupt(cpu, Interrupt::Timer);
        } else if self.cpus[cpu]
            .devices
            .front()
            .is_some_and(|(at, _)| *at <= now)
        {
            self.device(cpu);
        } else {
            self.step(cpu);
        }
    }

    fn interrupt(&mut self, cpu: usize, reason: Interrupt) {
        self.act(cpu, |machine| {
            machine.hardware.charge(machine.hardware.costs.interrupt_ns);
            machine.policy.interrupt(reason);
        });
    }

    fn device(&mut self, cpu: usize) {
        let Some((at, tasks)) = self.cpus[cpu].devices.pop_front() else {
            return;
        };
        // Those that went to sleep between the interrupt and its handler.
        self.become_ready(tasks.clone(), at);
        self.act(cpu, |machine| {
            machine.hardware.charge(machine.hardware.costs.interrupt_ns);
            machine.policy.interrupt(Interrupt::Device);
            tasks.for_each(|task| machine.wake(task));
            machine.policy.end_of_interrupt();
        });
    }

    /// The running thread goes on to its next step.
    fn step(&mut self, cpu: usize) {
        let task = self.cpus[cpu].running.expect("a thread has done its step");
        let step = self.workload.next(task, self.now());
        match step {
            Step::Run(ns) => {
                self.threads[task as usize].run_left = ns;
                self.plan(cpu);
            }
            Step::Sleep(ns) => self.park(cpu, Some(self.now() + ns)),
            Step::SleepUntil(at) => self.park(cpu, Some(at)),
            Step::Park => self.park(cpu, None),
            Step::Yield => self.call(cpu, |machine| machine.policy.yield_now()),
            Step::Wake(other) => {
                if self.threads[other as usize].is_asleep() {
                    self.becomes_ready(other, self.now());
                }
                self.call(cpu, |machine| machine.wake(other));
            }
            Step::Exit => {
                self.leaves(cpu, task, Place::Ended);
                self.alive -= 1;
                self.act(cpu, |machine| machine.policy.exit());
            }
        }
    }

    fn park(&mut self, cpu: usize, deadline: Option<u64>) {
        let task = self.cpus[cpu].running.expect("who parks runs");
        self.call(cpu, |machine| {
            if machine.policy.park(deadline) {
                machine.leaves(cpu, task, Place::Asleep);
                machine.threads[task as usize].deadline = deadline;
                machine.sleepers.extend(deadline.map(|at| (at, task)));
            }
        });
    }

    /// The thread gives up its CPU.
    fn leaves(&mut self, cpu: usize, task: Task, place: Place) {
        let thread = &mut self.threads[task as usize];
        thread.place = place;
        self.measure.done(thread.waited, self.hardware.now());
        self.cpus[cpu].running = None;
        self.idle += 1;
    }

    fn becomes_ready(&mut self, task: Task, since: u64) {
        let thread = &mut self.threads[task as usize];
        if let Some(deadline) = thread.deadline.take() {
            self.sleepers.remove(&(deadline, task));
        }
        thread.place = Place::Ready { since };
        (thread.woken_at, thread.waited, thread.fresh) = (since, 0, true);
        self.ready += usize::from(thread.pinned.is_none());
    }

    /// The running thread makes a system call.
    fn call(&mut self, cpu: usize, action: impl FnOnce(&mut Self)) {
        self.act(cpu, |machine| {
            machine.hardware.charge(machine.hardware.costs.call_ns);
            action(machine);
        });
    }

    /// Lets `cpu` act, go on to its next rest, and pay.
    fn act(&mut self, cpu: usize, action: impl FnOnce(&mut Self)) {
        self.hardware.set_here(cpu);
        action(self);
        let next = self.policy.rest();
        let free_at = self.now() + self.hardware.take_spent();
        let before = std::mem::replace(&mut self.cpus[cpu].running, next);
        if self.hardware.costs.turns {
            self.turn = Turn {
                cpu,
                end: free_at,
                changed: before != next,
            };
        }
        self.cpus[cpu].free_at = free_at;
        self.cpus[cpu].charged_at = free_at;
        if before != next {
            self.changes(cpu, before, next, free_at);
        }
        self.plan(cpu);
        while let Some(other) = self.hardware.take_touched() {
            self.plan(other);
        }
    }

    /// `next` runs where `before` did.
    fn changes(&mut self, cpu: usize, before: Option<Task>, next: Option<Task>, free_at: u64) {
        if let Some(task) = before {
            let thread = &mut self.threads[task as usize];
            thread.place = Place::Ready {
                since: self.hardware.now(),
            };
            self.ready += usize::from(thread.pinned.is_none());
            self.idle += 1;
        }
        if let Some(task) = next {
            self.enters(cpu, task, free_at);
            self.idle -= 1;
        }
    }

    fn enters(&mut self, cpu: usize, task: Task, free_at: u64) {
        let thread = &mut self.threads[task as usize];
        let Place::Ready { since } = thread.place else {
            panic!(
                "thread {task} runs on CPU {cpu} although {:?}",
                thread.place
            );
        };
        let allowed = thread.pinned.is_none_or(|only| only == cpu);
        assert!(allowed, "thread {task} runs on CPU {cpu}, which it may not");
        thread.place = Place::Running { cpu };
        self.ready -= usize::from(thread.pinned.is_none());
        thread.waited += free_at.saturating_sub(since);
        if std::mem::take(&mut thread.fresh) {
            let (from, waited) = (thread.woken_at, free_at.saturating_sub(thread.woken_at));
            self.measure.first_run(task, from, waited);
        }
        let from = thread.last_cpu.replace(cpu).filter(|&last| last != cpu);
        if let Some(last) = from {
            let distance = self.hardware.layout.distance(last, cpu);
            self.measure.moves[distance] += 1;
            if self.policy.pays_refill() {
                thread.run_left += self.hardware.costs.refill_ns[distance];
            }
        }
    }

    /// Accounts for what the thread on `cpu` has done since the last time.
    fn charge(&mut self, cpu: usize) {
        let (now, speed) = (self.hardware.now(), (self.hardware.layout.speed)(cpu));
        let state = &mut self.cpus[cpu];
        let Some(task) = state.running else { return };
        if now <= state.charged_at {
            return;
        }
        let ran = now - state.charged_at;
        let thread = &mut self.threads[task as usize];
        thread.run_left = thread.run_left.saturating_sub(work(ran, speed));
        self.measure.ran(cpu, task, state.charged_at, now);
        state.charged_at = now;
    }

    /// Enters in the calendar when something will happen on `cpu`.
    fn plan(&mut self, cpu: usize) {
        let (state, speed) = (&self.cpus[cpu], (self.hardware.layout.speed)(cpu));
        let done = state.running.map_or(NEVER, |task| {
            let left = self.threads[task as usize].run_left;
            state.charged_at.saturating_add(time(left, speed))
        });
        let device = state.devices.front().map_or(NEVER, |(at, _)| *at);
        let lines = self.hardware.ipi_at(cpu).min(self.hardware.timer_at(cpu));
        let at = done.min(device).min(lines);
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

impl Thread {
    /// Nobody.
    fn ended() -> Self {
        Self {
            place: Place::Ended,
            deadline: None,
            woken_at: 0,
            waited: 0,
            fresh: false,
            run_left: 0,
            last_cpu: None,
            pinned: None,
            started: false,
        }
    }

    fn is_asleep(&self) -> bool {
        self.place == Place::Asleep
    }
}

//! What the rivals have in common: first-in-first-out queues, a quantum, who is idle.
//!
//! A rival is this machinery plus a [`Strategy`]: where a ready thread goes, and where a CPU with
//! nothing to do looks. Bookkeeping is free for them; searching, locks and interrupts are not.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Interrupt, Policy, Task, TaskSpec};
use crate::hardware::Hardware;

/// How long a thread runs while others wait.
const QUANTUM_NS: u64 = 4_000_000;

pub trait Strategy {
    /// Queues a thread that became ready, and tells a CPU if one should know.
    fn place(&mut self, core: &mut Core, task: Task);

    /// Queues a thread whose quantum is over.
    fn put_back(&mut self, core: &mut Core, task: Task) {
        let here = core.hardware.here();
        core.queues[here].push_back(task);
    }

    /// The next thread of the acting CPU from elsewhere than its own queue.
    fn find(&mut self, core: &mut Core) -> Option<Task>;

    /// Whether threads wait that the acting CPU might run besides those in its own queue.
    fn others_wait(&self, _core: &Core) -> bool {
        false
    }

    /// Another CPU interrupted this one.
    fn on_peer(&mut self, _core: &mut Core) {}

    fn pays_refill(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not started, or asleep.
    Asleep,
    /// Awake; a wake now is remembered by the flag.
    Awake { again: bool },
}

pub struct Core {
    pub hardware: Arc<Hardware>,
    pub queues: Vec<VecDeque<Task>>,
    /// Bit set: the CPU waits and nobody has called it yet.
    idle: Vec<u64>,
    running: Vec<Option<Task>>,
    waits: Vec<bool>,
    states: Vec<State>,
    pinned: Vec<Option<usize>>,
    homes: Vec<usize>,
}

impl Core {
    fn new(hardware: &Arc<Hardware>) -> Self {
        let cpus = hardware.layout.cpus;
        let mut core = Self {
            hardware: Arc::clone(hardware),
            queues: vec![VecDeque::new(); cpus],
            idle: vec![0; cpus.div_ceil(64)],
            running: vec![None; cpus],
            waits: vec![true; cpus],
            states: Vec::new(),
            pinned: Vec::new(),
            homes: Vec::new(),
        };
        (0..cpus).for_each(|cpu| core.set_idle(cpu, true));
        core
    }

    pub fn cpus(&self) -> usize {
        self.queues.len()
    }

    pub fn is_idle(&self, cpu: usize) -> bool {
        self.idle[cpu / 64] >> (cpu % 64) & 1 != 0
    }

    /// Whether a thread runs there.
    pub fn runs(&self, cpu: usize) -> bool {
        self.running[cpu].is_some()
    }

    fn set_idle(&mut self, cpu: usize, idle: bool) {
        let bit = 1 << (cpu % 64);
        match idle {
            true => self.idle[cpu / 64] |= bit,
            false => self.idle[cpu / 64] &= !bit,
        }
    }

    /// An idle CPU at or after `from`, going round.
    pub fn any_idle(&self, from: usize) -> Option<usize> {
        let (words, start) = (self.idle.len(), from / 64);
        let above = self.idle[start] & (u64::MAX << (from % 64));
        if above != 0 {
            return Some(start * 64 + above.trailing_zeros() as usize);
        }
        (1..=words).find_map(|step| {
            let word = (start + step) % words;
            let bits = self.idle[word];
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })
    }

    /// An idle CPU in the cluster of `near`.
    pub fn idle_neighbour(&self, near: usize) -> Option<usize> {
        let cluster = self.cluster(near);
        cluster.into_iter().find(|&cpu| self.is_idle(cpu))
    }

    pub fn cluster(&self, cpu: usize) -> std::ops::Range<usize> {
        let size = self.hardware.layout.per_cluster;
        let first = cpu / size * size;
        first..(first + size).min(self.cpus())
    }

    /// Calls a CPU if it waits; of several callers only the first interrupts it.
    pub fn call(&mut self, cpu: usize) {
        let idle = self.is_idle(cpu);
        self.set_idle(cpu, false);
        if idle && cpu != self.hardware.here() {
            self.hardware.interrupt(cpu);
        }
    }

    /// Where the thread ran last, or its only CPU.
    pub fn home(&self, task: Task) -> usize {
        self.pinned[task as usize].unwrap_or(self.homes[task as usize])
    }

    pub fn pinned(&self, task: Task) -> Option<usize> {
        self.pinned[task as usize]
    }

    /// Into the queue of `cpu`, which is called if it waits.
    pub fn send(&mut self, task: Task, cpu: usize) {
        self.queues[cpu].push_back(task);
        self.call(cpu);
    }

    /// Threads that want to run on `cpu`.
    pub fn load(&self, cpu: usize) -> usize {
        self.queues[cpu].len() + usize::from(self.running[cpu].is_some())
    }

    /// The oldest thread in the queue of `cpu` that may leave it.
    pub fn take_movable(&mut self, cpu: usize) -> Option<Task> {
        let movable = |task: &Task| self.pinned[*task as usize].is_none();
        let position = self.queues[cpu].iter().position(movable)?;
        self.queues[cpu].remove(position)
    }

    fn run(&mut self, task: Task) {
        let here = self.hardware.here();
        self.running[here] = Some(task);
        self.homes[task as usize] = here;
        self.set_idle(here, false);
        self.waits[here] = false;
        self.hardware.note_switch();
        self.set_quantum();
    }

    fn set_quantum(&self) {
        let end = self.hardware.now() + QUANTUM_NS;
        self.hardware.set_timer_here(Some(end));
    }
}

pub struct Rival<S> {
    core: Core,
    strategy: S,
}

impl<S: Strategy> Rival<S> {
    pub fn new(hardware: &Arc<Hardware>, strategy: S) -> Self {
        let core = Core::new(hardware);
        Self { core, strategy }
    }

    fn next(&mut self) -> Option<Task> {
        let here = self.core.hardware.here();
        let own = self.core.queues[here].pop_front();
        own.or_else(|| self.strategy.find(&mut self.core))
    }
}

impl<S: Strategy> Policy for Rival<S> {
    fn create(&mut self, task: Task, spec: TaskSpec) {
        let (slot, core) = (task as usize, &mut self.core);
        if core.states.len() <= slot {
            core.states.resize(slot + 1, State::Asleep);
            core.pinned.resize(slot + 1, None);
            core.homes.resize(slot + 1, 0);
        }
        core.pinned[slot] = spec.pinned;
        core.homes[slot] = core.hardware.here();
        assert_eq!(spec.realtime, None, "rivals know no real time");
    }

    fn start(&mut self, task: Task) {
        self.wake(task);
    }

    fn wake(&mut self, task: Task) {
        match &mut self.core.states[task as usize] {
            State::Awake { again } => *again = true,
            state => {
                *state = State::Awake { again: false };
                self.strategy.place(&mut self.core, task);
            }
        }
    }

    fn park(&mut self, deadline_ns: Option<u64>) -> bool {
        assert_eq!(deadline_ns, None, "rivals know no deadlines");
        let here = self.core.hardware.here();
        let task = self.core.running[here].expect("a thread runs");
        let state = &mut self.core.states[task as usize];
        if *state == (State::Awake { again: true }) {
            *state = State::Awake { again: false };
            return false;
        }
        *state = State::Asleep;
        self.core.running[here] = None;
        true
    }

    fn yield_now(&mut self) {
        let here = self.core.hardware.here();
        let task = self.core.running[here].take().expect("a thread runs");
        self.strategy.put_back(&mut self.core, task);
    }

    fn exit(&mut self) {
        let here = self.core.hardware.here();
        self.core.running[here] = None;
    }

    fn interrupt(&mut self, reason: Interrupt) {
        let here = self.core.hardware.here();
        match reason {
            Interrupt::Peer => self.strategy.on_peer(&mut self.core),
            Interrupt::Device => {}
            Interrupt::Timer if self.core.running[here].is_none() => {}
            Interrupt::Timer => {
                let others = self.strategy.others_wait(&self.core);
                if others || !self.core.queues[here].is_empty() {
                    self.yield_now();
                } else {
                    self.core.set_quantum();
                }
            }
        }
    }

    fn rest(&mut self) -> Option<Task> {
        let here = self.core.hardware.here();
        if self.core.running[here].is_none() {
            match self.next() {
                Some(task) => self.core.run(task),
                None => {
                    self.core.set_idle(here, true);
                    if !std::mem::replace(&mut self.core.waits[here], true) {
                        // To the idle thread.
                        self.core.hardware.note_rest();
                    }
                }
            }
        }
        self.core.running[here]
    }

    fn pays_refill(&self) -> bool {
        self.strategy.pays_refill()
    }
}

//! The scheduler under loom: each model thread is a CPU.
//!
//! Interrupts are noted, not delivered, while the CPUs race. Then one thread takes over all CPUs
//! and delivers what was noted until nothing more happens; a CPU that nobody interrupted stays
//! as it is. What the models assert is the state the machine comes to rest in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use loom::sync::atomic::Ordering::{Acquire, Release};

use loom::cell::UnsafeCell;
use smp::{
    CpuId, CpuSet, KernelStack, Phase, Platform, Runtime, Scheduler, SpawnError, Thread, ThreadRef,
    ThreadSpec, Topology,
};

loom::thread_local! {
    static HERE: std::cell::Cell<usize> = std::cell::Cell::new(0);
}

pub struct Hardware {
    cpus: Vec<Lines>,
    /// CPUs that share a line of masks.
    group: usize,
    /// Stands still while CPUs race.
    now_ns: AtomicU64,
    /// A thread's saved registers: written by the switch away from it, read by the switch to it.
    /// Not atomic, so that loom sees a thread run before it was saved.
    contexts: Mutex<HashMap<*const Thread, Arc<UnsafeCell<u32>>>>,
}

// SAFETY: the cells are accessed under the scheduler's protocol, which loom checks.
unsafe impl Send for Hardware {}
// SAFETY: as above.
unsafe impl Sync for Hardware {}

struct Lines {
    /// Ordered, as on the machine: the sender's barrier before, the exception after. Written by
    /// exchange only: loom orders a plain store and an exchange too loosely.
    interrupted: loom::sync::atomic::AtomicBool,
    waiting: AtomicBool,
    off: AtomicBool,
}

impl Lines {
    fn new() -> Self {
        Self {
            interrupted: loom::sync::atomic::AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            off: AtomicBool::new(false),
        }
    }
}

impl Hardware {
    fn context(&self, thread: &Thread) -> Arc<UnsafeCell<u32>> {
        let mut contexts = self.contexts.lock().unwrap();
        let fresh = || Arc::new(UnsafeCell::new(0));
        contexts
            .entry(std::ptr::from_ref(thread))
            .or_insert_with(fresh)
            .clone()
    }
}

impl Platform for Hardware {
    fn topology(&self) -> Topology {
        Topology::uniform(self.cpus.len(), self.group).with_groups(self.group)
    }
    fn cpu(&self) -> CpuId {
        CpuId::new(HERE.with(|here| here.get()))
    }
    fn now_ns(&self) -> u64 {
        self.now_ns.load(Relaxed)
    }
    fn send_reschedule(&self, cpu: CpuId) {
        let _ = self.cpus[cpu.index()].interrupted.swap(true, Release);
    }
    fn set_timer(&self, _deadline_ns: Option<u64>) {}
    unsafe fn switch(&self, prev: &Thread, next: &Thread) {
        // SAFETY: exclusive if the scheduler is right; loom checks.
        self.context(prev).with_mut(|saved| unsafe { *saved += 1 });
        // SAFETY: as above.
        self.context(next).with_mut(|saved| unsafe { *saved += 1 });
    }
    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        Ok(KernelStack::none())
    }
}

pub struct Machine(pub Scheduler<Hardware>);

impl Machine {
    /// `cpus` idle CPUs, none of which waits yet. The caller is CPU 0.
    pub fn new(cpus: usize) -> Arc<Self> {
        Self::grouped(cpus, cpus)
    }

    /// The same in groups of `group` CPUs, which share a line of masks.
    pub fn grouped(cpus: usize, group: usize) -> Arc<Self> {
        let hardware = Hardware {
            cpus: (0..cpus).map(|_| Lines::new()).collect(),
            group,
            now_ns: AtomicU64::new(1),
            contexts: Mutex::default(),
        };
        let machine = Arc::new(Self(Scheduler::new(hardware)));
        for cpu in (0..cpus).rev() {
            machine.become_cpu(cpu);
            machine.0.cpu_online(CpuId::new(cpu));
        }
        machine
    }

    pub fn become_cpu(&self, cpu: usize) {
        HERE.with(|here| here.set(cpu));
    }

    fn lines(&self, cpu: usize) -> &Lines {
        &self.0.platform().cpus[cpu]
    }

    pub fn create(&self, only_on: Option<usize>) -> ThreadRef {
        let mut spec = ThreadSpec::new("model", || {});
        spec.affinity = only_on.map(|cpu| CpuSet::single(CpuId::new(cpu)));
        self.0.create(spec).unwrap()
    }

    /// A thread that runs on the calling CPU, which was idle.
    pub fn running(&self, only_on: Option<usize>) -> ThreadRef {
        let thread = self.create(only_on);
        self.run(&thread);
        thread
    }

    /// Starts `thread` on the calling CPU, which was idle.
    pub fn run(&self, thread: &ThreadRef) {
        self.0.start(thread);
        self.0.idle_look();
        assert_eq!(self.0.current(), *thread);
    }

    /// A thread that sleeps; it last ran on the calling CPU, which was idle and is again.
    pub fn blocked(&self, only_on: Option<usize>) -> ThreadRef {
        let thread = self.running(only_on);
        assert_eq!(self.0.begin_park(None), None);
        assert_eq!(thread.phase(), Phase::Blocked);
        thread
    }

    /// Runs `act` as CPU `cpu`, beside the others.
    pub fn on(
        self: &Arc<Self>,
        cpu: usize,
        act: impl FnOnce(&Self) + 'static,
    ) -> loom::thread::JoinHandle<()> {
        let machine = self.clone();
        loom::thread::spawn(move || {
            machine.become_cpu(cpu);
            act(&machine);
        })
    }

    /// The calling CPU's idle loop until it waits or runs a thread.
    pub fn idle(&self) {
        let cpu = self.0.platform().cpu().index();
        loop {
            self.0.idle_look();
            if self.0.current_id().tid != 0 {
                return;
            }
            if self.0.begin_wait() {
                return self.lines(cpu).waiting.store(true, Relaxed);
            }
            if self.0.leave_for_good() {
                return self.lines(cpu).off.store(true, Relaxed);
            }
        }
    }

    /// Delivers the interrupts that were sent, on all CPUs, until the machine is at rest. Time
    /// stands still: what a tick would repair stays broken.
    pub fn rest(&self) {
        while let Some(cpu) = (0..self.0.cpu_count()).find(|&cpu| self.is_interrupted(cpu)) {
            self.serve(cpu);
        }
        self.become_cpu(0);
    }

    fn is_interrupted(&self, cpu: usize) -> bool {
        self.lines(cpu).interrupted.load(Acquire)
    }

    /// Whether the CPU has stopped: it takes no interrupts.
    pub fn is_off(&self, cpu: usize) -> bool {
        self.lines(cpu).off.load(Relaxed)
    }

    /// CPU `cpu`, which is off, starts again.
    pub fn start_cpu(&self, cpu: usize) {
        self.become_cpu(cpu);
        self.lines(cpu).off.store(false, Relaxed);
        self.0.cpu_online(CpuId::new(cpu));
    }

    /// Turns to CPU `cpu` and delivers its interrupt, if one was sent.
    pub fn serve(&self, cpu: usize) {
        self.become_cpu(cpu);
        if !self.lines(cpu).interrupted.swap(false, Acquire) || self.is_off(cpu) {
            return;
        }
        if self.lines(cpu).waiting.swap(false, Relaxed) {
            self.0.end_wait();
        }
        self.0.on_reschedule_ipi();
        self.0.preempt_if_needed();
        if self.0.current_id().tid == 0 {
            self.idle();
        }
    }

    /// The CPU `thread` runs on.
    pub fn runs_on(&self, thread: &ThreadRef) -> Option<usize> {
        let cpu = thread.cpu().index();
        let here = self.0.platform().cpu().index();
        self.become_cpu(cpu);
        let runs = self.0.current() == *thread && thread.phase() == Phase::Running;
        self.become_cpu(here);
        runs.then_some(cpu)
    }

    pub fn current_of(&self, cpu: usize) -> ThreadRef {
        let here = self.0.platform().cpu().index();
        self.become_cpu(cpu);
        let current = self.0.current();
        self.become_cpu(here);
        current
    }

    /// Takes the stack of a dead thread away, as the reaper would. Does not ask whether it is dead:
    /// the answer would bring across what the protocol must.
    pub fn free_stack(&self, thread: &ThreadRef) {
        // SAFETY: exclusive if the scheduler is right; loom checks.
        self.0
            .platform()
            .context(thread)
            .with_mut(|saved| unsafe { *saved = u32::MAX });
    }
}

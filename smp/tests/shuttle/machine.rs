//! A machine whose CPUs are shuttle's threads, and what must hold on it at every switch and at
//! rest.
//!
//! Interrupts are noted by the sender and taken by their CPU between two of its actions. When all
//! CPUs have done their part one thread takes over, delivers what was noted until nothing more
//! happens, and looks.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use smp::{
    CpuId, CpuSet, KernelStack, Phase, Platform, Runtime, Scheduler, SpawnError, Thread, ThreadRef,
    ThreadSpec, Topology,
};

/// Ticks a CPU gets before the machine is looked at. A thread that was stolen is not offered again
/// before it ran, so it may wait a quantum or two behind one that came between.
const TICKS: usize = 6;

shuttle::thread_local! {
    static HERE: Cell<usize> = Cell::new(0);
}

/// One CPU's lines. Plain atomics: only the scheduler's own are steps of the schedule.
#[derive(Default)]
struct Lines {
    interrupted: AtomicBool,
    /// 0: not set.
    timer_at: AtomicU64,
    waiting: AtomicBool,
}

pub struct Hardware {
    cpus: Vec<Lines>,
    now: AtomicU64,
    /// On which CPU's stack pointer a thread is. Idle threads are not in it.
    on: Mutex<HashMap<*const Thread, usize>>,
}

// SAFETY: the pointers are compared and never followed.
unsafe impl Send for Hardware {}
// SAFETY: as above.
unsafe impl Sync for Hardware {}

impl Platform for Hardware {
    fn topology(&self) -> Topology {
        Topology::uniform(self.cpus.len(), 4)
    }
    fn cpu(&self) -> CpuId {
        CpuId::new(HERE.with(|here| here.get()))
    }
    fn now_ns(&self) -> u64 {
        self.now.load(Relaxed)
    }
    fn send_reschedule(&self, cpu: CpuId) {
        self.cpus[cpu.index()].interrupted.store(true, Relaxed);
    }
    fn set_timer(&self, deadline_ns: Option<u64>) {
        let timer_at = &self.cpus[self.cpu().index()].timer_at;
        timer_at.store(deadline_ns.unwrap_or(0), Relaxed);
    }
    /// The stacks change hands here: nobody else may still be on the one that comes.
    unsafe fn switch(&self, prev: &Thread, next: &Thread) {
        let here = self.cpu().index();
        let mut on = self.on.lock().unwrap();
        if next.id().tid != 0 {
            let other = on.insert(next, here);
            assert_eq!(other, None, "thread {} is on two CPUs", next.id().tid);
        }
        if prev.id().tid != 0 {
            assert_eq!(on.remove(&std::ptr::from_ref(prev)), Some(here));
        }
    }
    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        Ok(KernelStack::none())
    }
}

pub struct Machine(pub Scheduler<Hardware>);

impl Machine {
    /// `cpus` CPUs, online and idle. The caller is CPU 0.
    pub fn new(cpus: usize) -> Arc<Self> {
        let hardware = Hardware {
            cpus: (0..cpus).map(|_| Lines::default()).collect(),
            now: AtomicU64::new(1),
            on: Mutex::default(),
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

    pub fn here(&self) -> usize {
        self.0.platform().cpu().index()
    }

    fn lines(&self, cpu: usize) -> &Lines {
        &self.0.platform().cpus[cpu]
    }

    pub fn start(&self) -> ThreadRef {
        let thread = self.0.create(ThreadSpec::new("model", || {})).unwrap();
        self.0.start(&thread);
        thread
    }

    pub fn is_idle(&self) -> bool {
        self.0.current_id().tid == 0
    }

    /// The idle loop, until the CPU waits or runs a thread.
    pub fn idle(&self) {
        while self.is_idle() {
            self.0.idle_look();
            if self.is_idle() && self.0.begin_wait() {
                return self.lines(self.here()).waiting.store(true, Relaxed);
            }
        }
    }

    /// Whether an interrupt of the calling CPU is due; the timer, if `time` may pass for it.
    fn due(&self, cpu: usize, time: bool) -> bool {
        let lines = self.lines(cpu);
        lines.interrupted.load(Relaxed) || time && lines.timer_at.load(Relaxed) != 0
    }

    /// Takes the calling CPU's interrupts, if any are due, and runs what should run then.
    pub fn serve(&self, time: bool) {
        if self.due(self.here(), time) {
            self.interrupt(time);
        }
        self.0.preempt_if_needed();
        if !self.lines(self.here()).waiting.load(Relaxed) {
            self.idle();
        }
    }

    fn interrupt(&self, time: bool) {
        let lines = self.lines(self.here());
        if lines.waiting.swap(false, Relaxed) {
            self.0.end_wait();
        }
        if lines.interrupted.swap(false, Relaxed) {
            self.0.on_reschedule_ipi();
        }
        let at = lines.timer_at.load(Relaxed);
        if time && at != 0 {
            lines.timer_at.store(0, Relaxed);
            self.0.platform().now.fetch_max(at, Relaxed);
            self.0.on_timer();
        }
    }

    /// Lets the machine come to rest: delivers what was sent until nothing more happens, with
    /// ticks in between for each CPU that has one. What only waits for its tick is not lost.
    pub fn rest(&self) {
        self.deliver();
        for _ in 0..TICKS {
            for cpu in 0..self.0.cpu_count() {
                self.become_cpu(cpu);
                self.serve(true);
            }
            self.deliver();
        }
        self.become_cpu(0);
    }

    fn deliver(&self) {
        let cpus = 0..self.0.cpu_count();
        while let Some(cpu) = cpus.clone().find(|&cpu| self.due(cpu, false)) {
            self.become_cpu(cpu);
            self.serve(false);
        }
    }

    /// What holds at rest: who runs does so once and where it may, who is ready can be found, and
    /// nobody waits for a CPU while one that it may use does nothing.
    pub fn check(&self, threads: &[ThreadRef]) {
        for thread in threads {
            let tid = thread.id().tid;
            match (thread.phase(), self.runs_on(thread)) {
                (Phase::Running, Some(cpu)) => {
                    let allowed = thread.affinity().contains(CpuId::new(cpu));
                    assert!(allowed, "affinity breach: thread {tid} runs on {cpu}");
                }
                (Phase::Ready, None) => self.check_nobody_idles(thread),
                (Phase::Blocked, None) => {}
                other => panic!("lost: thread {tid}: {other:?}"),
            }
        }
        self.put_all_to_sleep();
        for thread in threads {
            let found = thread.phase() == Phase::Blocked;
            assert!(
                found,
                "lost: thread {} waits and nobody finds it",
                thread.id().tid
            );
        }
    }

    fn runs_on(&self, thread: &ThreadRef) -> Option<usize> {
        let on = self.0.platform().on.lock().unwrap();
        on.get(&std::ptr::from_ref::<Thread>(thread)).copied()
    }

    /// For threads that may run anywhere: others may wait for a quantum (docs/scheduler.md).
    fn check_nobody_idles(&self, thread: &ThreadRef) {
        let idle = |cpu: usize| self.lines(cpu).waiting.load(Relaxed);
        let unrestricted = thread.affinity() == CpuSet::ALL && thread.params().priority() == 0;
        let idles = unrestricted && (0..self.0.cpu_count()).any(idle);
        assert!(
            !idles,
            "lost: thread {} waits beside an idle CPU",
            thread.id().tid
        );
    }

    /// Lets whoever can be found run, and park.
    fn put_all_to_sleep(&self) {
        let cpus = 0..self.0.cpu_count();
        let busy = |cpu: usize| {
            self.become_cpu(cpu);
            !self.is_idle()
        };
        while let Some(cpu) = cpus.clone().find(|&cpu| busy(cpu)) {
            self.become_cpu(cpu);
            let _ = self.0.begin_park(None);
            self.idle();
            self.deliver();
        }
    }
}

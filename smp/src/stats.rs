//! Counters people read: per thread and per CPU. No decision depends on them.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::stopwatch::Stopwatch;
use crate::thread::ThreadId;

/// A snapshot of one thread's history. All times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadStats {
    /// Time on a CPU.
    pub run_ns: u64,
    /// Part of `run_ns` spent in user mode; the rest is system time.
    pub user_ns: u64,
    /// Time ready but not running.
    pub wait_ns: u64,
    /// Times it gave up the CPU by itself (park, yield).
    pub voluntary: u64,
    /// Times it was preempted.
    pub involuntary: u64,
    /// Times it started running on another CPU than before.
    pub migrations: u64,
    /// Times it was put on a CPU.
    pub runs: u64,
    /// Its CPU time divided by its weight and the time its request was due, both on the virtual
    /// clock of the queue it was put into last.
    pub virtual_start_ns: u64,
    pub virtual_deadline_ns: u64,
}

impl ThreadStats {
    pub fn system_ns(&self) -> u64 {
        self.run_ns.saturating_sub(self.user_ns)
    }
}

/// A snapshot of one CPU's history and state. All times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    pub online: bool,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// Threads this CPU took from another CPU's shelf.
    pub steals: u64,
    /// Cache lines that other CPUs write, looked at in search of work.
    pub probes: u64,
    /// The same in search of a CPU for a thread.
    pub looks: u64,
    /// Threads that started running here after running elsewhere (steals included).
    pub migrations: u64,
    pub ipis_sent: u64,
    pub ipis_received: u64,
    /// Timer interrupts.
    pub timer_irqs: u64,
    /// Times a thread yielded here.
    pub yields: u64,
    /// Times the CPU looked for a thread to run.
    pub schedules: u64,
    /// Times it found none and went idle.
    pub idles: u64,
    /// Blocked threads it made ready, and those of them it kept.
    pub wakes: u64,
    pub local_wakes: u64,
    /// Times a thread was put on this CPU, and how long they had waited for it together.
    pub runs: u64,
    pub wait_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    pub irq_ns: u64,
    pub idle_ns: u64,
    /// Threads ready to run here, the running one not counted.
    pub nr_ready: u32,
    /// The thread running here; `None` when idle.
    pub current: Option<ThreadId>,
}

impl CpuStats {
    pub fn switches(&self) -> u64 {
        self.voluntary_switches + self.involuntary_switches
    }

    pub fn busy_ns(&self) -> u64 {
        self.user_ns + self.system_ns + self.irq_ns
    }
}

/// The live counters behind [`ThreadStats`]: written by the CPU that runs the thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadCounters {
    /// While it is on a CPU, and while that is in user mode. A thread alone on its CPU may run for
    /// long without an event.
    pub run: Stopwatch,
    pub user: Stopwatch,
    pub wait_ns: AtomicU64,
    pub voluntary: AtomicU64,
    pub involuntary: AtomicU64,
    pub migrations: AtomicU64,
    /// Where it was on the virtual clock when it was last queued.
    pub virtual_start: AtomicU64,
    pub virtual_deadline: AtomicU64,
}

impl ThreadCounters {
    pub fn snapshot(&self, now_ns: u64) -> ThreadStats {
        let (voluntary, involuntary) = (&self.voluntary, &self.involuntary);
        let (voluntary, involuntary) = (voluntary.load(Relaxed), involuntary.load(Relaxed));
        ThreadStats {
            run_ns: self.run.read(now_ns),
            user_ns: self.user.read(now_ns),
            wait_ns: self.wait_ns.load(Relaxed),
            voluntary,
            involuntary,
            migrations: self.migrations.load(Relaxed),
            runs: voluntary + involuntary + u64::from(self.run.is_on()),
            virtual_start_ns: self.virtual_start.load(Relaxed),
            virtual_deadline_ns: self.virtual_deadline.load(Relaxed),
        }
    }
}

/// Adds to a counter that only one CPU writes at a time: no atomic read-modify-write needed.
#[inline(always)]
pub(crate) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

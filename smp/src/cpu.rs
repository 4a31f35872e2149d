//! What each CPU has: a part others may touch, and a part only its owner does.

use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use percpu::CpuId;

use crate::account::{ClassTimes, TimeClass};
use crate::checks::placement::Exits;
use crate::control_word::ControlWord;
use crate::fair::FairQueue;
use crate::fair_server::FairServer;
use crate::hand_on::Holding;
use crate::inbox::{ControlLink, Inbox, ReadyLink};
use crate::realtime::RealtimeQueue;
use crate::shelf::Shelf;
use crate::sleep::SleepQueue;
use crate::stats::CpuStats;
use crate::sync;
use crate::thread::{Thread, ThreadId, ThreadRef};
use crate::tick::NEVER;

/// One CPU, on cache lines of its own.
#[repr(align(128))]
pub(crate) struct Cpu {
    pub shared: Shared,
    pub stats: Stats,
    pub time: ClassTimes,
    pub local: UnsafeCell<Local>,
}

/// Touched by any CPU.
pub(crate) struct Shared {
    pub control: ControlWord,
    pub inbox: Inbox<ReadyLink>,
    pub controls: Inbox<ControlLink>,
    pub shelf: Shelf,
    pub sleepers: SleepQueue,
    pub hints: Hints,
    pub holding: Holding,
}

/// Written by the owner, read by others to choose well; nothing depends on them being fresh.
#[derive(Default)]
pub(crate) struct Hints {
    pub online: AtomicBool,
    /// Ready threads, the running one not counted.
    pub nr_ready: AtomicU32,
    /// The fair weight of the running thread, 0 when idle; and of those that wait (`balance.rs`).
    pub running_weight: AtomicU64,
    pub waiting_weight: AtomicU64,
    /// Real-time priority of the running thread; 0 for a fair one or idle. See `hand_on.rs`.
    pub priority: sync::AtomicU32,
    /// When it last gave a thread away because it was its turn (`rotate.rs`).
    pub gave_ns: AtomicU64,
    /// The running thread: tid high, generation low; 0 when idle.
    pub current: AtomicU64,
    /// Since when the CPU sleeps; 0 while it does not.
    pub asleep_since_ns: AtomicU64,
}

/// Written by the owner, read by people.
#[derive(Default)]
pub(crate) struct Stats {
    pub voluntary: AtomicU64,
    pub involuntary: AtomicU64,
    pub steals: AtomicU64,
    pub probes: AtomicU64,
    pub looks: AtomicU64,
    pub migrations: AtomicU64,
    pub ipis_sent: AtomicU64,
    pub ipis_received: AtomicU64,
    pub timer_irqs: AtomicU64,
    pub yields: AtomicU64,
    pub schedules: AtomicU64,
    pub idles: AtomicU64,
    pub wakes: AtomicU64,
    pub local_wakes: AtomicU64,
    pub wait_ns: AtomicU64,
}

/// Touched by the owner with IRQs masked, through one `Owner` at a time.
pub(crate) struct Local {
    current: *const Thread,
    pub idle: Arc<Thread>,
    /// They are the same.
    runs_idle: bool,
    pub tail: Tail,
    pub fair: FairQueue,
    pub realtime: RealtimeQueue,
    pub fair_server: FairServer,
    /// The CPU goes off: nothing may be queued here any more.
    pub leaving: bool,
    /// A CPU that suits the running thread better is idle.
    pub misplaced: bool,
    /// Mirrors `hints.priority`.
    pub published_priority: u32,
    /// It went down, and nobody has been asked yet for something more urgent.
    pub dropped: bool,
    /// Others may still believe that something waits here for them (`overloaded`, `holding`), or that
    /// this CPU looks for what waits elsewhere (`kicked`).
    pub told: bool,
    /// It was asked to look for surplus and has not looked since.
    pub kicked: bool,
    /// The running thread should give way.
    pub need: bool,
    /// ... even if no better one waits (chaos only).
    pub forced: bool,
    /// For the checkers.
    pub exits: Exits,
    /// Mirrors TICK_OFF of the control word.
    pub tick_off: bool,
    /// When the running thread's time is up, if anybody waits; else [`NEVER`], as below.
    pub quantum_end_ns: u64,
    pub next_sleeper_ns: u64,
    /// The deadline of the timer queue of the blocking layer.
    pub next_timer_ns: u64,
    /// What the hardware timer is set to.
    pub armed_ns: u64,
    /// Up to when the running thread has been charged.
    pub charged_ns: u64,
}

/// What remains to be done for the thread that was switched away from, once its context is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing (the idle thread, or no switch).
    None,
    Park(*const Thread),
    Requeue(*const Thread),
    Bury(*const Thread),
}

impl Cpu {
    /// One of several, or the only one.
    pub fn new(cpu: CpuId, alone: bool) -> Self {
        let idle = ThreadRef::new_idle(cpu).0;
        Self {
            shared: Shared {
                control: ControlWord::new(),
                inbox: Inbox::new(),
                controls: Inbox::new(),
                shelf: Shelf::new(),
                sleepers: SleepQueue::new(cpu),
                hints: Hints::default(),
                holding: Holding::new(),
            },
            stats: Stats::default(),
            time: ClassTimes::default(),
            local: UnsafeCell::new(Local {
                current: Arc::as_ptr(&idle),
                idle,
                runs_idle: true,
                tail: Tail::None,
                fair: FairQueue::new(cpu, alone),
                realtime: RealtimeQueue::new(cpu, alone),
                fair_server: FairServer::new(),
                leaving: false,
                misplaced: false,
                published_priority: 0,
                dropped: false,
                told: false,
                kicked: false,
                need: false,
                forced: false,
                exits: Exits::default(),
                tick_off: true,
                quantum_end_ns: NEVER,
                next_sleeper_ns: NEVER,
                next_timer_ns: NEVER,
                armed_ns: NEVER,
                charged_ns: 0,
            }),
        }
    }
}

impl Local {
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        self.runs_idle
    }

    #[inline(always)]
    pub fn current(&self) -> *const Thread {
        self.current
    }

    #[inline(always)]
    pub fn set_current(&mut self, thread: *const Thread) {
        self.current = thread;
        self.runs_idle = core::ptr::eq(thread, Arc::as_ptr(&self.idle));
    }

    /// Whether fair threads wait that real time owes some of its share.
    pub fn fair_goes_first(&self) -> bool {
        self.fair_server.is_spent() && self.fair.len() > 0
    }

    pub fn waiting(&self) -> usize {
        self.fair.len() + self.realtime.len()
    }
}

impl Cpu {
    /// What people see. Counters are read one by one: the picture may be blurred by a few events.
    pub fn snapshot(&self, now: u64) -> CpuStats {
        let Self { stats, shared, .. } = self;
        let online = shared.hints.online.load(Relaxed);
        let class_ns = self.time.snapshot(now);
        let current = shared.hints.current.load(Relaxed);
        let (voluntary, involuntary) = (&stats.voluntary, &stats.involuntary);
        let (voluntary, involuntary) = (voluntary.load(Relaxed), involuntary.load(Relaxed));
        CpuStats {
            online,
            voluntary_switches: voluntary,
            involuntary_switches: involuntary,
            steals: stats.steals.load(Relaxed),
            probes: stats.probes.load(Relaxed),
            looks: stats.looks.load(Relaxed),
            migrations: stats.migrations.load(Relaxed),
            ipis_sent: stats.ipis_sent.load(Relaxed),
            ipis_received: stats.ipis_received.load(Relaxed),
            timer_irqs: stats.timer_irqs.load(Relaxed),
            yields: stats.yields.load(Relaxed),
            schedules: stats.schedules.load(Relaxed),
            idles: stats.idles.load(Relaxed),
            wakes: stats.wakes.load(Relaxed),
            local_wakes: stats.local_wakes.load(Relaxed),
            // Each began a run that has ended, or is the present one.
            runs: voluntary + involuntary + u64::from(current != 0),
            wait_ns: stats.wait_ns.load(Relaxed),
            user_ns: class_ns[TimeClass::User as usize],
            system_ns: class_ns[TimeClass::System as usize],
            irq_ns: class_ns[TimeClass::Irq as usize],
            idle_ns: class_ns[TimeClass::Idle as usize],
            nr_ready: shared.hints.nr_ready.load(Relaxed),
            current: (current != 0).then_some(ThreadId {
                tid: (current >> 32) as u32,
                generation: current as u32,
            }),
        }
    }
}

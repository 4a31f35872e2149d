//! Scheduling for symmetric multiprocessors: who runs where, when, and how it waits.
//!
//! The crate has two halves that meet in [`runtime`]:
//! * the *core*, [`Scheduler`], generic over the narrow hardware trait [`Platform`] and over the
//!   atomics shim [`sync`], so that the kernel, the loom models and the host simulator all drive
//!   the very same code;
//! * the *blocking layer* (locks, wait queues, observers, timers), which reaches the core only
//!   through the free functions re-exported here.
//!
//! Off the target (host tests of other crates) the free functions are backed by std threads, so
//! that blocking really blocks.
#![no_std]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

mod above;
pub mod account;
mod affinity;
mod ascending;
mod balance;
pub mod barriers;
mod body;
mod bulk;
mod capacity;
pub mod chaos;
pub mod checks;
mod control_word;
mod cpu;
mod cpu_mask;
mod demand;
mod doorway;
mod fair;
pub mod fair_server;
mod hand_on;
mod held;
#[cfg(not(target_os = "none"))]
mod host;
mod identity;
mod idle;
mod inbox;
mod join;
mod line;
mod magic;
mod map;
mod numbers;
mod offers;
mod offline;
mod ordered;
mod owner;
pub mod params;
mod placement;
pub mod platform;
mod realtime;
mod registry;
mod roamers;
mod rotate;
mod run_queue;
pub mod runtime;
pub mod scheduler;
mod search;
mod share;
mod shelf;
mod sleep;
pub mod spec;
mod state;
pub mod stats;
mod steal;
mod stopwatch;
mod switch;
pub mod sync;
pub mod thread;
mod tick;
pub mod topology;
pub mod trace;

// The blocking layer.
pub mod condvar;
pub mod event;
pub mod kthread;
pub mod mutex;
mod observers;
pub(crate) mod parker;
pub mod pi;
pub mod rw_lock;
pub mod semaphore;
pub mod spinlock;
#[cfg(all(test, not(loom)))]
mod testing;
pub mod timeout;
pub mod timers;
pub mod wait_queue;

pub use percpu::{CpuId, CpuSet};

#[cfg(loom)]
pub use above::Above;
pub use bulk::BulkTransfer;
pub use condvar::Condvar;
pub use doorway::Doorway;
pub use event::{Event, Unsignal};
pub use identity::{STACK_BLOCK, STACK_TOP_RESERVED};
pub use kthread::KernelThread;
pub use mutex::{Mutex, MutexGuard};
pub use observers::{Observer, Observers};
#[cfg(loom)]
pub use parker::{Sleeper, sleeper};
pub use rw_lock::RwLock;
pub use semaphore::Semaphore;
pub use spinlock::{SpinLock, SpinLockGuard};
pub use timeout::Timeout;
pub use timers::Timer;
pub use wait_queue::{TimedOut, WaitQueue};

pub use offline::OfflineError;
pub use params::Params;
pub use platform::{KernelStack, Platform, Topology};
pub use realtime::TURN_NS as ROUND_ROBIN_TURN_NS;
pub use runtime::{
    Runtime, Unparked, begin_offline, cpu_online, cpu_stats, create, current, current_id, discard,
    exit, find_thread, finish_offline, install_runtime, now_ns, on_reschedule_ipi, on_timer,
    online_cpus, park, power_saving, preempt_if_needed, realtime_limit, run_idle, set_power_saving,
    spawn, start, threads, threads_from, yield_now,
};
pub use scheduler::Scheduler;
pub use spec::{AffinityError, Policy, SpawnError, ThreadSpec};
pub use stats::{CpuStats, ThreadStats};
pub use thread::{Phase, Thread, ThreadId, ThreadRef};

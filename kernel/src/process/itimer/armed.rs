//! One timer: armed, fired, parked.

use super::setting::{First, Remaining, Setting};
use super::{Clock, Notice, TimerId};
use crate::process::cpu_time::{CpuTimer, Place};
use crate::process::signal::{SigInfo, Signal, send};
use crate::process::{Process, table};
use alloc::sync::Arc;
use smp::{SpinLock, timers::Timer};

/// A timer's setting, and whether it waits for its last signal to be taken.
#[derive(Default)]
struct State {
    setting: Setting,
    parked: bool,
}

/// A timer whose signal nobody will take, because it is ignored, fires no more often than this.
pub(super) const UNHEARD_PERIOD_NS: u64 = 10_000_000;

/// What tells a timer that its moment has come.
enum Alarm {
    Monotonic(Timer),
    Cpu(CpuTimer),
}

impl Alarm {
    /// `callback` gets what the clock shows.
    fn new(clock: &Clock, callback: impl Fn(u64) + Send + Sync + 'static) -> Self {
        match clock {
            Clock::Real | Clock::Monotonic => {
                Self::Monotonic(Timer::new(move || callback(smp::now_ns())))
            }
            Clock::Cpu(clock) => Self::Cpu(CpuTimer::new(clock.clone(), callback)),
        }
    }

    /// The clock shows no more than `now_ns`.
    fn arm(&self, moment_ns: u64, now_ns: u64) {
        match self {
            Self::Monotonic(timer) => timer.arm(moment_ns),
            Self::Cpu(timer) => timer.arm(moment_ns, now_ns),
        }
    }

    fn cancel(&self) {
        match self {
            Self::Monotonic(timer) => drop(timer.cancel()),
            Self::Cpu(timer) => timer.cancel(),
        }
    }
}

pub(super) struct Armed {
    alarm: Alarm,
    state: Arc<SpinLock<State>>,
    pub clock: Clock,
    _place: Option<Place>,
}

impl Armed {
    /// A timer of process `pid` that is not set. The process is looked up when it fires: a timer
    /// keeps nothing alive.
    pub fn new(process: &Arc<Process>, clock: Clock, place: Option<Place>, notice: Notice) -> Self {
        let state = Arc::new(SpinLock::new(State::default()));
        let owner = Arc::downgrade(process);
        let own_state = state.clone();
        let alarm = Alarm::new(&clock, move |now_ns| {
            if let Some(process) = owner.upgrade() {
                fire(&process, &own_state, now_ns, notice);
            }
        });
        Self {
            alarm,
            state,
            clock,
            _place: place,
        }
    }

    pub fn set(&self, first: First, interval_ns: u64) -> Remaining {
        self.alarm.cancel();
        let now_ns = self.clock.now_ns();
        let setting = Setting::new(first, interval_ns, now_ns);
        let new = State {
            setting,
            parked: false,
        };
        let old = core::mem::replace(&mut *self.state.lock(), new);
        if setting.next_ns != 0 {
            self.alarm.arm(setting.next_ns, now_ns);
        }
        old.setting.at(now_ns)
    }

    pub fn get(&self) -> Remaining {
        let now_ns = self.clock.now_ns();
        self.state.lock().setting.at(now_ns)
    }

    /// Arms a parked timer, not to fire before `earliest_ns`, which is asked only then; returns how
    /// often it should have.
    pub fn resume(&self, earliest_ns: impl FnOnce(&Clock) -> u64) -> u64 {
        let mut state = self.state.lock();
        if !core::mem::take(&mut state.parked) {
            return 0;
        }
        let earliest_ns = earliest_ns(&self.clock);
        let due = state.setting.next_ns < earliest_ns;
        let (next, missed) = if due {
            state.setting.advance(earliest_ns)
        } else {
            (state.setting, 0)
        };
        state.setting = next;
        self.alarm.arm(next.next_ns, earliest_ns);
        missed + u64::from(due)
    }
}

/// In interrupt context.
fn fire(process: &Arc<Process>, state: &SpinLock<State>, now_ns: u64, notice: Notice) {
    let missed = {
        let mut state = state.lock();
        if state.setting.next_ns == 0 || now_ns < state.setting.next_ns {
            return; // set anew, and armed, while this was on its way
        }
        let (next, missed) = state.setting.advance(now_ns);
        // Before the signal is sent: it may be taken at once, on another CPU.
        *state = State {
            setting: next,
            parked: next.next_ns != 0,
        };
        missed
    };
    let (id, queued) = match notice {
        Notice::Interval(which) => (
            TimerId::Interval(which),
            interval_signal(process, which.signal()),
        ),
        Notice::Posix {
            id,
            signal,
            value,
            thread,
        } => (
            TimerId::Posix(id),
            notify(process, id, signal, value, thread, missed as u32),
        ),
        Notice::None { id } => (TimerId::Posix(id), false),
    };
    if !queued {
        process.timers.resume(id, |_| now_ns + UNHEARD_PERIOD_NS);
    }
}

/// Sends an interval timer's signal; whether it is pending now.
fn interval_signal(process: &Arc<Process>, signal: Signal) -> bool {
    let _ = send::send_to_process(process, SigInfo::kernel(signal));
    process.state.lock().pending.set().contains(signal)
}

/// Sends a POSIX timer's signal; whether it is queued now.
fn notify(
    process: &Arc<Process>,
    id: u32,
    signal: Signal,
    value: u64,
    thread: Option<u32>,
    missed: u32,
) -> bool {
    if count_overrun(process, id, missed + 1) {
        return true;
    }
    let info = SigInfo::timer(signal, id, missed, value);
    let task = thread
        .and_then(|tid| table::task(tid).ok())
        .filter(|task| Arc::ptr_eq(task.process(), process));
    // A full queue loses the signal, as in Linux.
    let _ = match (thread, task) {
        (Some(_), Some(task)) => send::send_to_thread(&task, info),
        (Some(_), None) => Ok(()),
        (None, _) => send::send_to_process(process, info),
    };
    count_overrun(process, id, 0)
}

/// If the timer's last signal is still queued, only counts.
fn count_overrun(process: &Process, id: u32, more: u32) -> bool {
    let mut state = process.state.lock();
    if let Some(info) = state.pending.timer_info(id) {
        info.set_overrun((info.uid()).saturating_add(more));
        return true;
    }
    state.threads.iter().any(|task| {
        let mut own = task.signals.lock();
        own.pending
            .timer_info(id)
            .map(|info| info.set_overrun(info.uid().saturating_add(more)))
            .is_some()
    })
}

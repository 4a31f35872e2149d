//! Timers on clocks of processor time.

use super::CpuClock;
use crate::process::task::Attention;
use crate::process::{CpuTimes, Current, Process};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smp::{SpinLock, timers::Timer};
use spin::Once;

/// The alarm comes no sooner than this after it was set, nor than [`STEP_PER_THREAD_NS`] for each
/// thread, whose times it looks at: so it costs a process little, however short its timers are.
/// They fire that much late at most, as Linux's do by up to a tick.
const STEP_NS: u64 = 1_000_000;
const STEP_PER_THREAD_NS: u64 = 1_000;

/// The most timers that one alarm fires: something more urgent must not wait for them all.
const MAX_EXPIRED: usize = 16;

/// Fires when a [`CpuClock`] shows a certain time. Dropping it disarms it.
pub struct CpuTimer(Arc<Inner>);

struct Inner {
    clock: CpuClock,
    callback: Box<dyn Fn() + Send + Sync>,
}

impl CpuTimer {
    /// A timer that is not armed. `callback` runs in interrupt context.
    pub fn new(clock: CpuClock, callback: impl Fn() + Send + Sync + 'static) -> Self {
        let callback = Box::new(callback);
        Self(Arc::new(Inner { clock, callback }))
    }

    /// Fires when the clock shows `deadline_ns`; replaces an earlier arming.
    pub fn arm(&self, deadline_ns: u64) {
        self.change(Some(deadline_ns));
    }

    pub fn cancel(&self) {
        self.change(None);
    }

    /// What its clock shows, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.0.clock.now_ns()
    }

    fn change(&self, deadline_ns: Option<u64>) {
        // Nobody uses the time of a process that is gone.
        let Some(process) = self.0.clock.process() else {
            return;
        };
        let mut armed = process.cpu_alarm.armed.lock();
        armed.retain(|(_, timer)| !Arc::ptr_eq(timer, &self.0));
        let Some(deadline_ns) = deadline_ns else {
            return;
        };
        armed.push((deadline_ns, self.0.clone()));
        drop(armed);
        set(&process);
    }
}

impl Drop for CpuTimer {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// A process's: the timers on its time, and what looks after them.
#[derive(Default)]
pub struct CpuAlarm {
    /// With what their clocks are to show.
    armed: SpinLock<Vec<(u64, Arc<Inner>)>>,
    alarm: Once<Timer>,
}

impl CpuAlarm {
    /// How long until the first of them is due, if one thread after the other runs.
    fn left_ns(&self, times: CpuTimes) -> Option<u64> {
        let left = |(deadline, timer): &(u64, Arc<Inner>)| {
            deadline.saturating_sub(timer.clock.shows(times))
        };
        self.armed.lock().iter().map(left).min()
    }

    fn take_due(&self, times: CpuTimes) -> Option<Arc<Inner>> {
        let mut armed = self.armed.lock();
        let is_due = |(deadline, timer): &(u64, Arc<Inner>)| *deadline <= timer.clock.shows(times);
        let place = armed.iter().position(is_due)?;
        Some(armed.swap_remove(place).1)
    }
}

/// Sets the alarm for when the first timer can be due, if there is any.
fn set(process: &Arc<Process>) {
    let Some(left_ns) = process.cpu_alarm.left_ns(process.cpu_times()) else {
        return;
    };
    let threads = process.thread_count().max(1) as u64;
    let at_once = threads.min(crate::machine::get().cpus.len() as u64);
    let least_ns = STEP_NS.max(threads * STEP_PER_THREAD_NS);
    let wait_ns = (left_ns / at_once).max(least_ns);
    let alarm = process.cpu_alarm.alarm.call_once(|| {
        let process = Arc::downgrade(process);
        Timer::new(move || {
            if let Some(process) = process.upgrade() {
                look(&process);
            }
        })
    });
    alarm.arm(smp::now_ns().saturating_add(wait_ns));
}

/// The alarm has come.
fn look(process: &Arc<Process>) {
    let (own, times) = (&process.cpu_alarm, process.cpu_times());
    for timer in (0..MAX_EXPIRED).map_while(|_| own.take_due(times)) {
        (timer.callback)();
    }
    if own.armed.lock().is_empty() {
        return;
    }
    // In this order: who begins to run after the second look finds the attention raised.
    if process.runs() || raised_and_runs(process) {
        set(process);
    }
}

/// Has whoever goes back to user mode set the alarm; says whether one runs already. A thread that is
/// being made is forgotten, but not its maker.
fn raised_and_runs(process: &Process) -> bool {
    process.each_thread(|task| task.raise(Attention::CPU_TIME));
    process.runs()
}

/// A thread with [`Attention::CPU_TIME`] is about to go back to user mode.
pub fn go_on(current: &Current) {
    current.lower(Attention::CPU_TIME);
    set(current.process());
}

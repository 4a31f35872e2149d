//! What looks after the timers on a process's time.

use super::timer::Inner;
use crate::process::task::Attention;
use crate::process::{CpuTimes, Current, Process, Task};
use alloc::sync::Arc;
use alloc::vec::Vec;
use smp::{SpinLock, timers::Timer};

/// The alarm comes no sooner than this after it was set, nor than [`STEP_PER_THREAD_NS`] for each
/// thread, whose times it looks at: so it costs a process little, however short its timers are.
/// They fire that much late at most, as Linux's do by up to a tick.
const STEP_NS: u64 = 1_000_000;
const STEP_PER_THREAD_NS: u64 = 1_000;

/// The most timers that one alarm fires: something more urgent must not wait for them all.
const MAX_EXPIRED: usize = 16;

/// A process's.
#[derive(Default)]
pub struct CpuAlarm(SpinLock<State>);

#[derive(Default)]
struct State {
    /// The timers, with what their clocks are to show.
    armed: Vec<(u64, Arc<Inner>)>,
    set: Option<Set>,
    timer: Option<Timer>,
}

/// The alarm is on its way, and comes no later than any timer can be due.
struct Set {
    moment_ns: u64,
    /// As long as no more threads than this run.
    at_once: u64,
}

impl State {
    fn remove(&mut self, timer: &Arc<Inner>) {
        self.armed.retain(|(_, armed)| !Arc::ptr_eq(armed, timer));
    }

    /// A timer that is due, and what its clock shows.
    fn take_due(&mut self, times: CpuTimes) -> Option<(Arc<Inner>, u64)> {
        let shown = |(deadline, timer): &(u64, Arc<Inner>)| {
            let now_ns = timer.clock.shows(times);
            (*deadline <= now_ns).then_some(now_ns)
        };
        let due = |(place, armed)| shown(armed).map(|now_ns| (place, now_ns));
        let (place, now_ns) = self.armed.iter().enumerate().find_map(due)?;
        Some((self.armed.swap_remove(place).1, now_ns))
    }

    /// How long until the first of them is due, if one thread after the other runs.
    fn left_ns(&self, times: CpuTimes) -> Option<u64> {
        let left = |(deadline, timer): &(u64, Arc<Inner>)| {
            deadline.saturating_sub(timer.clock.shows(times))
        };
        self.armed.iter().map(left).min()
    }

    /// Sets the alarm for a timer that has `left_ns`. It is never put off: who sets timers again
    /// and again would not be stopped by one set before.
    fn set(&mut self, process: &Arc<Process>, left_ns: u64) {
        let threads = process.thread_count() as u64;
        let at_once = at_once(threads);
        let moment_ns = smp::now_ns().saturating_add(wait_ns(left_ns, threads, at_once));
        if let Some(set) = &mut self.set
            && set.moment_ns <= moment_ns
        {
            set.at_once = set.at_once.max(at_once);
            return;
        }
        self.set = Some(Set { moment_ns, at_once });
        let timer = self.timer.get_or_insert_with(|| looks_at(process));
        timer.arm(moment_ns);
    }

    /// Whether the alarm is set, and no more threads can run than when it was.
    fn is_right(&self, process: &Process) -> bool {
        let at_once = at_once(process.thread_count() as u64);
        self.set.as_ref().is_some_and(|set| at_once <= set.at_once)
    }

    fn set_for_all(&mut self, process: &Arc<Process>) {
        if let Some(left_ns) = self.left_ns(process.cpu_times()) {
            self.set(process, left_ns);
        }
    }
}

/// How many of so many threads can run at a time.
fn at_once(threads: u64) -> u64 {
    threads.clamp(1, crate::machine::get().cpus.len() as u64)
}

fn wait_ns(left_ns: u64, threads: u64, at_once: u64) -> u64 {
    (left_ns / at_once).max(STEP_NS.max(threads * STEP_PER_THREAD_NS))
}

fn looks_at(process: &Arc<Process>) -> Timer {
    let process = Arc::downgrade(process);
    Timer::new(move || {
        if let Some(process) = process.upgrade() {
            look(&process);
        }
    })
}

/// Arms a timer; its clock shows no more than `now_ns`.
pub(super) fn add(process: &Arc<Process>, timer: &Arc<Inner>, deadline_ns: u64, now_ns: u64) {
    let mut state = process.cpu_alarm.0.lock();
    state.remove(timer);
    state.armed.push((deadline_ns, timer.clone()));
    match state.is_right(process) {
        true => state.set(process, deadline_ns.saturating_sub(now_ns)),
        false => state.set_for_all(process),
    }
}

/// Disarms it. An alarm that was set for it comes for nothing.
pub(super) fn remove(process: &Process, timer: &Arc<Inner>) {
    process.cpu_alarm.0.lock().remove(timer);
}

/// The alarm has come.
fn look(process: &Arc<Process>) {
    let alarm = &process.cpu_alarm.0;
    alarm.lock().set = None;
    let times = process.cpu_times();
    let due = || alarm.lock().take_due(times);
    for (timer, now_ns) in (0..MAX_EXPIRED).map_while(|_| due()) {
        (timer.callback)(now_ns);
    }
    let left_ns = {
        let mut state = alarm.lock();
        state.armed.retain(|(_, timer)| !timer.clock.has_ended());
        state.left_ns(times)
    };
    // In this order: who begins to run after the second look finds the attention raised.
    if let Some(left_ns) = left_ns
        && (process.runs() || raised_and_runs(process))
    {
        alarm.lock().set(process, left_ns);
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
    let process = current.process();
    let mut state = process.cpu_alarm.0.lock();
    if !state.is_right(process) {
        state.set_for_all(process);
    }
}

/// The process has a thread more, which has not run: time goes faster from now on.
pub fn joined(task: &Task) {
    if task.process().cpu_alarm.0.lock().set.is_some() {
        task.raise(Attention::CPU_TIME);
    }
}

/// The process has ended: nothing waits for its time any more.
pub fn end(process: &Process) {
    let _ended = core::mem::take(&mut *process.cpu_alarm.0.lock());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_run_at_once_use_up_what_is_left() {
        const MS: u64 = 1_000_000;
        assert_eq!(wait_ns(100 * MS, 1, 1), 100 * MS);
        assert_eq!(wait_ns(100 * MS, 8, 4), 25 * MS);
        assert_eq!(wait_ns(0, 1, 1), STEP_NS, "no sooner");
        assert_eq!(wait_ns(0, 3_000, 4), 3 * MS, "nor than it takes to look");
    }
}

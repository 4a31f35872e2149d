//! Timers that send signals: setitimer(2), alarm, and POSIX timers (timer_create(2)).
//!
//! A periodic timer whose signal is queued is parked: whoever takes the signal arms it again and
//! counts what was missed. So a period shorter than an interrupt takes costs an interrupt per
//! signal taken, and not the whole machine.

use super::Process;
use super::signal::info::code;
use super::signal::{SigInfo, Signal, send};
use super::table;
use crate::error::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use smp::{SpinLock, timers::Timer};

/// When a timer fires next and how often after that; 0 is never, or once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Monotonic.
    pub next_ns: u64,
    pub interval_ns: u64,
}

impl Setting {
    /// The setting after firing at `now`, and how many periods were missed before it.
    fn advance(self, now_ns: u64) -> (Self, u64) {
        if self.interval_ns == 0 {
            return (Self::default(), 0);
        }
        let missed = now_ns.saturating_sub(self.next_ns) / self.interval_ns;
        let next_ns = self
            .next_ns
            .saturating_add((missed + 1).saturating_mul(self.interval_ns));
        (Self { next_ns, ..self }, missed)
    }

    /// As seen at `now_ns`: the next expiry is ahead even while a parked timer has missed some.
    fn at(self, now_ns: u64) -> Self {
        let behind = self.interval_ns != 0 && self.next_ns != 0 && self.next_ns <= now_ns;
        if behind { self.advance(now_ns).0 } else { self }
    }
}

/// A timer's setting, and whether it waits for its last signal to be taken.
#[derive(Default)]
struct State {
    setting: Setting,
    parked: bool,
}

/// A timer whose signal nobody will take, because it is ignored, fires no more often than this.
const UNHEARD_PERIOD_NS: u64 = 10_000_000;

/// `DELAYTIMER_MAX`: overruns are counted in an int.
const MAX_OVERRUN: u64 = i32::MAX as u64;

/// What a timer does when it fires.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// `SIGALRM`, of ITIMER_REAL.
    Alarm,
    /// A signal with the timer's id and value.
    Posix {
        id: u32,
        signal: Signal,
        value: u64,
        thread: Option<u32>,
    },
    /// Nothing: it is only read.
    None { id: u32 },
}

struct Armed {
    timer: Timer,
    state: Arc<SpinLock<State>>,
    clock: i32,
}

/// The timers of a process. All stop with it.
#[derive(Default)]
pub struct Timers {
    inner: SpinLock<Inner>,
}

#[derive(Default)]
struct Inner {
    real: Option<Armed>,
    posix: BTreeMap<u32, Armed>,
    next_id: u32,
}

/// More would be somebody's mistake (RLIMIT_SIGPENDING's default in Linux counts them too).
const MAX_POSIX_TIMERS: usize = 1024;

impl Armed {
    /// A timer of process `pid` that is not set. The process is looked up when it fires: a timer
    /// keeps nothing alive.
    fn new(process: &Arc<Process>, clock: i32, notice: Notice) -> Self {
        let state = Arc::new(SpinLock::new(State::default()));
        let owner = Arc::downgrade(process);
        let own_state = state.clone();
        let timer = Timer::new(move || {
            let Some(process) = owner.upgrade() else {
                return;
            };
            fire(&process, &own_state, notice);
        });
        Self {
            timer,
            state,
            clock,
        }
    }

    fn set(&self, setting: Setting) -> Setting {
        self.timer.cancel();
        let old = core::mem::replace(
            &mut *self.state.lock(),
            State {
                setting,
                parked: false,
            },
        );
        if setting.next_ns != 0 {
            self.timer.arm(setting.next_ns);
        }
        old.setting.at(smp::now_ns())
    }

    fn get(&self) -> Setting {
        self.state.lock().setting.at(smp::now_ns())
    }

    /// Arms a parked timer, not to fire before `earliest_ns`; returns how often it should have.
    fn resume(&self, earliest_ns: u64) -> u64 {
        let mut state = self.state.lock();
        if !core::mem::take(&mut state.parked) {
            return 0;
        }
        let due = state.setting.next_ns < earliest_ns;
        let (next, missed) = if due {
            state.setting.advance(earliest_ns)
        } else {
            (state.setting, 0)
        };
        state.setting = next;
        self.timer.arm(next.next_ns);
        missed + u64::from(due)
    }
}

/// In interrupt context.
fn fire(process: &Arc<Process>, state: &SpinLock<State>, notice: Notice) {
    let now_ns = smp::now_ns();
    let missed = {
        let mut state = state.lock();
        if state.setting.next_ns == 0 || now_ns < state.setting.next_ns {
            return; // set anew while this was on its way
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
        Notice::Alarm => (None, alarm(process)),
        Notice::Posix {
            id,
            signal,
            value,
            thread,
        } => (
            Some(id),
            notify(process, id, signal, value, thread, missed as u32),
        ),
        Notice::None { id } => (Some(id), false),
    };
    if !queued {
        process.timers.resume(id, now_ns + UNHEARD_PERIOD_NS);
    }
}

/// Sends `SIGALRM`; whether it is pending now.
fn alarm(process: &Arc<Process>) -> bool {
    let _ = send::send_to_process(process, SigInfo::kernel(Signal::ALRM));
    process.state.lock().pending.set().contains(Signal::ALRM)
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

/// A signal of the process is taken: the timer that sent it goes on, and the signal tells how
/// often that timer has expired since.
pub(super) fn taken(process: &Process, signal: Signal, info: &mut SigInfo) {
    if signal == Signal::ALRM {
        process.timers.resume(None, smp::now_ns());
    }
    if info.code == code::TIMER {
        let missed = process.timers.resume(Some(info.pid()), smp::now_ns());
        info.set_overrun(info.uid().saturating_add(missed.min(MAX_OVERRUN) as u32));
    }
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

impl Timers {
    /// [`Armed::resume`] for POSIX timer `id` or, if `None`, the interval timer.
    fn resume(&self, id: Option<u32>, earliest_ns: u64) -> u64 {
        let inner = self.inner.lock();
        let armed = id.map_or(inner.real.as_ref(), |id| inner.posix.get(&id));
        armed.map_or(0, |armed| armed.resume(earliest_ns))
    }

    /// Signals were forgotten: no timer may wait for them.
    pub(super) fn resume_all(&self) {
        let earliest_ns = smp::now_ns() + UNHEARD_PERIOD_NS;
        let inner = self.inner.lock();
        inner
            .real
            .iter()
            .chain(inner.posix.values())
            .for_each(|armed| {
                armed.resume(earliest_ns);
            });
    }

    /// setitimer(ITIMER_REAL); returns the old setting.
    pub fn set_real(&self, process: &Arc<Process>, setting: Setting) -> Setting {
        let mut inner = self.inner.lock();
        inner
            .real
            .get_or_insert_with(|| Armed::new(process, 0, Notice::Alarm))
            .set(setting)
    }

    pub fn real(&self) -> Setting {
        self.inner
            .lock()
            .real
            .as_ref()
            .map(Armed::get)
            .unwrap_or_default()
    }

    /// timer_create(2): `notice` gets the id.
    pub fn create(
        &self,
        process: &Arc<Process>,
        clock: i32,
        notice: impl FnOnce(u32) -> Notice,
    ) -> Result<u32> {
        let mut inner = self.inner.lock();
        if inner.posix.len() >= MAX_POSIX_TIMERS {
            return Err(Errno::EAGAIN);
        }
        let id = inner.next_id;
        inner.next_id += 1;
        inner
            .posix
            .insert(id, Armed::new(process, clock, notice(id)));
        Ok(id)
    }

    pub fn set(&self, id: u32, setting: Setting) -> Result<Setting> {
        Ok(self
            .inner
            .lock()
            .posix
            .get(&id)
            .ok_or(Errno::EINVAL)?
            .set(setting))
    }

    /// A timer's setting and clock.
    pub fn get(&self, id: u32) -> Result<(Setting, i32)> {
        let inner = self.inner.lock();
        let armed = inner.posix.get(&id).ok_or(Errno::EINVAL)?;
        Ok((armed.get(), armed.clock))
    }

    pub fn delete(&self, id: u32) -> Result<()> {
        let removed = self.inner.lock().posix.remove(&id);
        removed.map(drop).ok_or(Errno::EINVAL)
    }

    /// execve: POSIX timers end, the interval timer goes on.
    pub fn cancel_posix(&self) {
        let removed = core::mem::take(&mut self.inner.lock().posix);
        drop(removed);
    }

    pub fn cancel_all(&self) {
        self.cancel_posix();
        let real = self.inner.lock().real.take();
        drop(real);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_periods_are_counted_not_queued() {
        let setting = Setting {
            next_ns: 100,
            interval_ns: 10,
        };
        assert_eq!(
            setting.advance(100),
            (
                Setting {
                    next_ns: 110,
                    interval_ns: 10
                },
                0
            )
        );
        assert_eq!(
            setting.advance(135),
            (
                Setting {
                    next_ns: 140,
                    interval_ns: 10
                },
                3
            )
        );
        assert_eq!(
            Setting {
                next_ns: 100,
                interval_ns: 0
            }
            .advance(500),
            (Setting::default(), 0)
        );
        assert_eq!(setting.at(99), setting);
        assert_eq!(setting.at(135).next_ns, 140);
    }
}

//! Timers on clocks of processor time.

use super::{CpuClock, alarm};
use alloc::boxed::Box;
use alloc::sync::Arc;

/// Fires when a [`CpuClock`] shows a certain time. Dropping it disarms it.
pub struct CpuTimer(Arc<Inner>);

pub(super) struct Inner {
    pub clock: CpuClock,
    /// Gets what the clock shows.
    pub callback: Box<dyn Fn(u64) + Send + Sync>,
}

impl CpuTimer {
    /// A timer that is not armed. `callback` runs in interrupt context; it gets what the clock
    /// shows, in nanoseconds.
    pub fn new(clock: CpuClock, callback: impl Fn(u64) + Send + Sync + 'static) -> Self {
        let callback = Box::new(callback);
        Self(Arc::new(Inner { clock, callback }))
    }

    /// Fires when the clock shows `deadline_ns`; now it shows no more than `now_ns`.
    /// Replaces an earlier arming.
    pub fn arm(&self, deadline_ns: u64, now_ns: u64) {
        // Nobody uses the time of a process that is gone.
        if let Some(process) = self.0.clock.process() {
            alarm::add(&process, &self.0, deadline_ns, now_ns);
        }
    }

    pub fn cancel(&self) {
        if let Some(process) = self.0.clock.process() {
            alarm::remove(&process, &self.0);
        }
    }
}

impl Drop for CpuTimer {
    fn drop(&mut self) {
        self.cancel();
    }
}

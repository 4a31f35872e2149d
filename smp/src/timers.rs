//! Per-CPU timer queues.

/// Runs the calling CPU's timers that are due at `now_ns`; returns the next deadline.
///
/// Called by the scheduler's timer interrupt with IRQs masked; a queue whose earliest deadline
/// changes otherwise reports it through `runtime().set_timer_deadline`.
pub fn run_expired(_now_ns: u64) -> Option<u64> {
    None
}

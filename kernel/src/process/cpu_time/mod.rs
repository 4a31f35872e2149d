//! Processor time that something waits for: clocks that show it ([`clock`]), timers on them
//! ([`timer`], so many: [`places`]), the limit that a process may not pass ([`limit`]).
//!
//! Nothing is counted for it and no switch looks for it. A timer is due no earlier than all threads
//! of the process, each on a CPU of its own, need for what is left: one alarm of the process
//! ([`alarm`]) is set for that moment, looks at the clocks, and is set again. A process of which
//! nobody runs then has its alarm stopped; the first thread that goes back to user mode starts it
//! ([`Attention::CPU_TIME`](super::Attention::CPU_TIME)).

pub mod alarm;
pub mod clock;
pub mod limit;
pub mod places;
pub mod timer;

pub use alarm::CpuAlarm;
pub use clock::CpuClock;
pub use places::{Place, Places};
pub use timer::CpuTimer;

//! What the scheduler tells about itself, kept in a ring of records per CPU.
//!
//! The scheduler hands each [`Event`] to [`Platform::trace`](crate::Platform::trace), where it
//! costs nothing unless the platform keeps it. The kernel adds its own (interrupts, system calls)
//! and keeps all of them in a [`Recorder`] per CPU, as [`Record`]s that programs read as they are.

mod recorder;
mod ring;

pub use recorder::Recorder;
pub use ring::{Read, Ring};
pub use trace_format::{Event, Kind, Left, RECORD_SIZE, Record};

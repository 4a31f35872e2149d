//! Records as people read them in a panic.

use crate::arch;
use core::fmt;
use smp::trace::{Event, Record};

/// A record with its time since boot.
pub struct Shown(pub Record);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now_ns = arch::ticks_to_ns(self.0.ticks());
        let (seconds, rest_us) = (now_ns / 1_000_000_000, now_ns / 1_000 % 1_000_000);
        write!(f, "[{seconds:5}.{rest_us:06}] ")?;
        match self.0.event() {
            Some(Event::Switch { from, to, left }) => {
                write!(f, "switch from thread {from} ({left:?}) to {to}")
            }
            Some(Event::IrqEnter { intid }) => write!(f, "interrupt {intid}"),
            Some(event) => write!(f, "{event:?}"),
            None => write!(f, "{:x?}", self.0),
        }
    }
}

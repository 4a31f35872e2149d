//! Where a thread waits, as the CPU remembers it that holds it.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use super::Thread;

/// Where a thread waits, as its CPU remembers it. Slots of the shelf are not recorded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Movable,
    Kept,
    Realtime(u8),
}

impl Thread {
    /// Only the CPU `on` writes its own number here, and only it asks.
    pub(crate) fn set_waiting(&self, on: CpuId, place: Option<Waiting>) {
        let kind = match place {
            None => 0,
            Some(Waiting::Movable) => 1,
            Some(Waiting::Kept) => 2,
            Some(Waiting::Realtime(priority)) => 3 | u32::from(priority) << 8,
        };
        let word = (on.index() as u32) << 16 | kind;
        self.waiting
            .store(if kind == 0 { 0 } else { word }, Relaxed);
    }

    pub(crate) fn waiting(&self, on: CpuId) -> Option<Waiting> {
        let word = self.waiting.load(Relaxed);
        if word >> 16 != on.index() as u32 {
            return None;
        }
        match word & 0xff {
            1 => Some(Waiting::Movable),
            2 => Some(Waiting::Kept),
            3 => Some(Waiting::Realtime((word >> 8) as u8)),
            _ => None,
        }
    }
}

//! Signals sent but not yet taken: a set, and the details of each in order of arrival.

use super::info::SigInfo;
use super::set::{Signal, SignalSet};
use alloc::vec::Vec;

/// The pending signals of a thread, or of a process as a whole.
///
/// The set is what counts; details may be missing when there was no memory for them.
#[derive(Default)]
pub struct Pending {
    set: SignalSet,
    infos: Vec<SigInfo>,
}

/// What became of a signal that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    Queued,
    /// A standard signal that was pending already: one is enough.
    Merged,
    /// Real-time, and the queue is full (`EAGAIN`).
    Full,
}

impl Pending {
    pub fn set(&self) -> SignalSet {
        self.set
    }

    /// How many details are queued (`RLIMIT_SIGPENDING`).
    pub fn queued(&self) -> usize {
        self.infos.len()
    }

    pub fn add(&mut self, signal: Signal, info: SigInfo, limit: u64) -> Added {
        if !signal.is_realtime() && self.set.contains(signal) {
            return Added::Merged;
        }
        let full = self.infos.len() as u64 >= limit || self.infos.try_reserve(1).is_err();
        if full && signal.is_realtime() {
            return Added::Full;
        }
        if !full {
            self.infos.push(info);
        }
        self.set.insert(signal);
        Added::Queued
    }

    /// Takes the first signal of `wanted`.
    pub fn take(&mut self, wanted: SignalSet) -> Option<(Signal, SigInfo)> {
        let signal = self.set.intersection(wanted).first()?;
        Some((signal, self.take_info(signal)))
    }

    fn take_info(&mut self, signal: Signal) -> SigInfo {
        let is_it = |info: &SigInfo| info.signo == i32::from(signal.number());
        let position = self.infos.iter().position(is_it);
        let info = position.map(|position| self.infos.remove(position));
        if !self.infos.iter().any(is_it) {
            self.set.remove(signal);
        }
        info.unwrap_or_else(|| SigInfo::user(signal, super::info::code::USER, 0, 0))
    }

    /// Forgets every signal of `set`.
    pub fn discard(&mut self, set: SignalSet) {
        self.set = self.set.without(set);
        let kept = self.set;
        self.infos.retain(|info| {
            Signal::new(info.signo as usize).is_ok_and(|signal| kept.contains(signal))
        });
    }

    /// The queued signal of POSIX timer `timer_id`, to count an overrun in.
    pub fn timer_info(&mut self, timer_id: u32) -> Option<&mut SigInfo> {
        self.infos
            .iter_mut()
            .find(|info| info.code == super::info::code::TIMER && info.pid() == timer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const RT: usize = 34;

    fn info(signal: Signal, pid: u32) -> SigInfo {
        SigInfo::user(signal, 0, pid, 0)
    }

    #[test]
    fn standard_signals_merge_and_realtime_ones_queue() {
        let mut pending = Pending::default();
        let realtime = Signal::new(RT).unwrap();
        assert_eq!(
            pending.add(Signal::TERM, info(Signal::TERM, 1), 9),
            Added::Queued
        );
        assert_eq!(
            pending.add(Signal::TERM, info(Signal::TERM, 2), 9),
            Added::Merged
        );
        assert_eq!(pending.add(realtime, info(realtime, 3), 9), Added::Queued);
        assert_eq!(pending.add(realtime, info(realtime, 4), 9), Added::Queued);
        let mut order = Vec::new();
        while let Some((signal, info)) = pending.take(SignalSet(u64::MAX)) {
            order.push((signal, info.pid()));
        }
        assert_eq!(order, [(Signal::TERM, 1), (realtime, 3), (realtime, 4)]);
        assert!(pending.set().is_empty());
    }

    #[test]
    fn a_full_queue_keeps_standard_signals() {
        let mut pending = Pending::default();
        let realtime = Signal::new(RT).unwrap();
        assert_eq!(pending.add(realtime, info(realtime, 1), 0), Added::Full);
        assert_eq!(
            pending.add(Signal::KILL, info(Signal::KILL, 1), 0),
            Added::Queued
        );
        assert_eq!(
            pending.take(SignalSet(u64::MAX)).map(|(signal, _)| signal),
            Some(Signal::KILL)
        );
    }

    #[test]
    fn discarding_drops_details_too() {
        let mut pending = Pending::default();
        pending.add(Signal::TSTP, info(Signal::TSTP, 1), 9);
        pending.add(Signal::CONT, info(Signal::CONT, 1), 9);
        pending.discard(SignalSet::STOPS);
        assert_eq!(
            (pending.set(), pending.queued()),
            (SignalSet::only(Signal::CONT), 1)
        );
    }
}

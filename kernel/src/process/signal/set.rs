//! Signal numbers and sets of them (signal(7)); a set is 64 bits, signal `n` at bit `n - 1`.

use crate::error::{Errno, Result};
use core::fmt;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $number:literal)*) => {
        impl Signal {
            $(pub const $name: Signal = Signal($number);)*
        }

        impl fmt::Debug for Signal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($number => f.write_str(concat!("SIG", stringify!($name))),)*
                    number => write!(f, "SIGRTMIN+{}", number - 32),
                }
            }
        }
    };
}

signals! {
    HUP = 1 INT = 2 QUIT = 3 ILL = 4 TRAP = 5 ABRT = 6 BUS = 7 FPE = 8 KILL = 9 USR1 = 10
    SEGV = 11 USR2 = 12 PIPE = 13 ALRM = 14 TERM = 15 STKFLT = 16 CHLD = 17 CONT = 18 STOP = 19
    TSTP = 20 TTIN = 21 TTOU = 22 URG = 23 XCPU = 24 XFSZ = 25 VTALRM = 26 PROF = 27 WINCH = 28
    IO = 29 PWR = 30 SYS = 31
}

/// What a signal does when nothing else was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    Terminate,
    /// As terminate, and `wait` reports a core dump was due (none is written).
    Core,
    Ignore,
    Stop,
    Continue,
}

impl Signal {
    pub const COUNT: usize = 64;
    /// The first real-time signal: from here on each instance is queued.
    pub const RTMIN: Signal = Signal(32);

    /// A number from user space; `EINVAL` outside 1 to 64.
    pub fn new(number: usize) -> Result<Self> {
        match number {
            1..=Self::COUNT => Ok(Self(number as u8)),
            _ => Err(Errno::EINVAL),
        }
    }

    pub fn number(self) -> u8 {
        self.0
    }

    /// Position in arrays of 64.
    pub fn index(self) -> usize {
        self.0 as usize - 1
    }

    pub fn is_realtime(self) -> bool {
        self >= Self::RTMIN
    }

    pub fn default_action(self) -> DefaultAction {
        match self {
            Self::QUIT
            | Self::ILL
            | Self::TRAP
            | Self::ABRT
            | Self::BUS
            | Self::FPE
            | Self::SEGV
            | Self::XCPU
            | Self::XFSZ
            | Self::SYS => DefaultAction::Core,
            Self::CHLD | Self::URG | Self::WINCH => DefaultAction::Ignore,
            Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU => DefaultAction::Stop,
            Self::CONT => DefaultAction::Continue,
            _ => DefaultAction::Terminate,
        }
    }
}

/// A set of signals, as `sigset_t`.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalSet(pub u64);
crate::user_memory::plain!(SignalSet);

impl SignalSet {
    pub const EMPTY: Self = Self(0);
    /// Never blocked, caught or ignored.
    pub const UNBLOCKABLE: Self = Self(1 << 8 | 1 << 18);
    /// Signals whose default is to stop the process.
    pub const STOPS: Self = Self(1 << 18 | 1 << 19 | 1 << 20 | 1 << 21);
    /// Raised by the instruction being executed: delivered before others.
    pub const SYNCHRONOUS: Self = Self(1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30);

    pub const fn only(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    pub fn contains(self, signal: Signal) -> bool {
        self.0 & Self::only(signal).0 != 0
    }

    pub fn insert(&mut self, signal: Signal) {
        self.0 |= Self::only(signal).0;
    }

    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !Self::only(signal).0;
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A mask a thread may have: `SIGKILL` and `SIGSTOP` cannot be blocked.
    pub fn blockable(self) -> Self {
        self.without(Self::UNBLOCKABLE)
    }

    /// Which to take first: synchronous ones, then by number.
    pub fn first(self) -> Option<Signal> {
        let urgent = self.intersection(Self::SYNCHRONOUS);
        let from = if urgent.is_empty() { self } else { urgent };
        (!from.is_empty()).then(|| Signal(from.0.trailing_zeros() as u8 + 1))
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries((1..=64).map(Signal).filter(|&signal| self.contains(signal)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;

    #[test]
    fn numbers_outside_the_range_are_refused() {
        assert!(Signal::new(0).is_err());
        assert!(Signal::new(65).is_err());
        assert_eq!(Signal::new(64).map(Signal::index), Ok(63));
    }

    #[test]
    fn synchronous_signals_come_first() {
        let mut set = SignalSet::only(Signal::HUP);
        set.insert(Signal::SEGV);
        assert_eq!(set.first(), Some(Signal::SEGV));
        set.remove(Signal::SEGV);
        assert_eq!(set.first(), Some(Signal::HUP));
        assert_eq!(SignalSet::EMPTY.first(), None);
    }

    #[test]
    fn kill_and_stop_stay_unblocked() {
        let mask = SignalSet(u64::MAX).blockable();
        assert!(
            !mask.contains(Signal::KILL)
                && !mask.contains(Signal::STOP)
                && mask.contains(Signal::TERM)
        );
    }

    #[test]
    fn constants_match_their_names() {
        let set = |signals: &[Signal]| {
            signals
                .iter()
                .fold(SignalSet::EMPTY, |set, &s| set.union(SignalSet::only(s)))
        };
        assert_eq!(SignalSet::UNBLOCKABLE, set(&[Signal::KILL, Signal::STOP]));
        assert_eq!(
            SignalSet::STOPS,
            set(&[Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU])
        );
        let synchronous = [
            Signal::ILL,
            Signal::TRAP,
            Signal::BUS,
            Signal::FPE,
            Signal::SEGV,
            Signal::SYS,
        ];
        assert_eq!(SignalSet::SYNCHRONOUS, set(&synchronous));
    }
}

//! What a process asked to happen on each signal (sigaction(2)).

use super::set::{DefaultAction, Signal, SignalSet};
use bitflags::bitflags;

bitflags! {
    /// `sa_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct ActionFlags: u64 {
        const NOCLDSTOP = 0x1;
        const NOCLDWAIT = 0x2;
        const SIGINFO = 0x4;
        const RESTORER = 0x0400_0000;
        const ONSTACK = 0x0800_0000;
        const RESTART = 0x1000_0000;
        const NODEFER = 0x4000_0000;
        const RESETHAND = 0x8000_0000;
    }
}

/// `SIG_DFL` and `SIG_IGN` as handlers.
pub const DEFAULT: usize = 0;
pub const IGNORE: usize = 1;

/// `struct sigaction` as the kernel sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Action {
    pub handler: usize,
    flags: u64,
    pub restorer: usize,
    pub mask: SignalSet,
}
crate::user_memory::plain!(Action);

impl Action {
    pub fn flags(&self) -> ActionFlags {
        ActionFlags::from_bits_retain(self.flags)
    }

    /// As user space gave it, without what makes no sense.
    pub fn sanitised(mut self) -> Self {
        self.flags &= ActionFlags::all().bits();
        self.mask = self.mask.blockable();
        self
    }
}

/// The actions of a process for all 64 signals.
#[derive(Clone)]
pub struct Actions([Action; Signal::COUNT]);

impl Default for Actions {
    fn default() -> Self {
        Self([Action::default(); Signal::COUNT])
    }
}

/// What to do with a signal now.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    Ignore,
    Default(DefaultAction),
    Handle(Action),
}

impl Actions {
    pub fn get(&self, signal: Signal) -> Action {
        self.0[signal.index()]
    }

    pub fn set(&mut self, signal: Signal, action: Action) {
        self.0[signal.index()] = action;
    }

    pub fn disposition(&self, signal: Signal) -> Disposition {
        let action = self.get(signal);
        match (action.handler, signal.default_action()) {
            (IGNORE, _) | (DEFAULT, DefaultAction::Ignore) => Disposition::Ignore,
            (DEFAULT, default) => Disposition::Default(default),
            _ => Disposition::Handle(action),
        }
    }

    /// Whether `signal` would have no effect: it need not even be queued. `SIGCONT` continues a
    /// process when it is sent, not when it is taken.
    pub fn ignores(&self, signal: Signal) -> bool {
        matches!(
            self.disposition(signal),
            Disposition::Ignore | Disposition::Default(DefaultAction::Continue)
        )
    }

    /// execve(2): handlers are gone, ignored signals stay ignored.
    pub fn reset_handlers(&mut self) {
        for action in &mut self.0 {
            let handler = if action.handler == IGNORE {
                IGNORE
            } else {
                DEFAULT
            };
            *action = Action {
                handler,
                ..Action::default()
            };
        }
    }

    /// The signals ignored, or caught, as /proc/<pid>/status shows them.
    pub fn sets(&self) -> (SignalSet, SignalSet) {
        let (mut ignored, mut caught) = (SignalSet::EMPTY, SignalSet::EMPTY);
        for number in 1..=Signal::COUNT {
            let Ok(signal) = Signal::new(number) else {
                continue;
            };
            match self.get(signal).handler {
                DEFAULT => {}
                IGNORE => ignored.insert(signal),
                _ => caught.insert(signal),
            }
        }
        (ignored, caught)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_keeps_ignored_and_drops_handlers() {
        let mut actions = Actions::default();
        actions.set(
            Signal::INT,
            Action {
                handler: 0x1000,
                ..Action::default()
            },
        );
        actions.set(
            Signal::HUP,
            Action {
                handler: IGNORE,
                ..Action::default()
            },
        );
        actions.reset_handlers();
        assert_eq!(
            (
                actions.get(Signal::INT).handler,
                actions.get(Signal::HUP).handler
            ),
            (DEFAULT, IGNORE)
        );
        assert_eq!(
            actions.sets(),
            (SignalSet::only(Signal::HUP), SignalSet::EMPTY)
        );
    }

    #[test]
    fn default_ignored_signals_are_not_queued() {
        let actions = Actions::default();
        assert!(actions.ignores(Signal::CHLD) && actions.ignores(Signal::CONT));
        assert!(!actions.ignores(Signal::TSTP) && !actions.ignores(Signal::TERM));
    }
}

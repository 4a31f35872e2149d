//! The alternate signal stack of a thread (sigaltstack(2)).

use crate::error::{Errno, Result};

const SS_ONSTACK: u32 = 1;
const SS_DISABLE: u32 = 2;
const SS_AUTODISARM: u32 = 1 << 31;
/// `MINSIGSTKSZ` on arm64: room for a frame with FP/SIMD.
const MINIMUM: usize = 5120;

/// `stack_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStack {
    pub base: usize,
    pub flags: u32,
    pub pad: u32,
    pub size: usize,
}
crate::user_memory::plain!(UserStack);

/// The stack handlers with `SA_ONSTACK` run on; size 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AltStack {
    base: usize,
    size: usize,
    autodisarm: bool,
}

impl AltStack {
    /// From user space, by a thread whose stack pointer is `sp`.
    pub fn from_user(stack: UserStack) -> Result<Self> {
        let autodisarm = stack.flags & SS_AUTODISARM != 0;
        match stack.flags & !SS_AUTODISARM {
            SS_DISABLE => Ok(Self::default()),
            0 | SS_ONSTACK if stack.size < MINIMUM => Err(Errno::ENOMEM),
            0 | SS_ONSTACK => Ok(Self {
                base: stack.base,
                size: stack.size,
                autodisarm,
            }),
            _ => Err(Errno::EINVAL),
        }
    }

    pub fn to_user(self, sp: usize) -> UserStack {
        let state = match self.size {
            0 => SS_DISABLE,
            _ if self.holds(sp) => SS_ONSTACK,
            _ => 0,
        };
        let flags = if self.autodisarm {
            state | SS_AUTODISARM
        } else {
            state
        };
        UserStack {
            base: self.base,
            flags,
            pad: 0,
            size: self.size,
        }
    }

    /// Whether a thread with stack pointer `sp` runs on it. A stack that disarms itself is never
    /// in use, since it is forgotten on entry.
    pub fn holds(self, sp: usize) -> bool {
        !self.autodisarm && sp > self.base && sp - self.base <= self.size
    }

    /// Where a handler's frame starts growing down from, given the interrupted `sp`.
    pub fn top_for(self, sp: usize, on_stack: bool) -> usize {
        if on_stack && self.size != 0 && !self.holds(sp) {
            self.base.wrapping_add(self.size)
        } else {
            sp
        }
    }

    /// The state while the handler runs.
    pub fn on_entry(self) -> Self {
        if self.autodisarm {
            Self::default()
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_handler_stays_where_it_is() {
        let stack = AltStack::from_user(UserStack {
            base: 0x10000,
            flags: 0,
            pad: 0,
            size: 0x2000,
        })
        .unwrap();
        assert_eq!(stack.top_for(0x9000, true), 0x12000);
        assert_eq!(stack.top_for(0x11000, true), 0x11000);
        assert_eq!(stack.top_for(0x9000, false), 0x9000);
        assert_eq!(stack.to_user(0x11000).flags, SS_ONSTACK);
    }

    #[test]
    fn sizes_and_flags_are_checked() {
        let small = UserStack {
            base: 0x10000,
            flags: 0,
            pad: 0,
            size: 100,
        };
        assert_eq!(AltStack::from_user(small), Err(Errno::ENOMEM));
        assert_eq!(
            AltStack::from_user(UserStack { flags: 4, ..small }),
            Err(Errno::EINVAL)
        );
        let off = AltStack::from_user(UserStack {
            flags: SS_DISABLE,
            ..small
        })
        .unwrap();
        assert_eq!(off.to_user(0).flags, SS_DISABLE);
    }
}

//! Resource limits of a process (getrlimit(2)): the sixteen pairs, and which of them bind.

use crate::error::{Errno, Result};

/// No limit (`RLIM64_INFINITY`).
pub const INFINITY: u64 = u64::MAX;

/// The resources by Linux number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Resource {
    Cpu = 0,
    FileSize = 1,
    Data = 2,
    Stack = 3,
    Core = 4,
    Rss = 5,
    Processes = 6,
    OpenFiles = 7,
    LockedMemory = 8,
    AddressSpace = 9,
    Locks = 10,
    PendingSignals = 11,
    MessageQueue = 12,
    Nice = 13,
    RealtimePriority = 14,
    RealtimeTime = 15,
}

const COUNT: usize = 16;

/// `struct rlimit64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}
crate::user_memory::plain!(Limit);

#[derive(Clone, Debug)]
pub struct Rlimits([Limit; COUNT]);

impl Rlimits {
    /// What init starts with.
    pub fn initial() -> Self {
        let processes = super::table::max_tasks() as u64;
        let mut limits = [Limit {
            soft: INFINITY,
            hard: INFINITY,
        }; COUNT];
        let mut set =
            |resource: Resource, soft, hard| limits[resource as usize] = Limit { soft, hard };
        set(Resource::Stack, 8 << 20, INFINITY);
        set(Resource::Core, 0, INFINITY);
        set(Resource::Processes, processes, processes);
        set(Resource::OpenFiles, 1024, 4096);
        set(Resource::LockedMemory, 8 << 20, 8 << 20);
        set(Resource::PendingSignals, 8192, 8192);
        set(Resource::MessageQueue, 819_200, 819_200);
        set(Resource::Nice, 0, 0);
        set(Resource::RealtimePriority, 0, 0);
        Self(limits)
    }

    /// The soft limit, which is the one that binds.
    pub fn soft(&self, resource: Resource) -> u64 {
        self.0[resource as usize].soft
    }

    /// The pair of a resource, to be changed.
    pub(super) fn of(&mut self, resource: Resource) -> &mut Limit {
        &mut self.0[resource as usize]
    }

    /// By Linux number; `EINVAL` for one that does not exist.
    pub fn get(&self, number: usize) -> Result<Limit> {
        self.0.get(number).copied().ok_or(Errno::EINVAL)
    }

    /// Sets a pair; raising the hard limit needs `privileged` (`CAP_SYS_RESOURCE`).
    pub fn set(&mut self, number: usize, limit: Limit, privileged: bool) -> Result<()> {
        let slot = self.0.get_mut(number).ok_or(Errno::EINVAL)?;
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL);
        }
        if limit.hard > slot.hard && !privileged {
            return Err(Errno::EPERM);
        }
        *slot = limit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_the_hard_limit_needs_privilege() {
        let mut limits = Rlimits::initial();
        let files = Resource::OpenFiles as usize;
        assert_eq!(
            limits.set(
                files,
                Limit {
                    soft: 1,
                    hard: 9999
                },
                false
            ),
            Err(Errno::EPERM)
        );
        assert_eq!(
            limits.set(files, Limit { soft: 2, hard: 1 }, true),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            limits.set(99, Limit { soft: 1, hard: 1 }, true),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            limits.set(
                files,
                Limit {
                    soft: 9999,
                    hard: 9999
                },
                true
            ),
            Ok(())
        );
        assert_eq!(limits.soft(Resource::OpenFiles), 9999);
    }
}

//! Who may look into another process: its memory, and what /proc tells of it to few (ptrace(2),
//! "Ptrace access mode checking"; `PR_SET_DUMPABLE` of prctl(2)).

use super::{Capabilities, Credentials, Current, Task};

/// By which ids the caller is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Those for files: /proc.
    File,
    /// The real ones: system calls.
    Real,
}

impl Current {
    /// Whether the caller may look into the target's process.
    pub fn may_inspect(&self, target: &Task, ids: Ids) -> bool {
        let process = target.process();
        if self.pid() == process.pid() {
            return true;
        }
        let own = self.credentials();
        own.has(Capabilities::SYS_PTRACE)
            || (process.is_dumpable() && own.stands_above(&target.credentials(), ids))
    }
}

impl Credentials {
    /// Whether all ids of `other` are these, and all its capabilities are here.
    fn stands_above(&self, other: &Credentials, ids: Ids) -> bool {
        let (uid, gid, capabilities) = match ids {
            Ids::File => (self.fsuid, self.fsgid, self.effective),
            Ids::Real => (self.uid, self.gid, self.permitted),
        };
        let users = [other.uid, other.euid, other.suid];
        let groups = [other.gid, other.egid, other.sgid];
        users == [uid; 3] && groups == [gid; 3] && capabilities.contains(other.permitted)
    }

    /// Whether who could look into a task of `before` must not for that look into one of these:
    /// it now acts for somebody else, or can do more.
    pub fn differ_in_power(&self, before: &Credentials) -> bool {
        let ids = |of: &Credentials| (of.euid, of.egid, of.fsuid, of.fsgid);
        ids(self) != ids(before) || !before.permitted.contains(self.permitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32) -> Credentials {
        let mut user = Credentials::root();
        (user.uid, user.euid, user.suid) = (id, id, id);
        (user.gid, user.egid, user.sgid, user.fsgid) = (id, id, id, id);
        user.follow_ids(&Credentials::root());
        user
    }

    #[test]
    fn only_the_same_user_with_as_many_capabilities_looks() {
        for ids in [Ids::File, Ids::Real] {
            assert!(user(1).stands_above(&user(1), ids));
            assert!(!user(1).stands_above(&user(2), ids));
            assert!(!user(1).stands_above(&Credentials::root(), ids));
            let mut capable = user(1);
            capable.permitted = Capabilities::KILL;
            assert!(!user(1).stands_above(&capable, ids));
            let half_changed = Credentials { suid: 0, ..user(1) };
            assert!(!user(1).stands_above(&half_changed, ids));
        }
    }

    #[test]
    fn fewer_capabilities_are_no_other_power() {
        let mut fewer = Credentials::root();
        fewer.permitted = Capabilities::KILL;
        assert!(!fewer.differ_in_power(&Credentials::root()));
        assert!(Credentials::root().differ_in_power(&fewer));
        assert!(user(1).differ_in_power(&Credentials::root()));
    }
}

//! Who a task acts for: user and group ids and capabilities (credentials(7)).
//!
//! A value is immutable once shared; a change makes a new one, so a reader's `Arc` stays whole.

use alloc::vec::Vec;
use bitflags::bitflags;

bitflags! {
    /// The capabilities the kernel asks for (capabilities(7), bit numbers as in Linux).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Capabilities: u64 {
        const CHOWN = 1 << 0;
        const DAC_OVERRIDE = 1 << 1;
        const FOWNER = 1 << 3;
        const FSETID = 1 << 4;
        const KILL = 1 << 5;
        const SETGID = 1 << 6;
        const SETUID = 1 << 7;
        const NET_BIND_SERVICE = 1 << 10;
        const NET_ADMIN = 1 << 12;
        const NET_RAW = 1 << 13;
        const SYS_CHROOT = 1 << 18;
        const SYS_PTRACE = 1 << 19;
        const SYS_ADMIN = 1 << 21;
        const SYS_BOOT = 1 << 22;
        const SYS_NICE = 1 << 23;
        const SYS_RESOURCE = 1 << 24;
        const SYS_TIME = 1 << 25;
        const MKNOD = 1 << 27;
        /// Every capability Linux 6.1 knows (0 to 40).
        const ALL = (1 << 41) - 1;
    }
}

/// Real, effective, saved and file-system ids, supplementary groups, capabilities.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub uid: u32,
    pub euid: u32,
    pub suid: u32,
    pub fsuid: u32,
    pub gid: u32,
    pub egid: u32,
    pub sgid: u32,
    pub fsgid: u32,
    pub groups: Vec<u32>,
    pub permitted: Capabilities,
    pub effective: Capabilities,
    pub inheritable: Capabilities,
}

impl Credentials {
    /// What init starts with.
    pub fn root() -> Self {
        Self {
            uid: 0,
            euid: 0,
            suid: 0,
            fsuid: 0,
            gid: 0,
            egid: 0,
            sgid: 0,
            fsgid: 0,
            groups: Vec::new(),
            permitted: Capabilities::ALL,
            effective: Capabilities::ALL,
            inheritable: Capabilities::empty(),
        }
    }

    pub fn has(&self, capability: Capabilities) -> bool {
        self.effective.contains(capability)
    }

    /// Whether the file-system group or a supplementary one is `gid`.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// Whether this may signal `target` (kill(2)).
    pub fn may_signal(&self, target: &Credentials) -> bool {
        let same = |id| id == target.suid || id == target.uid;
        same(self.euid) || same(self.uid) || self.has(Capabilities::KILL)
    }

    /// After a change of user ids from `before`: capabilities follow root (capabilities(7)).
    pub fn follow_ids(&mut self, before: &Credentials) {
        let was_root = before.uid == 0 || before.euid == 0 || before.suid == 0;
        let is_root = self.uid == 0 || self.euid == 0 || self.suid == 0;
        if was_root && !is_root {
            self.permitted = Capabilities::empty();
            self.effective = Capabilities::empty();
        }
        if before.euid == 0 && self.euid != 0 {
            self.effective = Capabilities::empty();
        }
        if before.euid != 0 && self.euid == 0 {
            self.effective = self.permitted;
        }
        self.fsuid = self.euid;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32) -> Credentials {
        let mut user = Credentials::root();
        (user.uid, user.euid, user.suid) = (id, id, id);
        user.follow_ids(&Credentials::root());
        user
    }

    #[test]
    fn dropping_root_drops_capabilities() {
        let user = user(1000);
        assert!(!user.has(Capabilities::KILL));
        assert_eq!(user.fsuid, 1000);
    }

    #[test]
    fn users_signal_only_their_own() {
        assert!(user(1000).may_signal(&user(1000)));
        assert!(!user(1000).may_signal(&user(1001)));
        assert!(!user(1000).may_signal(&Credentials::root()));
        assert!(Credentials::root().may_signal(&user(1)));
    }
}

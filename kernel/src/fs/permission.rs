//! Who may do what to a node (path_resolution(7), "Permissions").

use super::node::{FileType, Metadata, Protection};
use crate::error::{Errno, Result};
use crate::process::credentials::{Capabilities, Credentials};
use bitflags::bitflags;

bitflags! {
    /// Kinds of access, with the values of access(2) and of one permission digit.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u16 {
        const EXECUTE = 1;
        const WRITE = 2;
        const READ = 4;
    }
}

pub const SET_UID: u16 = 0o4000;
pub const SET_GID: u16 = 0o2000;
pub const STICKY: u16 = 0o1000;

/// `EACCES` unless `who` has all of `wanted` on the node.
pub fn check(who: &Credentials, node: impl Into<Protection>, wanted: Access) -> Result<()> {
    let node = node.into();
    let shift = if who.fsuid == node.uid {
        6
    } else if who.in_group(node.gid) {
        3
    } else {
        0
    };
    let granted = Access::from_bits_truncate((node.permissions >> shift) & 7);
    if granted.contains(wanted) || overrides(who, node, wanted) {
        Ok(())
    } else {
        Err(Errno::EACCES)
    }
}

/// `CAP_DAC_OVERRIDE`: everything but executing a file that nobody may execute.
fn overrides(who: &Credentials, node: Protection, wanted: Access) -> bool {
    let runnable = node.file_type == FileType::Directory || node.permissions & 0o111 != 0;
    who.has(Capabilities::DAC_OVERRIDE) && (!wanted.contains(Access::EXECUTE) || runnable)
}

/// Whether `who` may change what only the owner may change.
pub fn is_owner(who: &Credentials, metadata: &Metadata) -> bool {
    who.fsuid == metadata.uid || who.has(Capabilities::FOWNER)
}

/// In a sticky directory only the owner of the entry or of the directory removes an entry.
pub fn check_sticky(who: &Credentials, directory: &Metadata, entry: &Metadata) -> Result<()> {
    let free =
        directory.permissions & STICKY == 0 || who.fsuid == directory.uid || is_owner(who, entry);
    if free { Ok(()) } else { Err(Errno::EPERM) }
}

#[cfg(test)]
mod tests {
    use super::super::node::{DeviceNumber, NodeId, Timestamp};
    use super::*;

    fn node(permissions: u16, uid: u32, gid: u32) -> Metadata {
        let never = Timestamp::default();
        Metadata {
            id: NodeId {
                device: 1,
                inode: 1,
            },
            file_type: FileType::Regular,
            permissions,
            links: 1,
            uid,
            gid,
            device: DeviceNumber::default(),
            size: 0,
            blocks: 0,
            block_size: 4096,
            accessed: never,
            modified: never,
            changed: never,
            born: never,
        }
    }

    fn user() -> Credentials {
        let none = Capabilities::empty();
        Credentials {
            fsuid: 7,
            fsgid: 8,
            effective: none,
            groups: alloc::vec![9],
            ..Credentials::root()
        }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        // The owner is denied although the group and others are not.
        assert_eq!(
            check(&user(), &node(0o077, 7, 8), Access::READ),
            Err(Errno::EACCES)
        );
        assert_eq!(check(&user(), &node(0o040, 1, 9), Access::READ), Ok(()));
        assert_eq!(check(&user(), &node(0o704, 1, 1), Access::READ), Ok(()));
        assert_eq!(
            check(&user(), &node(0o770, 1, 1), Access::READ),
            Err(Errno::EACCES)
        );
    }

    #[test]
    fn root_does_not_execute_what_nobody_may() {
        let root = Credentials::root();
        assert_eq!(
            check(&root, &node(0, 1, 1), Access::READ | Access::WRITE),
            Ok(())
        );
        assert_eq!(
            check(&root, &node(0o666, 1, 1), Access::EXECUTE),
            Err(Errno::EACCES)
        );
        assert_eq!(check(&root, &node(0o001, 1, 1), Access::EXECUTE), Ok(()));
    }

    #[test]
    fn sticky_directories_protect_entries() {
        let directory = node(0o1777, 0, 0);
        assert_eq!(
            check_sticky(&user(), &directory, &node(0o666, 1, 1)),
            Err(Errno::EPERM)
        );
        assert_eq!(
            check_sticky(&user(), &directory, &node(0o666, 7, 1)),
            Ok(())
        );
        assert_eq!(
            check_sticky(&user(), &node(0o777, 0, 0), &node(0o666, 1, 1)),
            Ok(())
        );
    }
}

//! Process groups: who is in one, and whether somebody is left who could continue it.

use super::walk::by_pid;
use super::{Entry, INIT, Tree, with};
use crate::error::{Errno, Result};
use crate::process::session::Session;
use crate::process::thread_group::Process;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use smp::{ThreadId, ThreadRef};

/// A process group. Its number stays taken while it has members.
pub(super) struct Group {
    members: BTreeSet<u32>,
    session: u32,
    number: ThreadRef,
}

/// A process group for those who may outlive it: its number may be another's then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupId {
    number: u32,
    /// The thread that was born with the number.
    first: ThreadId,
}

impl GroupId {
    /// `None` once the group has ended.
    pub fn number(self) -> Option<u32> {
        with(|tree| tree.is_alive(self)).then_some(self.number)
    }
}

impl Tree {
    pub(super) fn join_group(&mut self, pid: u32, group: u32, session: u32, own: &ThreadRef) {
        let number = self
            .entries
            .get(&group)
            .map_or(own, |entry| &entry.number)
            .clone();
        let group = self.groups.entry(group).or_insert(Group {
            members: BTreeSet::new(),
            session,
            number,
        });
        group.members.insert(pid);
    }

    pub(super) fn leave_group(&mut self, pid: u32, group: u32) {
        if let Some(found) = self.groups.get_mut(&group) {
            found.members.remove(&pid);
            if found.members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Moves a process to group `group`, which is made if it is its own pid.
    pub fn move_to_group(&mut self, pid: u32, group: u32, session: &Arc<Session>) {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return;
        };
        let (old, number) = (entry.group, entry.number.clone());
        entry.group = group;
        entry.session = session.clone();
        self.leave_group(pid, old);
        self.join_group(pid, group, session.id(), &number);
    }

    /// The session a group belongs to.
    pub fn group_session(&self, group: u32) -> Option<u32> {
        self.groups.get(&group).map(|group| group.session)
    }

    pub(super) fn group_id(&self, number: u32) -> Option<GroupId> {
        let first = self.groups.get(&number)?.number.id();
        Some(GroupId { number, first })
    }

    pub(super) fn is_alive(&self, group: GroupId) -> bool {
        self.group_id(group.number) == Some(group)
    }

    pub fn group_members(&self, group: u32) -> impl Iterator<Item = &Entry> {
        self.group_members_from(group, 0)
    }

    fn group_members_from(&self, group: u32, from: u32) -> impl Iterator<Item = &Entry> {
        let group = self.groups.get(&group).into_iter();
        let members = group.flat_map(move |group| group.members.range(from..));
        members.filter_map(|pid| self.entries.get(pid))
    }

    /// Whether no living member of `group` has a parent in another group of the same session:
    /// nobody is left who could continue it (POSIX, orphaned process group).
    pub fn is_orphaned(&self, group: u32) -> bool {
        !self.group_members(group).any(|member| {
            if member.zombie.is_some() {
                return false;
            }
            let parent = self.entry(member.parent);
            parent.is_some_and(|parent| {
                parent.group != group
                    && Arc::ptr_eq(&parent.session, &member.session)
                    && member.parent != INIT
            })
        })
    }
}

/// The members of a process group, as [`processes`].
pub fn group(group: u32) -> impl Iterator<Item = Arc<Process>> {
    by_pid(0, move |tree, from| {
        tree.group_members_from(group, from).next()
    })
}

/// The same for a group that may have ended, and has no members then.
pub fn members(group: GroupId) -> impl Iterator<Item = Arc<Process>> {
    by_pid(0, move |tree, from| {
        let alive = tree.is_alive(group).then_some(group.number)?;
        tree.group_members_from(alive, from).next()
    })
}

/// The group that has this number now; `ESRCH` if none has.
pub fn group_id(number: u32) -> Result<GroupId> {
    with(|tree| tree.group_id(number)).ok_or(Errno::ESRCH)
}

/// The session a process group belongs to; `ESRCH` if there is no such group.
pub fn session_of_group(group: u32) -> Result<u32> {
    with(|tree| tree.group_session(group)).ok_or(Errno::ESRCH)
}

/// Whether nobody is left who could continue the group (job control).
pub fn is_orphaned_group(group: u32) -> bool {
    with(|tree| tree.is_orphaned(group))
}

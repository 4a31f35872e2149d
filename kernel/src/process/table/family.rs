//! Parents and children: who adopts orphans, and which signals go between them.

use super::{Entry, INIT, Tree, with};
use crate::error::{Errno, Result};
use crate::process::signal::Signal;

impl Tree {
    /// A new program runs as `pid`: it did not choose what its children send it, and its parent is
    /// told of it as of any child.
    pub fn has_execed(&mut self, pid: u32) {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return;
        };
        entry.has_execed = true;
        entry.exit_signal = Signal::CHLD.number();
        let children = core::mem::take(&mut entry.children);
        for child in &children {
            if let Some(entry) = self.entries.get_mut(child) {
                entry.exit_signal = Signal::CHLD.number();
            }
        }
        if let Some(entry) = self.entries.get_mut(&pid) {
            entry.children = children;
        }
    }

    /// Gives all children of `pid` to `new_parent`, which did not choose their exit signals and so
    /// gets `SIGCHLD`; whether there are zombies among them.
    pub fn adopt_children(&mut self, pid: u32, new_parent: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return false;
        };
        let mut children = core::mem::take(&mut entry.children);
        let mut any_zombie = false;
        for child in &children {
            if let Some(entry) = self.entries.get_mut(child) {
                entry.parent = new_parent;
                entry.process.set_parent(new_parent);
                entry.exit_signal = Signal::CHLD.number();
                any_zombie |= entry.zombie.is_some();
            }
        }
        if let Some(parent) = self.entries.get_mut(&new_parent) {
            parent.children.append(&mut children);
        }
        any_zombie
    }

    /// The first child of `pid` from number `from` on that wants a signal when its parent ends.
    pub fn bereaved_child(&self, pid: u32, from: u32) -> Option<&Entry> {
        let mut children = self.entry(pid)?.children.range(from..);
        children.find_map(|child| {
            let entry = self.entry(*child)?;
            (entry.parent_death_signal != 0).then_some(entry)
        })
    }

    /// Who gets the orphans of `pid`: the nearest subreaper above it, or init.
    pub fn reaper_of(&self, pid: u32) -> u32 {
        let mut at = self.entry(pid).map_or(INIT, |entry| entry.parent);
        while at != INIT {
            match self.entry(at) {
                Some(entry) if entry.is_subreaper && entry.zombie.is_none() => return at,
                Some(entry) => at = entry.parent,
                None => break,
            }
            if at == 0 {
                break;
            }
        }
        INIT
    }
}

fn change(pid: u32, edit: impl FnOnce(&mut Entry)) -> Result<()> {
    with(|tree| tree.entry_mut(pid).map(edit)).ok_or(Errno::ESRCH)
}

/// PR_SET_CHILD_SUBREAPER.
pub fn set_subreaper(pid: u32, is_subreaper: bool) -> Result<()> {
    change(pid, |entry| entry.is_subreaper = is_subreaper)
}

pub fn is_subreaper(pid: u32) -> bool {
    with(|tree| tree.entry(pid).is_some_and(|entry| entry.is_subreaper))
}

/// PR_SET_PDEATHSIG; 0 for nothing.
pub fn set_parent_death_signal(pid: u32, signal: u8) -> Result<()> {
    change(pid, |entry| entry.parent_death_signal = signal)
}

pub fn parent_death_signal(pid: u32) -> u8 {
    with(|tree| tree.entry(pid).map_or(0, |entry| entry.parent_death_signal))
}

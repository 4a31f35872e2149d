//! The entries of a tmpfs directory.
//!
//! Each entry has a cookie that never changes, so that a listing goes on where it was although
//! entries come and go meanwhile (readdir(3): each entry that stays is seen exactly once).

use super::super::node::{Entry, Visit};
use super::inode::Inode;
use crate::error::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use smp::{Mutex, SpinLock};

type Name = Arc<[u8]>;

/// Cookies of the first real entry; `.` and `..` come before.
const FIRST: u64 = 2;

pub struct Directory {
    pub entries: Mutex<Entries>,
    place: SpinLock<Place>,
}

/// Where a directory is. Changes with the tree held, but for a new directory's.
struct Place {
    /// Dangling in the root.
    parent: Weak<Inode>,
    /// Empty in the root and once it is removed.
    name: Name,
}

pub struct Entries {
    by_name: BTreeMap<Name, (u64, Arc<Inode>)>,
    by_cookie: BTreeMap<u64, Name>,
    next_cookie: u64,
    /// The directory itself was removed: nothing may be added any more.
    removed: bool,
}

impl Directory {
    pub fn empty() -> Self {
        let entries = Entries {
            by_name: BTreeMap::new(),
            by_cookie: BTreeMap::new(),
            next_cookie: FIRST,
            removed: false,
        };
        Self {
            entries: Mutex::new(entries),
            place: SpinLock::new(Place {
                parent: Weak::new(),
                name: Name::from([]),
            }),
        }
    }

    pub fn parent(&self) -> Option<Arc<Inode>> {
        self.place.lock().parent.upgrade()
    }

    /// What its parent calls it; `None` for a root or once it is removed.
    pub fn name(&self) -> Option<Name> {
        let name = self.place.lock().name.clone();
        (!name.is_empty()).then_some(name)
    }

    pub fn set_place(&self, parent: &Arc<Inode>, name: &[u8]) {
        let (parent, name) = (Arc::downgrade(parent), Name::from(name));
        let _old = core::mem::replace(&mut *self.place.lock(), Place { parent, name });
    }

    pub fn forget_name(&self) {
        let _old = core::mem::replace(&mut self.place.lock().name, Name::from([]));
    }
}

impl Entries {
    pub fn get(&self, name: &[u8]) -> Option<Arc<Inode>> {
        self.by_name.get(name).map(|(_, node)| node.clone())
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn insert(&mut self, name: &[u8], node: Arc<Inode>) -> Result<()> {
        if self.removed {
            return Err(Errno::ENOENT);
        }
        if self.by_name.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let name: Name = name.into();
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.by_cookie.insert(cookie, name.clone());
        self.by_name.insert(name, (cookie, node));
        Ok(())
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<Inode>> {
        let (cookie, node) = self.by_name.remove(name)?;
        self.by_cookie.remove(&cookie);
        Some(node)
    }

    /// Puts `node` in the place of what `name` meant, which is returned.
    pub fn replace(&mut self, name: &[u8], node: Arc<Inode>) -> Option<Arc<Inode>> {
        let (_, held) = self.by_name.get_mut(name)?;
        Some(core::mem::replace(held, node))
    }

    /// Empties the directory.
    pub fn take_all(&mut self) -> Vec<Arc<Inode>> {
        self.by_cookie.clear();
        let entries = core::mem::take(&mut self.by_name);
        entries.into_values().map(|(_, node)| node).collect()
    }

    /// Closes an empty directory for good.
    pub fn retire(&mut self) -> Result<()> {
        if !self.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.removed = true;
        Ok(())
    }

    /// Visits the entries with cookies from `from` on, the real ones only.
    pub fn visit(&self, from: u64, visit: &mut dyn FnMut(Entry<'_>) -> Visit) {
        for (&cookie, name) in self.by_cookie.range(from.max(FIRST)..) {
            let Some((_, node)) = self.by_name.get(name) else {
                continue;
            };
            let entry = Entry {
                name,
                inode: node.number(),
                file_type: node.kind(),
                next: cookie + 1,
            };
            if visit(entry) == Visit::Full {
                return;
            }
        }
    }
}

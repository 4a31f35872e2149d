//! The names UNIX sockets are bound to: abstract ones, and inodes of the file system.

use super::UnixSocket;
use crate::{Error, Result, UnixAddress};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use smp::SpinLock;

/// What identifies a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Abstract(Vec<u8>),
    Inode(u64, u64),
}

impl Key {
    fn of(address: &UnixAddress) -> Option<Self> {
        match address {
            UnixAddress::Unnamed => None,
            UnixAddress::Abstract(name) => Some(Self::Abstract(name.clone())),
            UnixAddress::Path { inode, .. } => {
                let (device, number) = inode.key();
                Some(Self::Inode(device, number))
            }
        }
    }
}

/// All bound names of a machine.
pub struct Names(SpinLock<Table>);

struct Table {
    bound: BTreeMap<Key, Weak<UnixSocket>>,
    /// Where the search for a free automatic name goes on.
    next_automatic: u32,
}

impl Names {
    pub const fn new() -> Self {
        Self(SpinLock::new(Table {
            bound: BTreeMap::new(),
            next_automatic: 0,
        }))
    }

    /// Binds `socket` to `address`.
    pub(super) fn bind(&self, address: &UnixAddress, socket: &Arc<UnixSocket>) -> Result<()> {
        let key = Key::of(address).ok_or(Error::InvalidArgument)?;
        let mut table = self.0.lock();
        if table.bound.contains_key(&key) {
            return Err(Error::AddressInUse);
        }
        table.bound.insert(key, Arc::downgrade(socket));
        Ok(())
    }

    /// Binds `socket` to a free abstract name of five hexadecimal digits (unix(7), "autobind").
    pub(super) fn bind_automatically(&self, socket: &Arc<UnixSocket>) -> Result<UnixAddress> {
        const NAMES: u32 = 1 << 20;
        let mut table = self.0.lock();
        for _ in 0..NAMES {
            let name = format!("{:05x}", table.next_automatic).into_bytes();
            table.next_automatic = (table.next_automatic + 1) % NAMES;
            let key = Key::Abstract(name.clone());
            if let Entry::Vacant(free) = table.bound.entry(key) {
                free.insert(Arc::downgrade(socket));
                return Ok(UnixAddress::Abstract(name));
            }
        }
        Err(Error::AddressInUse)
    }

    /// Whether `address` belongs to the socket that `socket` refers to, alive or about to go.
    pub(super) fn owns(&self, address: &UnixAddress, socket: &Weak<UnixSocket>) -> bool {
        let table = self.0.lock();
        Key::of(address)
            .and_then(|key| table.bound.get(&key))
            .is_some_and(|bound| bound.ptr_eq(socket))
    }

    pub(super) fn unbind(&self, address: &UnixAddress) {
        if let Some(key) = Key::of(address) {
            self.0.lock().bound.remove(&key);
        }
    }

    /// The socket bound to `address`.
    pub(super) fn find(&self, address: &UnixAddress) -> Result<Arc<UnixSocket>> {
        let key = Key::of(address).ok_or(Error::InvalidArgument)?;
        // The reference may turn out to be the last one; then it must not be dropped under the lock.
        let found = self.0.lock().bound.get(&key).and_then(Weak::upgrade);
        found.ok_or(Error::ConnectionRefused)
    }

    /// The bound sockets, for /proc/net/unix.
    pub fn sockets(&self) -> Vec<Arc<UnixSocket>> {
        let table = self.0.lock();
        table.bound.values().filter_map(Weak::upgrade).collect()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

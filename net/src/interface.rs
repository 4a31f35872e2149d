//! One network interface: its addresses, and its smoltcp stack under one sleeping lock.

use crate::config::Assignment;
use crate::link::{Link, Traffic};
use crate::news::StackGuard;
use crate::stack::Stack;
use alloc::string::String;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicU64, Ordering};
use smp::{Mutex, SpinLock};

/// No deadline: nothing to do until something happens.
pub(crate) const NEVER: u64 = u64::MAX;

/// A network interface.
pub struct Interface {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: usize,
    /// A copy of what the stack is configured with, to be read without its lock.
    assignment: SpinLock<Option<Assignment>>,
    stack: Mutex<Stack>,
    /// When the stack next has something to do; written under the stack's lock.
    deadline_ns: AtomicU64,
}

impl Interface {
    pub(crate) fn new(index: usize, name: String, link: Link, seed: u64) -> Self {
        Self {
            index,
            name,
            mac: link.mac(),
            mtu: link.mtu(),
            assignment: SpinLock::new(None),
            stack: Mutex::new(Stack::new(index, link, seed)),
            deadline_ns: AtomicU64::new(NEVER),
        }
    }

    /// Locks the stack. What its connections' waiters are to know is told when it is unlocked.
    pub(crate) fn stack(&self) -> StackGuard<'_> {
        StackGuard::lock(&self.stack)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// 1 for `lo`, as in Linux.
    pub fn index(&self) -> usize {
        self.index + 1
    }

    pub fn mac(&self) -> Option<[u8; 6]> {
        self.mac
    }

    pub fn mtu(&self) -> usize {
        self.mtu
    }

    pub fn assignment(&self) -> Option<Assignment> {
        *self.assignment.lock()
    }

    pub fn traffic(&self) -> Traffic {
        self.stack().traffic()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.mac.is_none()
    }

    /// Whether `address` is one of this interface's own.
    pub(crate) fn owns(&self, address: Ipv4Addr) -> bool {
        if self.is_loopback() {
            return address.is_loopback();
        }
        self.assignment()
            .is_some_and(|assignment| assignment.address == address)
    }

    /// Whether packets to `address` go to every host on the link.
    pub(crate) fn broadcasts(&self, address: Ipv4Addr) -> bool {
        let subnet = self
            .assignment()
            .and_then(|assignment| assignment.broadcast());
        !self.is_loopback() && (address.is_broadcast() || subnet == Some(address))
    }

    pub(crate) fn publish_assignment(&self, assignment: Option<Assignment>) {
        *self.assignment.lock() = assignment;
    }

    pub(crate) fn deadline_ns(&self) -> u64 {
        self.deadline_ns.load(Ordering::SeqCst)
    }

    pub(crate) fn set_deadline_ns(&self, deadline_ns: u64) {
        self.deadline_ns.store(deadline_ns, Ordering::SeqCst);
    }
}

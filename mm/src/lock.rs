//! The locks of this crate: spinning, and for an address space sleeping, where page faults are
//! readers and everything that changes the map is a writer.

pub(crate) use smp::rw_lock::RwLock;
pub(crate) use smp::spinlock::SpinLock;

//! Advisory locks: records of fcntl(2) (per process and per open file description) and flock(2).
//!
//! Locks of a process (its descriptor table) go when the process closes any descriptor of the
//! file, as POSIX wants; locks of an open file description go with it.

use super::file_table::FileTable;
use super::node::NodeId;
use super::open_file::OpenFile;
use crate::error::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use smp::{SpinLock, WaitQueue};

/// The most records in the whole system; past it `ENOLCK`.
const MAX_RECORDS: usize = 1 << 16;

/// Whose a lock is: the serial number of a descriptor table or of an open file description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    Process(u64),
    Description(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Shared,
    Exclusive,
}

/// fcntl and flock locks do not see each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Space {
    Records,
    Whole,
}

/// A lock on the bytes `start..end` of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    pub owner: Owner,
    pub kind: Kind,
    pub start: u64,
    /// `u64::MAX`: however large the file grows.
    pub end: u64,
    /// Told by F_GETLK; 0 for locks of descriptions.
    pub pid: u32,
}

impl Record {
    fn overlaps(&self, other: &Record) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn conflicts(&self, other: &Record) -> bool {
        let exclusive = self.kind == Kind::Exclusive || other.kind == Kind::Exclusive;
        self.owner != other.owner && exclusive && self.overlaps(other)
    }
}

type Key = (NodeId, Space);

static RECORDS: SpinLock<BTreeMap<Key, Vec<Record>>> = SpinLock::new(BTreeMap::new());
/// How many there are: closing a descriptor looks no further while there are none.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Some lock was released or weakened.
static RELEASED: WaitQueue = WaitQueue::new();

/// The lock that keeps `wanted` from being granted, if any.
pub fn conflict(node: NodeId, space: Space, wanted: &Record) -> Option<Record> {
    let records = RECORDS.lock();
    records
        .get(&(node, space))?
        .iter()
        .find(|held| held.conflicts(wanted))
        .copied()
}

/// Takes the lock, which replaces the owner's own in that range; waits for others if `wait`,
/// else `EAGAIN`.
pub fn acquire(node: NodeId, space: Space, wanted: Record, wait: bool) -> Result<()> {
    match try_acquire(node, space, wanted) {
        Err(Errno::EAGAIN) if wait => crate::wait::interruptible(&RELEASED, None, || {
            Some(try_acquire(node, space, wanted)).filter(|result| *result != Err(Errno::EAGAIN))
        })?,
        result => result,
    }
}

fn try_acquire(node: NodeId, space: Space, wanted: Record) -> Result<()> {
    let mut records = RECORDS.lock();
    let held = records.entry((node, space)).or_default();
    if held.iter().any(|other| other.conflicts(&wanted)) {
        return Err(Errno::EAGAIN);
    }
    if COUNT.load(Ordering::Relaxed) >= MAX_RECORDS {
        return Err(Errno::ENOLCK);
    }
    let before = held.len();
    carve(held, &wanted);
    held.push(wanted);
    recount(before, held.len());
    drop(records);
    // A weaker lock in the place of a stronger one may let others in.
    RELEASED.wake_all();
    Ok(())
}

/// Gives up the owner's locks in the range.
pub fn release(node: NodeId, space: Space, range: Record) {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mut records = RECORDS.lock();
    let Some(held) = records.get_mut(&(node, space)) else {
        return;
    };
    let before = held.len();
    carve(held, &range);
    recount(before, held.len());
    if held.is_empty() {
        records.remove(&(node, space));
    }
    drop(records);
    RELEASED.wake_all();
}

/// Cuts `range` out of what its owner holds: a lock in the middle of another leaves two ends.
fn carve(held: &mut Vec<Record>, range: &Record) {
    let mut rests = Vec::new();
    held.retain(|record| {
        if record.owner != range.owner || !record.overlaps(range) {
            return true;
        }
        let left = Record {
            end: range.start,
            ..*record
        };
        let right = Record {
            start: range.end,
            ..*record
        };
        rests.extend(
            [left, right]
                .into_iter()
                .filter(|rest| rest.start < rest.end),
        );
        false
    });
    held.append(&mut rests);
}

fn recount(before: usize, after: usize) {
    COUNT.fetch_add(after, Ordering::Relaxed);
    COUNT.fetch_sub(before, Ordering::Relaxed);
}

fn everything(owner: Owner) -> Record {
    Record {
        owner,
        kind: Kind::Shared,
        start: 0,
        end: u64::MAX,
        pid: 0,
    }
}

/// A descriptor was closed: POSIX drops all record locks the process has on that file.
pub fn release_process(owner: &FileTable, file: &OpenFile) {
    if COUNT.load(Ordering::Relaxed) > 0 {
        release(
            file.metadata().id,
            Space::Records,
            everything(Owner::Process(owner.serial())),
        );
    }
}

/// A descriptor table goes away with the locks of its process.
pub fn release_table(owner: &FileTable) {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return;
    }
    let range = everything(Owner::Process(owner.serial()));
    RECORDS.lock().retain(|_, held| {
        let before = held.len();
        carve(held, &range);
        recount(before, held.len());
        !held.is_empty()
    });
    RELEASED.wake_all();
}

/// An open file description goes away with its locks.
pub fn release_description(file: &OpenFile) {
    if COUNT.load(Ordering::Relaxed) > 0 {
        let (node, range) = (
            file.metadata().id,
            everything(Owner::Description(file.serial())),
        );
        release(node, Space::Records, range);
        release(node, Space::Whole, range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inode: u64) -> NodeId {
        NodeId {
            device: 0xdead,
            inode,
        }
    }

    fn record(owner: u64, kind: Kind, start: u64, end: u64) -> Record {
        Record {
            owner: Owner::Process(1 << 40 | owner),
            kind,
            start,
            end,
            pid: owner as u32,
        }
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let take = |record| acquire(node(1), Space::Records, record, false);
        take(record(1, Kind::Shared, 0, 10)).unwrap();
        take(record(2, Kind::Shared, 5, 15)).unwrap();
        assert_eq!(take(record(3, Kind::Exclusive, 9, 10)), Err(Errno::EAGAIN));
        take(record(3, Kind::Exclusive, 15, 20)).unwrap();
        let found = conflict(
            node(1),
            Space::Records,
            &record(9, Kind::Shared, 0, u64::MAX),
        );
        assert_eq!(found.map(|held| held.pid), Some(3));
        // Another kind of lock on the same file is another matter.
        acquire(
            node(1),
            Space::Whole,
            record(4, Kind::Exclusive, 0, u64::MAX),
            false,
        )
        .unwrap();
    }

    #[test]
    fn unlocking_the_middle_leaves_the_ends() {
        let take = |record| acquire(node(2), Space::Records, record, false);
        take(record(1, Kind::Exclusive, 0, 100)).unwrap();
        release(node(2), Space::Records, record(1, Kind::Shared, 40, 60));
        take(record(2, Kind::Exclusive, 40, 60)).unwrap();
        assert_eq!(take(record(2, Kind::Exclusive, 39, 40)), Err(Errno::EAGAIN));
        assert_eq!(take(record(2, Kind::Exclusive, 60, 61)), Err(Errno::EAGAIN));
    }

    #[test]
    fn a_waiter_gets_the_lock_when_it_is_released() {
        let all = record(1, Kind::Exclusive, 0, u64::MAX);
        acquire(node(3), Space::Whole, all, false).unwrap();
        std::thread::scope(|scope| {
            let other = record(2, Kind::Exclusive, 0, u64::MAX);
            let waiter = scope.spawn(move || acquire(node(3), Space::Whole, other, true));
            release(node(3), Space::Whole, all);
            assert_eq!(waiter.join().unwrap(), Ok(()));
        });
    }
}

//! Threads that park until a deadline: an ordered queue per CPU, without allocation.
//!
//! A thread enters the queue of the CPU it parks on and is taken out by that CPU's timer or, when
//! woken earlier, by itself from wherever it runs then; a short lock serves both. The timer wakes
//! under the lock: a thread that is in the queue has not returned from its park and so is alive.

use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, UnsafeRef, intrusive_adapter};
use percpu::CpuId;

use crate::sync::Lock;
use crate::thread::Thread;
use crate::tick::NEVER;

/// A thread's place among sleepers. CPU numbers plus one; 0: none.
pub(crate) struct SleepEntry {
    // Under the lock of the queue it is in.
    deadline_ns: AtomicU64,
    queue: AtomicU32,
    // The thread's own: the CPU of its last park with a deadline. It goes there to take itself
    // out, or, under that lock, to learn that the timer did and is done with it.
    parked_on: AtomicU32,
}

impl SleepEntry {
    pub fn new() -> Self {
        Self {
            deadline_ns: AtomicU64::new(0),
            queue: AtomicU32::new(0),
            parked_on: AtomicU32::new(0),
        }
    }

    pub fn set_parked_on(&self, cpu: Option<CpuId>) {
        self.parked_on
            .store(cpu.map_or(0, |cpu| cpu.index() as u32 + 1), Relaxed);
    }

    pub fn parked_on(&self) -> Option<CpuId> {
        let cpu = self.parked_on.load(Relaxed) as usize;
        cpu.checked_sub(1).map(CpuId::new)
    }
}

intrusive_adapter!(ByDeadline = UnsafeRef<Thread>: Thread { sleep_link => RBTreeLink });

impl<'a> KeyAdapter<'a> for ByDeadline {
    type Key = u64;

    fn get_key(&self, thread: &'a Thread) -> u64 {
        thread.sleep.deadline_ns.load(Relaxed)
    }
}

/// The sleepers of one CPU. All methods with IRQs masked.
pub(crate) struct SleepQueue {
    cpu: CpuId,
    sleepers: Lock<RBTree<ByDeadline>>,
}

impl SleepQueue {
    pub fn new(cpu: CpuId) -> Self {
        Self {
            cpu,
            sleepers: Lock::new(RBTree::new(ByDeadline::new())),
        }
    }

    /// Enters the current thread of this CPU, about to park.
    pub fn insert(&self, thread: &Thread, deadline_ns: u64) {
        let mut sleepers = self.sleepers.lock();
        thread.sleep.deadline_ns.store(deadline_ns, Relaxed);
        thread
            .sleep
            .queue
            .store(self.cpu.index() as u32 + 1, Relaxed);
        // SAFETY: in no queue (it took itself out after its last park), and it stays alive until
        // it is taken out, which its park waits for.
        sleepers.insert(unsafe { UnsafeRef::from_raw(ptr::from_ref(thread)) });
    }

    /// Takes the calling thread out; false when the timer already did.
    pub fn remove(&self, thread: &Thread) -> bool {
        let mut sleepers = self.sleepers.lock();
        if thread.sleep.queue.load(Relaxed) != self.cpu.index() as u32 + 1 {
            return false;
        }
        thread.sleep.queue.store(0, Relaxed);
        // SAFETY: `queue`, read under the lock, says it is in this tree.
        unsafe { sleepers.cursor_mut_from_ptr(thread) }.remove();
        true
    }

    /// Calls `wake` for one thread that is due; false when there is none.
    pub fn expire_one(&self, now_ns: u64, wake: impl FnOnce(&Thread)) -> bool {
        let mut sleepers = self.sleepers.lock();
        let mut front = sleepers.front_mut();
        let due = |thread: &Thread| thread.sleep.deadline_ns.load(Relaxed) <= now_ns;
        if !front.get().is_some_and(due) {
            return false;
        }
        if let Some(thread) = front.remove() {
            thread.sleep.queue.store(0, Relaxed);
            wake(&thread);
        }
        true
    }

    /// Calls `wake` for every sleeper. They stay until each has taken itself out: their parks end
    /// early, and they sleep on where they run then.
    pub fn disturb(&self, mut wake: impl FnMut(&Thread)) {
        let sleepers = self.sleepers.lock();
        sleepers.iter().for_each(&mut wake);
    }

    /// `NEVER` when there is none.
    pub fn next_deadline(&self) -> u64 {
        let sleepers = self.sleepers.lock();
        let first = sleepers.front();
        first
            .get()
            .map_or(NEVER, |thread| thread.sleep.deadline_ns.load(Relaxed))
    }
}

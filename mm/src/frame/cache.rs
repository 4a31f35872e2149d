//! Per-CPU caches of single frames, and the depot through which batches move between CPUs.
//!
//! A CPU touches its own cache with IRQs masked. Only batches reach the depot (a bounded
//! lock-free queue) or the buddy lists. The queue's two ends may wait for each other, so both are
//! used with IRQs masked.

use super::buddy::Buddy;
use crate::addr::FrameNumber;
use crate::lock::SpinLock;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use crossbeam_queue::ArrayQueue;
use percpu::{CpuId, IrqGuard, MAX_CPUS, cpu_local, irq};
use spin::Once;

const CAPACITY: usize = 64;
const BATCH_ORDER: usize = 5;
const BATCH: usize = 1 << BATCH_ORDER;
/// The depot holds up to 4 MiB.
const DEPOT_BATCHES: usize = 32;

/// Written by its own CPU with IRQs masked; others only read the length, for statistics.
struct Cache {
    length: AtomicU32,
    frames: [AtomicU32; CAPACITY],
}

cpu_local! {
    static CACHE: Cache = Cache {
        length: AtomicU32::new(0),
        frames: [const { AtomicU32::new(0) }; CAPACITY],
    };
}

type Batch = [u32; BATCH];
static DEPOT: Once<ArrayQueue<Batch>> = Once::new();
pub static BUDDY: SpinLock<Buddy> = SpinLock::new(Buddy::new());

/// Frames that only the kernel may take, and whether only those are left.
static RESERVE: AtomicUsize = AtomicUsize::new(0);
static LOW: AtomicBool = AtomicBool::new(false);

/// On whose behalf a frame is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Kernel,
    /// A user program's page: refused while only the reserve is left.
    User,
}

pub fn set_reserve(frames: usize) {
    RESERVE.store(frames, Relaxed);
    LOW.store(false, Relaxed);
}

/// Whether little more than the reserve is left, or the heap went far beyond it.
pub fn is_scarce() -> bool {
    available() < 2 * RESERVE.load(Relaxed) || crate::heap::standby::is_strained()
}

/// Needs the heap.
pub fn enable_depot() {
    DEPOT.call_once(|| ArrayQueue::new(DEPOT_BATCHES));
}

/// One frame, its info untouched since it was freed.
#[inline]
pub fn take(purpose: Purpose) -> Option<FrameNumber> {
    let masked = irq::mask();
    let cache = CACHE.get(&masked);
    if cache.length.load(Relaxed) == 0 || (purpose == Purpose::User && LOW.load(Relaxed)) {
        refill(cache, purpose, &masked)?;
    }
    let length = cache.length.load(Relaxed) - 1;
    cache.length.store(length, Relaxed);
    Some(FrameNumber(cache.frames[length as usize].load(Relaxed)))
}

#[inline]
pub fn give(frame: FrameNumber) {
    let masked = irq::mask();
    let cache = CACHE.get(&masked);
    if cache.length.load(Relaxed) as usize == CAPACITY {
        spill(cache, &masked);
    }
    cache.push(frame.0);
}

impl Cache {
    #[inline]
    fn push(&self, frame: u32) {
        let length = self.length.load(Relaxed);
        self.frames[length as usize].store(frame, Relaxed);
        self.length.store(length + 1, Relaxed);
    }

    fn empty_into(&self, buddy: &mut Buddy) {
        for index in 0..self.length.swap(0, Relaxed) as usize {
            buddy.give(FrameNumber(self.frames[index].load(Relaxed)), 0);
        }
    }
}

/// Makes sure that the cache holds a frame this purpose may take.
#[cold]
fn refill(cache: &Cache, purpose: Purpose, masked: &IrqGuard) -> Option<()> {
    let low = update_low();
    if low && purpose == Purpose::User {
        return None;
    }
    if cache.length.load(Relaxed) > 0 {
        return Some(());
    }
    if let Some(batch) = DEPOT.get().and_then(|depot| pop(depot, masked)) {
        batch.iter().for_each(|&frame| cache.push(frame));
        return Some(());
    }
    let mut buddy = BUDDY.lock();
    if let Some(block) = buddy.take(BATCH_ORDER) {
        // The lowest address is handed out first.
        (0..BATCH as u32)
            .rev()
            .for_each(|index| cache.push(block.0 + index));
        return Some(());
    }
    while (cache.length.load(Relaxed) as usize) < BATCH {
        let Some(frame) = buddy.take(0) else { break };
        cache.push(frame.0);
    }
    (cache.length.load(Relaxed) > 0).then_some(())
}

/// Moves a batch out of a full cache.
#[cold]
fn spill(cache: &Cache, _masked: &IrqGuard) {
    let keep = CAPACITY - BATCH;
    let batch: Batch = core::array::from_fn(|index| cache.frames[keep + index].load(Relaxed));
    cache.length.store(keep as u32, Relaxed);
    let refused = match DEPOT.get() {
        Some(depot) => depot.push(batch).err(),
        None => Some(batch),
    };
    if let Some(batch) = refused {
        let mut buddy = BUDDY.lock();
        batch
            .iter()
            .for_each(|&frame| buddy.give(FrameNumber(frame), 0));
    }
}

fn pop(depot: &ArrayQueue<Batch>, _masked: &IrqGuard) -> Option<Batch> {
    depot.pop()
}

/// Returns this CPU's cache to the buddy lists.
#[cold]
pub fn leave_cpu() {
    let masked = irq::mask();
    CACHE.get(&masked).empty_into(&mut BUDDY.lock());
}

/// Returns this CPU's cache and the depot to the buddy lists, for a big contiguous block.
#[cold]
pub fn drain() {
    let masked = irq::mask();
    let mut buddy = BUDDY.lock();
    CACHE.get(&masked).empty_into(&mut buddy);
    while let Some(batch) = DEPOT.get().and_then(|depot| pop(depot, &masked)) {
        batch
            .iter()
            .for_each(|&frame| buddy.give(FrameNumber(frame), 0));
    }
}

/// Whether more than the kernel's reserve is free. Cheap while it is.
#[inline]
pub fn has_spare() -> bool {
    !LOW.load(Relaxed) || !update_low()
}

/// Looks whether only the reserve is left: whenever more than a few frames have been taken, and
/// when somebody wants to know whether it still is so.
#[cold]
pub fn update_low() -> bool {
    // A refill takes a batch, which must not come out of the reserve.
    let low = available() < RESERVE.load(Relaxed) + BATCH;
    LOW.store(low, Relaxed);
    low
}

/// Free frames outside the caches.
fn available() -> usize {
    let depot = DEPOT.get().map_or(0, |depot| depot.len() * BATCH);
    BUDDY.lock().free() + depot
}

/// Free frames, caches included; other CPUs go on allocating meanwhile.
pub fn free() -> usize {
    let cpus = (0..MAX_CPUS)
        .map(CpuId::new)
        .filter(|&cpu| percpu::is_present(cpu));
    let cached: usize = cpus
        .map(|cpu| CACHE.remote(cpu).length.load(Relaxed) as usize)
        .sum();
    available() + cached
}

//! Address space identifiers: one per space, handed out in generations.
//!
//! When the numbers run out a new generation starts: spaces in use on a CPU keep their number,
//! all others get a new one at their next activation, and every CPU drops its whole TLB before
//! it enters its first space of the new generation. So within a generation no number is given
//! to two spaces, and a stale entry is never met.

use crate::lock::SpinLock;
use crate::tlb::tlb;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU64};
use percpu::{CpuId, MAX_CPUS, Pinned, cpu_local};

/// A number and the generation it is good for. 0 is nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asid(u64);

const GENERATION: u64 = 1 << 16;

impl Asid {
    pub fn number(self) -> u16 {
        self.0 as u16
    }

    fn generation(self) -> u64 {
        self.0 & !(GENERATION - 1)
    }
}

cpu_local! {
    /// What TTBR0 of this CPU holds; 0 once a rollover has looked.
    static ACTIVE: AtomicU64 = AtomicU64::new(0);
    /// What it held at the last rollover. Under the allocator's lock.
    static RESERVED: AtomicU64 = AtomicU64::new(0);
    /// The CPU owes a flush of everything. Under the allocator's lock.
    static FLUSH_OWED: AtomicBool = AtomicBool::new(false);
}

/// The present generation. Read without the lock on the fast path of [`activate`].
static CURRENT: AtomicU64 = AtomicU64::new(GENERATION);

struct Allocator {
    /// A bit per number given out in this generation.
    used: Vec<u64>,
    /// Where to look next; numbers below are taken.
    next: usize,
}

static ALLOCATOR: SpinLock<Allocator> = SpinLock::new(Allocator {
    used: Vec::new(),
    next: 1,
});

/// Sizes the allocator before anything is activated: at the first space, which may fail.
pub fn prepare() -> Result<(), crate::OutOfMemory> {
    let words = (1usize << tlb().asid_bits()) / 64;
    let mut allocator = ALLOCATOR.lock();
    if allocator.used.is_empty() {
        let mut used = Vec::new();
        used.try_reserve_exact(words)
            .map_err(|_| crate::OutOfMemory)?;
        used.resize(words, 0);
        allocator.used = used;
    }
    Ok(())
}

/// The number under which a space that has `asid` so far enters this CPU.
#[inline]
pub fn activate(asid: Asid, pinned: &Pinned) -> Asid {
    let active = ACTIVE.get(pinned);
    let before = active.load(Relaxed);
    let current = asid.generation() == CURRENT.load(Relaxed);
    // The exchange fails if a rollover looked at ACTIVE in between; SeqCst orders it with the
    // rollover's exchange, both being read-modify-writes of one word.
    if current
        && before != 0
        && active
            .compare_exchange(before, asid.0, SeqCst, Relaxed)
            .is_ok()
    {
        return asid;
    }
    activate_slow(asid, pinned)
}

#[cold]
fn activate_slow(asid: Asid, pinned: &Pinned) -> Asid {
    let mut allocator = ALLOCATOR.lock();
    let asid = match asid.generation() == CURRENT.load(Relaxed) {
        true => asid,
        false => allocator.renew(asid),
    };
    settle(asid, pinned);
    asid
}

/// A number that no TLB has seen in this generation, for a space that moves to this CPU alone.
pub fn activate_fresh(pinned: &Pinned) -> Asid {
    let mut allocator = ALLOCATOR.lock();
    let asid = allocator.fresh();
    settle(asid, pinned);
    asid
}

/// The end of an activation, under the lock.
fn settle(asid: Asid, pinned: &Pinned) {
    if FLUSH_OWED.get(pinned).swap(false, Relaxed) {
        tlb().flush_all_local();
    }
    ACTIVE.get(pinned).store(asid.0, SeqCst);
}

impl Allocator {
    /// The number of `old` in this generation: the same if a CPU was in it at the rollover.
    fn renew(&mut self, old: Asid) -> Asid {
        let generation = CURRENT.load(Relaxed);
        let renewed = Asid(generation | old.number() as u64);
        if old != Asid::default() && replace_reserved(old, renewed) {
            return renewed;
        }
        self.fresh()
    }

    fn fresh(&mut self) -> Asid {
        let number = self.take().unwrap_or_else(|| {
            self.roll_over();
            self.take()
                .expect("more CPUs than address space identifiers")
        });
        Asid(CURRENT.load(Relaxed) | number as u64)
    }

    fn take(&mut self) -> Option<usize> {
        let from = self.next;
        let (word, free) = (from / 64..self.used.len())
            .map(|word| {
                (
                    word,
                    !self.used[word]
                        & if word == from / 64 {
                            !0 << (from % 64)
                        } else {
                            !0
                        },
                )
            })
            .find(|&(_, free)| free != 0)?;
        let number = word * 64 + free.trailing_zeros() as usize;
        self.used[word] |= 1 << (number % 64);
        self.next = number;
        Some(number)
    }

    fn roll_over(&mut self) {
        CURRENT.fetch_add(GENERATION, SeqCst);
        self.used.fill(0);
        self.next = 1;
        for cpu in present_cpus() {
            let active = ACTIVE.remote(cpu).swap(0, SeqCst);
            // A CPU that has activated nothing since the last rollover still has what it had.
            if active != 0 {
                RESERVED.remote(cpu).store(active, Relaxed);
            }
            let reserved = Asid(RESERVED.remote(cpu).load(Relaxed)).number() as usize;
            self.used[reserved / 64] |= 1 << (reserved % 64);
            FLUSH_OWED.remote(cpu).store(true, Relaxed);
        }
    }
}

/// Brings every CPU's reservation of `old` to the new generation; whether there was one.
fn replace_reserved(old: Asid, renewed: Asid) -> bool {
    let holders = present_cpus().filter(|&cpu| RESERVED.remote(cpu).load(Relaxed) == old.0);
    holders
        .map(|cpu| RESERVED.remote(cpu).store(renewed.0, Relaxed))
        .count()
        > 0
}

fn present_cpus() -> impl Iterator<Item = CpuId> {
    (0..MAX_CPUS)
        .map(CpuId::new)
        .filter(|&cpu| percpu::is_present(cpu))
}

/// Whether `cpu` will drop its TLB before it enters another space: until then it may hold stale
/// entries of numbers that it does not use.
#[cfg(not(target_os = "none"))]
pub fn owes_flush(cpu: CpuId) -> bool {
    let _allocator = ALLOCATOR.lock();
    FLUSH_OWED.remote(cpu).load(Relaxed)
}

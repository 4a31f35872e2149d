//! A machine for host tests: an arena of memory, and CPUs whose simulated TLBs cache every
//! translation they can for as long as they may, so that a missing flush shows.
//!
//! Every thread is a CPU (see `percpu`). [`Machine`] serialises the tests of one process.

use crate::addr::{PAGE_SIZE, PhysAddr, page_down};
use crate::page_table::{Entry, Rights, Table, index, level_shift};
use crate::phys_map;
use crate::space::{Access, AddressSpace, Fault};
use crate::tlb::{self, Scope, Tlb};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::alloc::{Layout, alloc_zeroed};
use std::boxed::Box;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

const MEMORY: usize = if cfg!(miri) { 4 << 20 } else { 64 << 20 };

/// The simulated machine, for as long as the test runs.
pub struct Machine {
    _alone: MutexGuard<'static, ()>,
}

/// Starts the machine, once per process: memory to allocate and TLBs to flush.
pub fn install() {
    static START: Once = Once::new();
    START.call_once(|| {
        let layout = Layout::from_size_align(MEMORY, 4 << 20).expect("constant");
        // SAFETY: the size is not zero; the arena is leaked.
        phys_map::install_arena(unsafe { alloc_zeroed(layout) });
        // SAFETY: once; the arena is memory that nobody else uses.
        unsafe { crate::frame::init(&[PhysAddr(0)..PhysAddr(MEMORY as u64)], &[]) };
        crate::frame::enable_depot();
        tlb::install(&TLBS);
    });
}

/// Starts the machine and waits until it is this test's alone, for tests that count frames.
pub fn machine() -> Machine {
    static ALONE: Mutex<()> = Mutex::new(());
    install();
    Machine {
        _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
    }
}

/// Makes flushes do nothing until dropped: for tests of the checker itself.
pub struct DroppedFlushes;

impl DroppedFlushes {
    pub fn new(_machine: &Machine) -> Self {
        DROP_FLUSHES.store(true, Relaxed);
        Self
    }
}

impl Drop for DroppedFlushes {
    fn drop(&mut self) {
        DROP_FLUSHES.store(false, Relaxed);
        TLBS.lock().cpus.clear();
    }
}

/// Runs `action` in the middle of the next flush that goes to all CPUs.
pub fn during_broadcast(_machine: &Machine, action: impl FnOnce() + Send + 'static) {
    *DURING_BROADCAST.lock().unwrap() = Some(Box::new(action));
}

static DURING_BROADCAST: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

static DROP_FLUSHES: AtomicBool = AtomicBool::new(false);
static TLBS: SimulatedTlbs = SimulatedTlbs {
    state: Mutex::new(None),
};

struct SimulatedTlbs {
    state: Mutex<Option<Caches>>,
}

#[derive(Default)]
struct Caches {
    cpus: HashMap<usize, Cache>,
    /// The root that each live ASID stands for.
    roots: HashMap<u16, PhysAddr>,
}

/// One CPU's translation caches and TTBR0.
#[derive(Default)]
struct Cache {
    root: Option<PhysAddr>,
    asid: u16,
    pages: HashMap<(u16, usize), Entry>,
    /// Last-level tables by what they translate: the walk cache.
    tables: HashMap<(u16, usize), PhysAddr>,
}

const TABLE_SPAN: usize = 1 << level_shift(2);

impl SimulatedTlbs {
    fn lock(&self) -> StateGuard<'_> {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.get_or_insert_with(Caches::default);
        StateGuard(guard)
    }

    fn flush(&self, scope: Scope, keep: impl Fn(u16, Range<usize>) -> bool) {
        if DROP_FLUSHES.load(Relaxed) {
            return;
        }
        let meanwhile = match scope {
            Scope::Broadcast => DURING_BROADCAST.lock().unwrap().take(),
            Scope::Local => None,
        };
        if let Some(action) = meanwhile {
            action();
        }
        let here = percpu::cpu_id().index();
        for (&cpu, cache) in &mut self.lock().cpus {
            if scope == Scope::Broadcast || cpu == here {
                cache
                    .pages
                    .retain(|&(asid, page), _| keep(asid, page..page + PAGE_SIZE));
                cache
                    .tables
                    .retain(|&(asid, base), _| keep(asid, base..base + TABLE_SPAN));
            }
        }
    }
}

struct StateGuard<'a>(MutexGuard<'a, Option<Caches>>);

impl core::ops::Deref for StateGuard<'_> {
    type Target = Caches;
    fn deref(&self) -> &Caches {
        self.0.as_ref().expect("filled by lock()")
    }
}

impl core::ops::DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut Caches {
        self.0.as_mut().expect("filled by lock()")
    }
}

impl Tlb for SimulatedTlbs {
    fn flush_pages(&self, asid: u16, pages: Range<usize>, scope: Scope) {
        self.flush(scope, |tag, cached| {
            tag != asid || cached.end <= pages.start || pages.end <= cached.start
        });
    }

    fn flush_asid(&self, asid: u16, scope: Scope) {
        self.flush(scope, |tag, _| tag != asid);
    }

    fn flush_all_local(&self) {
        self.flush(Scope::Local, |_, _| false);
    }

    fn flush_kernel(&self, _pages: Range<usize>) {}

    fn publish(&self) {}

    fn set_user_table(&self, root: PhysAddr, asid: u16) {
        let mut caches = self.lock();
        caches.roots.retain(|_, other| *other != root);
        caches.roots.insert(asid, root);
        let cache = caches.cpus.entry(percpu::cpu_id().index()).or_default();
        (cache.root, cache.asid) = (Some(root), asid);
    }

    fn sync_instructions(&self, _start: *const u8, _length: usize) {}

    fn asid_bits(&self) -> u32 {
        8
    }
}

impl Cache {
    /// The translation of `page`, from the cache or by a walk whose every step is cached.
    fn translate(&mut self, page: usize) -> Option<Entry> {
        let key = (self.asid, page);
        if let Some(&entry) = self.pages.get(&key) {
            return Some(entry);
        }
        let base = page & !(TABLE_SPAN - 1);
        let cached = self.tables.get(&(self.asid, base)).copied();
        let table = cached.or_else(|| walk(self.root?, page))?;
        self.tables.insert((self.asid, base), table);
        // SAFETY: a live table, or a stale one: memory of the arena all the same.
        let entry = unsafe { Table::at(table) }.load(index(page, 3));
        entry.is_valid().then(|| {
            self.pages.insert(key, entry);
            entry
        })
    }
}

/// The last-level table of `page` in the tables of `root`.
fn walk(root: PhysAddr, page: usize) -> Option<PhysAddr> {
    let mut table = root;
    for level in 0..3 {
        // SAFETY: tables of a live space.
        let entry = unsafe { Table::at(table) }.load(index(page, level));
        table = entry.is_table().then(|| entry.address())?;
    }
    Some(table)
}

/// Panics if some CPU's cache says something that the tables of a live ASID do not.
pub fn check_coherence() {
    let caches = TLBS.lock();
    for (cpu, cache) in &caches.cpus {
        let owes_flush = crate::space::owes_flush(percpu::CpuId::new(*cpu));
        let live = |asid: u16| {
            let usable = asid == cache.asid || !owes_flush;
            caches.roots.get(&asid).filter(|_| usable)
        };
        for (&(asid, base), &table) in &cache.tables {
            if let Some(&root) = live(asid) {
                assert_eq!(
                    walk(root, base),
                    Some(table),
                    "stale table of {base:#x} on CPU {cpu}"
                );
            }
        }
        for (&(asid, page), &entry) in &cache.pages {
            if let Some(&root) = live(asid) {
                let table = walk(root, page).expect("checked above");
                // SAFETY: a live table.
                let now = unsafe { Table::at(table) }.load(index(page, 3));
                assert!(
                    may_cache(entry, now),
                    "stale {page:#x} on CPU {cpu}: {:#x}, now {:#x}",
                    entry.0,
                    now.0
                );
            }
        }
    }
}

/// Whether a CPU may still use `cached` while the table says `now`: the same frame, no more rights.
fn may_cache(cached: Entry, now: Entry) -> bool {
    let (had, has) = (cached.rights(), now.rights());
    let subset = had.read <= has.read && had.write <= has.write && had.execute <= has.execute;
    now.is_valid() && cached.frame() == now.frame() && subset
}

/// A space being torn down no longer answers for its ASID.
pub fn forget_space(space: &AddressSpace) {
    let root = space.root();
    TLBS.lock().roots.retain(|_, other| *other != root);
}

/// What a program on this CPU does with memory: translated by the simulated TLB, faults taken to
/// the space, which must be active here.
pub fn load_byte(space: &AddressSpace, address: usize) -> Result<u8, Fault> {
    // SAFETY: the pointer is to a byte of the arena.
    user_access(space, address, Access::Read, |byte| unsafe { byte.read() })
}

pub fn store_byte(space: &AddressSpace, address: usize, value: u8) -> Result<(), Fault> {
    // SAFETY: as above.
    user_access(space, address, Access::Write, |byte| unsafe {
        byte.write(value)
    })
}

fn user_access<R>(
    space: &AddressSpace,
    address: usize,
    access: Access,
    act: impl Fn(*mut u8) -> R,
) -> Result<R, Fault> {
    for _ in 0..1_000 {
        let mut caches = TLBS.lock();
        let cache = caches.cpus.entry(percpu::cpu_id().index()).or_default();
        assert_eq!(
            cache.root,
            Some(space.root()),
            "the space is not active on this CPU"
        );
        let entry = cache.translate(page_down(address));
        if let Some(entry) = entry.filter(|entry| allows(entry.rights(), access)) {
            let byte = phys_map::frame_pointer(entry.frame()).wrapping_add(address % PAGE_SIZE);
            // Under the lock: a flush waits for accesses under way, as TLBI and DSB do.
            return Ok(act(byte));
        }
        drop(caches);
        space.handle_fault(address, access)?;
    }
    panic!("{access:?} of {address:#x} faults for ever");
}

fn allows(rights: Rights, access: Access) -> bool {
    match access {
        Access::Read => rights.read,
        Access::Write => rights.write,
        Access::Execute => rights.execute,
    }
}

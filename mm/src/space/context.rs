//! What a CPU has in TTBR0: the root table and its ASID, and who must hear of a change.
//!
//! A CPU keeps a share of the [`Context`] it has in TTBR0, also while it runs threads without
//! user memory, so the root outlives the space; everything below is freed by the space, after a
//! flush. A spin lock orders activations and flushes of one space: a flush that asks first has
//! changed the table before the newcomer walks it, one that asks later sees the newcomer.

use super::asid::{self, Asid};
use crate::OutOfMemory;
use crate::addr::{PAGE_SIZE, PhysAddr};
use crate::frame::zero_frame;
use crate::lock::SpinLock;
use crate::page_table::{Half, Table, free_table};
use crate::tlb::{Scope, tlb};
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use core::ops::Range;
use percpu::{CpuId, IrqGuard, Pinned, cpu_local, irq};

/// More pages than this are flushed as a whole address space.
const FLUSH_PAGES_LIMIT: usize = 32;

pub struct Context {
    root: PhysAddr,
    state: SpinLock<State>,
}

struct State {
    asid: Asid,
    /// CPUs whose present user thread is in this space.
    active: u32,
    ran_on: RanOn,
}

/// Where the TLBs may hold entries with the present ASID.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RanOn {
    Nowhere,
    One(CpuId),
    Several,
}

cpu_local! {
    static HERE: Here = Here { context: RefCell::new(None), number: Cell::new(0), active: Cell::new(false) };
}

/// This CPU's TTBR0.
struct Here {
    context: RefCell<Option<Arc<Context>>>,
    number: Cell<u16>,
    /// Counted in `State::active`; else the space is only kept there.
    active: Cell<bool>,
}

impl Context {
    pub fn new() -> Result<Arc<Self>, OutOfMemory> {
        asid::prepare()?;
        let state = State {
            asid: Asid::default(),
            active: 0,
            ran_on: RanOn::Nowhere,
        };
        Ok(Arc::new(Self {
            root: Table::alloc(Half::User)?,
            state: SpinLock::new(state),
        }))
    }

    pub fn root(&self) -> PhysAddr {
        self.root
    }

    /// Puts the space into this CPU's TTBR0, or makes it count again if it is there.
    pub fn activate(self: &Arc<Self>) {
        let masked = irq::mask();
        let here = HERE.get(&masked);
        let mut context = here.context.borrow_mut();
        let same = context
            .as_ref()
            .is_some_and(|context| Arc::ptr_eq(context, self));
        if same && here.active.get() {
            return;
        }
        if let Some(old) = context.as_ref().filter(|_| here.active.get()) {
            old.state.lock().active -= 1;
        }
        let number = self.enter(&masked, same);
        if !same || number != here.number.get() {
            tlb().set_user_table(self.root, number);
        }
        here.number.set(number);
        here.active.set(true);
        let old = (!same).then(|| context.replace(self.clone()));
        drop(context);
        // Perhaps the last share: frees the old root, now that TTBR0 has another.
        drop(old);
    }

    /// Counts this CPU in; returns the ASID to use. `kept_here`: it is in this CPU's TTBR0 already.
    fn enter(self: &Arc<Self>, masked: &IrqGuard, kept_here: bool) -> u16 {
        let mut state = self.state.lock();
        let cpu = masked.cpu();
        // The space has one share, every TTBR0 that holds the root another.
        let alone = Arc::strong_count(self) == 1 + usize::from(kept_here) && state.active == 0;
        if alone && matches!(state.ran_on, RanOn::One(home) if home != cpu) {
            // Leaves its entries on the old CPU behind under the old number, so that its flushes
            // stay local to the new one.
            state.asid = asid::activate_fresh(masked);
            state.ran_on = RanOn::One(cpu);
        } else {
            state.enter_again(cpu, masked);
        }
        state.active += 1;
        state.asid.number()
    }

    /// If this CPU keeps the space in TTBR0 without using it, puts an empty table there.
    pub fn vacate_here(self: &Arc<Self>) {
        let masked = irq::mask();
        let here = HERE.get(&masked);
        let kept = |context: &Arc<Self>| Arc::ptr_eq(context, self) && !here.active.get();
        if !here.context.borrow().as_ref().is_some_and(kept) {
            return;
        }
        // A page of zeros is a table without entries.
        if let Ok(empty) = zero_frame() {
            tlb().set_user_table(empty.address(), 0);
            here.number.set(0);
            let share = here.context.take();
            drop(share);
        }
    }

    /// The space will not be activated again: if no TTBR0 holds the root any more, nothing can use
    /// what TLBs remember of it until its ASID is given out anew, which they forget it for.
    pub fn retire(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if Arc::strong_count(self) == 1 {
            state.ran_on = RanOn::Nowhere;
        }
    }

    /// Runs `flush` with what it must name, unless no TLB can hold anything of this space. The
    /// lock is held for the question only: a broadcast takes long, and CPUs that switch to a
    /// thread of the space would spin for it.
    fn flush(&self, flush: impl FnOnce(u16, Scope)) {
        let masked = irq::mask();
        // The table's changes reach walkers before anybody can come in behind the question.
        tlb().publish();
        let (asid, ran_on) = {
            let state = self.state.lock();
            (state.asid.number(), state.ran_on)
        };
        match ran_on {
            RanOn::Nowhere => {}
            RanOn::One(cpu) if cpu == masked.cpu() => flush(asid, Scope::Local),
            _ => flush(asid, Scope::Broadcast),
        }
    }

    /// Drops all translations of `pages`, and what the walk to them cached, everywhere.
    pub fn flush_pages(&self, pages: Range<usize>) {
        if pages.len() / PAGE_SIZE > FLUSH_PAGES_LIMIT {
            return self.flush_all();
        }
        self.flush(|asid, scope| tlb().flush_pages(asid, pages, scope));
    }

    pub fn flush_all(&self) {
        self.flush(|asid, scope| tlb().flush_asid(asid, scope));
    }

    /// Drops one page's translation from this CPU only: its rights have grown, and other CPUs
    /// that still have the old ones will fault and find out.
    pub fn flush_page_here(&self, page: usize) {
        let _masked = irq::mask();
        let number = self.state.lock().asid.number();
        tlb().flush_pages(number, page..page + PAGE_SIZE, Scope::Local);
    }
}

impl State {
    fn enter_again(&mut self, cpu: CpuId, pinned: &Pinned) {
        let before = self.asid;
        self.asid = asid::activate(before, pinned);
        if self.asid.number() != before.number() {
            self.ran_on = RanOn::Nowhere;
        }
        self.ran_on = match self.ran_on {
            RanOn::Nowhere => RanOn::One(cpu),
            RanOn::One(home) if home == cpu => RanOn::One(cpu),
            _ => RanOn::Several,
        };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // No CPU has it in TTBR0 (each would hold a share) and the space has freed the rest.
        free_table(self.root.frame());
    }
}

/// The thread that ran in user space leaves this CPU for one without (a kernel thread, idle), or
/// it exits: the tables stay in TTBR0, but count as unused.
pub fn deactivate() {
    let masked = irq::mask();
    let here = HERE.get(&masked);
    if here.active.replace(false)
        && let Some(context) = &*here.context.borrow()
    {
        context.state.lock().active -= 1;
    }
}

/// This CPU goes off: it keeps no space in TTBR0.
pub fn leave_cpu() {
    deactivate();
    let masked = irq::mask();
    let here = HERE.get(&masked);
    // Whatever is activated here next is written to TTBR0 anew.
    here.number.set(0);
    // A page of zeros is a table without entries.
    if let Ok(empty) = zero_frame() {
        tlb().set_user_table(empty.address(), 0);
        let share = here.context.take();
        drop(share);
    }
}

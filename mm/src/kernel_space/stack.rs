//! Kernel stacks: eight pages above an unmapped guard as large, recycled.
//!
//! The stack half of the window is cut into aligned slots of a guard and a stack above it, so what
//! follows a stack is the next slot's guard. A stack is all zeros when it is handed out, so what is
//! not zero any more has been used. A stack being the upper half of its slot, one bit of
//! the stack pointer tells the exception vectors whether there is room left.

use super::window::{self, Kernel};
use super::{KernelAccess, WINDOW};
use crate::OutOfMemory;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::arch;
use crate::frame;
use crate::lock::SpinLock;
use crate::page_table::release_page;
use crate::tlb::tlb;
use alloc::vec::Vec;

/// Pages of a kernel stack: 32 KiB.
pub const STACK_PAGES: usize = 8;
const STACK_SIZE: usize = STACK_PAGES * PAGE_SIZE;
const SLOT_SIZE: usize = 2 * STACK_SIZE;
const BASE: usize = WINDOW.start.0 + (WINDOW.end.0 - WINDOW.start.0) / 2;
const _: () = assert!(SLOT_SIZE.is_power_of_two() && BASE.is_multiple_of(SLOT_SIZE));

/// Idle stacks kept mapped (one more for each CPU that buries a thread just then), so that a
/// thread's birth and death edit no tables and flush nothing.
const KEEP_IDLE: usize = 64;

/// Slots in no use. The vectors have room for every slot ever made: dropping never allocates.
struct Pool {
    mapped: Vec<u32>,
    unmapped: Vec<u32>,
    slots: usize,
}

static POOL: SpinLock<Pool> = SpinLock::new(Pool {
    mapped: Vec::new(),
    unmapped: Vec::new(),
    slots: 0,
});

impl Pool {
    /// A slot without pages.
    fn take_unmapped(&mut self) -> Result<u32, OutOfMemory> {
        if let Some(slot) = self.unmapped.pop() {
            return Ok(slot);
        }
        let wanted = self.slots + 1;
        // Both are empty here, so what they reserve is their whole capacity.
        self.mapped
            .try_reserve(wanted.saturating_sub(self.mapped.len()))
            .map_err(|_| OutOfMemory)?;
        self.unmapped.try_reserve(wanted).map_err(|_| OutOfMemory)?;
        self.slots = wanted;
        Ok(wanted as u32 - 1)
    }
}

/// A kernel stack. Must not be dropped by the thread that runs on it.
#[derive(Debug)]
pub struct Stack {
    slot: u32,
}

impl Stack {
    pub fn new() -> Result<Self, OutOfMemory> {
        let mut pool = POOL.lock();
        if let Some(slot) = pool.mapped.pop() {
            return Ok(Self { slot });
        }
        let slot = pool.take_unmapped()?;
        drop(pool);
        let stack = core::mem::ManuallyDrop::new(Self { slot });
        if let Err(error) = window::with(|kernel| stack.map(kernel)) {
            stack.discard();
            return Err(error);
        }
        Ok(core::mem::ManuallyDrop::into_inner(stack))
    }

    /// One past the highest usable address; 16-byte aligned.
    pub fn top(&self) -> VirtAddr {
        self.bottom().offset(STACK_SIZE)
    }

    /// The lowest usable address; the guard is below.
    pub fn bottom(&self) -> VirtAddr {
        VirtAddr(BASE + self.slot as usize * SLOT_SIZE + STACK_SIZE)
    }

    /// How many bytes of it have been used at most: from the first that is not zero.
    pub fn used(&self) -> usize {
        const WORDS: usize = PAGE_SIZE / size_of::<usize>();
        let is_used = |word: &usize| {
            let page = self.bottom().offset(word / WORDS * PAGE_SIZE);
            let address = window::pointer(page).cast::<usize>();
            // SAFETY: mapped while this value lives; whoever runs on the stack may write to it
            // meanwhile, which a volatile read of a word stands.
            unsafe { address.add(word % WORDS).read_volatile() != 0 }
        };
        let first = (0..STACK_PAGES * WORDS).find(is_used);
        first.map_or(0, |first| STACK_SIZE - first * size_of::<usize>())
    }

    /// Makes the whole stack zero.
    fn clear(&self) {
        for page in self.pages() {
            // SAFETY: mapped, and nobody runs on it.
            unsafe { arch::zero_page(window::pointer(page)) };
        }
    }

    fn pages(&self) -> impl Iterator<Item = VirtAddr> {
        let bottom = self.bottom();
        (0..STACK_PAGES).map(move |page| bottom.offset(page * PAGE_SIZE))
    }

    fn map(&self, kernel: &mut Kernel) -> Result<(), OutOfMemory> {
        // Mostly for user threads: not out of the reserve.
        let zeros = frame::alloc_user_zeroed;
        kernel
            .table
            .map_frames(self.bottom(), STACK_PAGES, KernelAccess::ReadWrite, zeros)?;
        tlb().publish();
        Ok(())
    }

    /// Unmaps what is mapped and gives the slot back without its pages.
    fn discard(&self) {
        let mut gone = [None; STACK_PAGES];
        window::with(|kernel| kernel.table.unmap_frames(self.bottom(), &mut gone));
        tlb().flush_kernel(self.bottom().0..self.top().0);
        gone.into_iter().flatten().for_each(release_page);
        POOL.lock().unmapped.push(self.slot);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let is_kept = POOL.lock().mapped.len() < KEEP_IDLE;
        if !is_kept {
            return self.discard();
        }
        self.clear();
        POOL.lock().mapped.push(self.slot);
    }
}

/// Whether `address` lies in the guard of some stack: the fault handler says "stack overflow".
pub fn is_stack_guard(address: VirtAddr) -> bool {
    (BASE..WINDOW.end.0).contains(&address.0) && (address.0 - BASE) % SLOT_SIZE < STACK_SIZE
}

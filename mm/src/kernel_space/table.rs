//! A kernel table: boot code fills one and points TTBR1 at it; afterwards the window edits it.

use crate::OutOfMemory;
use crate::addr::{PAGE_SIZE, PhysAddr, VirtAddr};
use crate::frame::Frame;
use crate::page_table::{Entry, Half, MemoryType, Table, index, level_shift, load, store};

/// What a kernel mapping may be used for. Never both written and executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelAccess {
    ReadOnly,
    ReadWrite,
    Execute,
    /// Device-nGnRE registers, read and write.
    Device,
    /// Normal memory, uncached, read and write.
    Uncached,
}

impl KernelAccess {
    fn entry(self, phys: PhysAddr, level: usize) -> Entry {
        let page = level == 3;
        let (memory, write, execute) = match self {
            KernelAccess::ReadOnly => (MemoryType::WriteBack, false, false),
            KernelAccess::ReadWrite => (MemoryType::WriteBack, true, false),
            KernelAccess::Execute => (MemoryType::WriteBack, false, true),
            KernelAccess::Device => (MemoryType::Device, true, false),
            KernelAccess::Uncached => (MemoryType::Uncached, true, false),
        };
        Entry::kernel(phys, memory, write, execute, page)
    }
}

/// Never freed once TTBR1 points to it.
pub struct KernelTable {
    root: PhysAddr,
}

impl KernelTable {
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            root: Table::alloc(Half::Kernel)?,
        })
    }

    /// What TTBR1_EL1 wants.
    pub fn root(&self) -> PhysAddr {
        self.root
    }

    fn top(&self) -> Table<'_> {
        // SAFETY: kernel tables are never freed.
        unsafe { Table::at(self.root) }
    }

    /// Maps `virt..virt + length` to `phys..` with the largest blocks that fit (1 GiB, 2 MiB,
    /// 4 KiB). All three are page-aligned; the range was not mapped before, so that no flush is
    /// owed, only [`crate::tlb::Tlb::publish`] once the table is in use.
    pub fn map(
        &mut self,
        virt: VirtAddr,
        phys: PhysAddr,
        length: usize,
        access: KernelAccess,
    ) -> Result<(), OutOfMemory> {
        assert!((virt.0 | phys.0 as usize | length).is_multiple_of(PAGE_SIZE));
        let mut done = 0;
        while done < length {
            let (virt, phys) = (virt.0 + done, phys.offset(done));
            let level = largest_level(virt | phys.0 as usize, length - done);
            self.map_one(virt, level, access.entry(phys, level))?;
            done += 1 << level_shift(level);
        }
        Ok(())
    }

    fn map_one(&mut self, virt: usize, level: usize, entry: Entry) -> Result<(), OutOfMemory> {
        let mut table = self.top();
        for above in 0..level {
            table = table.next_or_make(index(virt, above), Half::Kernel)?;
        }
        let slot = table.slot(index(virt, level));
        assert!(
            load(slot).is_empty(),
            "kernel address {virt:#x} is mapped already"
        );
        store(slot, entry);
        Ok(())
    }

    /// Maps `count` pages from `virt` on, all in one last-level table, to frames that `next` gives.
    /// If it fails some are mapped.
    pub(super) fn map_frames(
        &mut self,
        virt: VirtAddr,
        count: usize,
        access: KernelAccess,
        next: impl Fn() -> Result<Frame, OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        let mut table = self.top();
        for level in 0..3 {
            table = table.next_or_make(index(virt.0, level), Half::Kernel)?;
        }
        let first = index(virt.0, 3);
        for at in first..first + count {
            debug_assert!(table.load(at).is_empty(), "a page that is mapped already");
            let frame = next()?.into_number();
            store(table.slot(at), access.entry(frame.address(), 3));
        }
        Ok(())
    }

    /// Takes out what is mapped of `gone.len()` pages from `virt` on, all in one last-level table.
    /// The flush is the caller's.
    pub(super) fn unmap_frames(&mut self, virt: VirtAddr, gone: &mut [Option<Entry>]) {
        let Some(table) = self.top().find_last_table(virt.0) else {
            return;
        };
        for (at, gone) in (index(virt.0, 3)..).zip(gone) {
            let slot = table.slot(at);
            let entry = load(slot);
            store(slot, Entry::EMPTY);
            *gone = (!entry.is_empty()).then_some(entry);
        }
    }

    /// Where `virt` leads.
    pub fn translate(&self, virt: VirtAddr) -> Option<PhysAddr> {
        let mut table = self.top();
        for level in 0..4 {
            let entry = table.load(index(virt.0, level));
            if level == 3 || !entry.is_table() {
                let within = virt.0 & ((1 << level_shift(level)) - 1);
                return entry.is_valid().then(|| entry.address().offset(within));
            }
            table = table.next(index(virt.0, level))?;
        }
        None
    }
}

/// The first level (1 GiB blocks, 2 MiB blocks, pages) whose size divides `alignment` and fits.
fn largest_level(alignment: usize, length: usize) -> usize {
    let fits = |level: usize| {
        let size = 1 << level_shift(level);
        alignment.is_multiple_of(size) && length >= size
    };
    (1..3).find(|&level| fits(level)).unwrap_or(3)
}

//! The kernel's own reads and writes of a space, current or not, through the linear map: program
//! loading, ptrace, process_vm_readv, /proc/<pid>/mem. (A thread's copies from and to its own
//! memory take the kernel's user-copy routines instead.)

use super::AddressSpace;
use super::types::{Access, Fault};
use crate::addr::{PAGE_SIZE, PhysAddr, page_down, user_pages};
use crate::frame::{FrameRef, array};
use crate::page_table::{Entry, load};
use crate::phys_map;

impl AddressSpace {
    /// Faults in every page of the range (mlock, MAP_POPULATE, exec).
    pub fn populate(&self, start: usize, length: usize, access: Access) -> Result<(), Fault> {
        let range = user_pages(start, length).ok_or(Fault::NotMapped)?;
        range
            .step_by(PAGE_SIZE)
            .try_for_each(|page| self.handle_fault(page, access))
    }

    /// Copies from this space.
    pub fn read(&self, address: usize, into: &mut [u8]) -> Result<(), Fault> {
        let mut done = 0;
        for (at, length) in chunks(address, into.len())? {
            let chunk = &mut into[done..done + length];
            self.with_page(at, Access::Read, |entry| {
                let from = phys_map::pointer(entry.address()).wrapping_add(at % PAGE_SIZE);
                // SAFETY: inside one frame that is held; the program may be writing to it, which
                // makes the bytes arbitrary but the copy no less bounded.
                unsafe { from.copy_to_nonoverlapping(chunk.as_mut_ptr(), length) };
            })?;
            done += length;
        }
        Ok(())
    }

    /// Copies into this space, obeying protections.
    pub fn write(&self, address: usize, from: &[u8]) -> Result<(), Fault> {
        let mut done = 0;
        for (at, length) in chunks(address, from.len())? {
            let chunk = &from[done..done + length];
            self.with_page(at, Access::Write, |entry| copy_in(entry, at, chunk))?;
            done += length;
        }
        Ok(())
    }

    /// As [`Self::write`], but into read-only private areas too: the ELF loader, ptrace.
    pub fn write_initial(&self, address: usize, from: &[u8]) -> Result<(), Fault> {
        let mut done = 0;
        for (at, length) in chunks(address, from.len())? {
            let chunk = &from[done..done + length];
            self.with_private_page(at, |entry| copy_in(entry, at, chunk))?;
            done += length;
        }
        Ok(())
    }

    /// The key of a futex that other processes may use too: the physical place of a word in a
    /// shared mapping, whose frame its source keeps; `None` in a private one.
    pub fn shared_word(&self, address: usize) -> Result<Option<PhysAddr>, Fault> {
        let shared = {
            let map = self.map.read();
            let (_, area) = map.areas.find(address).ok_or(Fault::NotMapped)?;
            area.is_shared()
        };
        if !shared {
            return Ok(None);
        }
        let place = |entry: Entry| entry.address().offset(address % PAGE_SIZE);
        self.with_page(address, Access::Read, place).map(Some)
    }

    /// Calls `use_page` with the entry of `address`, faulted in and held.
    fn with_page<R>(
        &self,
        address: usize,
        access: Access,
        use_page: impl FnOnce(Entry) -> R,
    ) -> Result<R, Fault> {
        let allows = |entry: Entry| match access {
            Access::Read => entry.rights().read,
            Access::Write => entry.rights().write,
            Access::Execute => entry.rights().execute,
        };
        self.with_entry(
            address,
            allows,
            || self.handle_fault(address, access),
            use_page,
        )
    }

    /// The same for a page that is ours alone, whatever its rights.
    fn with_private_page<R>(
        &self,
        address: usize,
        use_page: impl FnOnce(Entry) -> R,
    ) -> Result<R, Fault> {
        let private = |entry: Entry| {
            entry.rights().write || (entry.is_counted() && array::info(entry.frame()).count() == 1)
        };
        self.with_entry(address, private, || self.fault_forced(address), use_page)
    }

    fn with_entry<R>(
        &self,
        address: usize,
        suits: impl Fn(Entry) -> bool,
        fault: impl Fn() -> Result<(), Fault>,
        use_page: impl FnOnce(Entry) -> R,
    ) -> Result<R, Fault> {
        loop {
            // The lock keeps the page mapped; a share keeps the frame if another thread breaks a
            // copy-on-write meanwhile.
            let map = self.map.read();
            let slot = self.table(&map).find_page(page_down(address));
            let entry = slot.map_or(Entry::EMPTY, load);
            if !entry.is_empty() && suits(entry) {
                let held = entry
                    .is_counted()
                    .then(|| FrameRef::try_share(entry.frame()));
                let present = slot.is_some_and(|slot| load(slot) == entry);
                if present && !matches!(held, Some(None)) {
                    return Ok(use_page(entry));
                }
            }
            drop(map);
            fault()?;
        }
    }
}

fn copy_in(entry: Entry, at: usize, chunk: &[u8]) {
    let frame = entry.frame();
    if entry.is_counted() {
        array::info(frame).mark_written();
    }
    let to = phys_map::frame_pointer(frame).wrapping_add(at % PAGE_SIZE);
    // SAFETY: inside one frame that is held.
    unsafe { to.copy_from_nonoverlapping(chunk.as_ptr(), chunk.len()) };
    if entry.rights().execute {
        super::fault::sync_instructions(frame, entry.rights());
    }
}

/// The pieces of `address..address + length` that lie in one page each.
fn chunks(address: usize, length: usize) -> Result<impl Iterator<Item = (usize, usize)>, Fault> {
    let end = address
        .checked_add(length)
        .filter(|&end| end <= crate::USER_END)
        .ok_or(Fault::NotMapped)?;
    let mut at = address;
    Ok(core::iter::from_fn(move || {
        let length = (PAGE_SIZE - at % PAGE_SIZE).min(end - at);
        let chunk = (length > 0).then_some((at, length));
        at += length;
        chunk
    }))
}

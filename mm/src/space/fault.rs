//! Page faults: what a program touches comes into being here.
//!
//! The short path is one lookup, one walk, one frame, one store. Entries change under `edit` and
//! only if they still are what the decision was made on; a fault that finds something else is
//! done, and the program's retry sees what the other thread did.

use super::area::Area;
use super::areas::STACK_GAP;
use super::ask::Question;
use super::source::PageError;
use super::types::{Access, Backing, Fault, MapFlags};
use super::{AddressSpace, Map};
use crate::addr::{FrameNumber, PAGE_SHIFT, PAGE_SIZE, USER_END, USER_START, page_down};
use crate::frame::{self, FrameRef, array, zero_frame};
use crate::page_table::{Entry, MemoryType, Rights, load, store};
use crate::tlb::tlb;
use crate::{OutOfMemory, arch, phys_map};
use core::sync::atomic::AtomicU64;

impl From<OutOfMemory> for Fault {
    fn from(_: OutOfMemory) -> Self {
        Fault::OutOfMemory
    }
}

impl From<PageError> for Fault {
    fn from(error: PageError) -> Self {
        match error {
            PageError::PastEnd | PageError::Io => Fault::Bus,
            PageError::OutOfMemory => Fault::OutOfMemory,
        }
    }
}

/// What a look at the map led to.
enum Step {
    Done,
    /// A source must be asked, without the lock.
    Ask(Question),
    /// The area above is a stack.
    GrowStack,
}

/// How a page is wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub page: usize,
    access: Access,
    /// A write by the loader or a debugger, which private pages allow whatever their protection.
    forced: bool,
}

impl Wanted {
    #[inline]
    pub fn write(self) -> bool {
        self.access == Access::Write
    }

    #[inline]
    fn allowed(self, area: &Area) -> bool {
        area.allows(self.access) || (self.forced && !area.is_shared())
    }
}

impl AddressSpace {
    /// Makes `address` accessible for `access`, or says why not. May sleep.
    #[inline]
    pub fn handle_fault(&self, address: usize, access: Access) -> Result<(), Fault> {
        self.fault(Wanted {
            page: page_down(address),
            access,
            forced: false,
        })
    }

    /// Makes a page of a private area writable for the kernel, whatever its protection.
    pub(super) fn fault_forced(&self, address: usize) -> Result<(), Fault> {
        self.fault(Wanted {
            page: page_down(address),
            access: Access::Write,
            forced: true,
        })
    }

    fn fault(&self, wanted: Wanted) -> Result<(), Fault> {
        if !(USER_START..USER_END).contains(&wanted.page) {
            return Err(Fault::NotMapped);
        }
        loop {
            match self.try_fault(wanted)? {
                Step::Done => return Ok(()),
                Step::GrowStack => self.grow_stack(wanted.page)?,
                Step::Ask(question) => {
                    if self.ask(wanted, &question)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn try_fault(&self, wanted: Wanted) -> Result<Step, Fault> {
        let map = self.map.read();
        let Some((start, area)) = map.areas.find(wanted.page) else {
            let stack = map.areas.next_after(wanted.page);
            let grows = stack.is_some_and(|(_, area)| area.flags.contains(MapFlags::GROWS_DOWN));
            return if grows {
                Ok(Step::GrowStack)
            } else {
                Err(Fault::NotMapped)
            };
        };
        if !wanted.allowed(area) {
            return Err(Fault::NotAllowed);
        }
        let slot = self.slot(&map, wanted.page)?;
        let entry = load(slot);
        if !entry.is_empty() && permits(entry, wanted) {
            // Another thread was quicker, or this CPU's TLB is behind.
            self.context.flush_page_here(wanted.page);
            return Ok(Step::Done);
        }
        if !entry.is_empty() && !area.is_shared() {
            self.break_copy_on_write(area, slot, entry, wanted)?;
            return Ok(Step::Done);
        }
        match &area.backing {
            Backing::Anonymous => self.fill_anonymous(area, slot, wanted)?,
            Backing::Physical(_) => self.fill_physical(area, start, slot, wanted),
            Backing::Source { source, first } => {
                let index = first + ((wanted.page - start) >> PAGE_SHIFT) as u64;
                let question = Question::new(source, index, wanted, start, area, map.generation);
                return Ok(Step::Ask(question));
            }
        }
        Ok(Step::Done)
    }

    /// The last-level slot, its tables made if need be.
    #[inline]
    pub(super) fn slot<'a>(
        &'a self,
        map: &'a Map,
        page: usize,
    ) -> Result<&'a AtomicU64, OutOfMemory> {
        let root = self.table(map);
        if let Some(slot) = root.find_page(page) {
            return Ok(slot);
        }
        let _edit = self.edit.lock();
        root.make_page(page)
    }

    /// Zeros: a page of its own for a write, the shared zero page for a read.
    #[inline]
    fn fill_anonymous(
        &self,
        area: &Area,
        slot: &AtomicU64,
        wanted: Wanted,
    ) -> Result<(), OutOfMemory> {
        if !wanted.write() {
            let rights = area.prot.rights().read_only();
            let entry = Entry::user_uncounted(zero_frame()?, rights, MemoryType::WriteBack);
            self.replace(slot, Entry::EMPTY, entry);
            return Ok(());
        }
        let frame = frame::alloc_user_zeroed()?;
        self.install_private(slot, frame, area.prot.rights());
        Ok(())
    }

    fn fill_physical(&self, area: &Area, start: usize, slot: &AtomicU64, wanted: Wanted) {
        let Backing::Physical(address) = area.backing_at(wanted.page - start) else {
            return;
        };
        let ram = array::find(address.frame()).is_some();
        let memory = if ram {
            MemoryType::WriteBack
        } else {
            MemoryType::Device
        };
        let entry = Entry::user_uncounted(address.frame(), area.prot.rights(), memory);
        self.replace(slot, Entry::EMPTY, entry);
    }

    /// Puts a frame of our own where nothing was, unless somebody was quicker.
    #[inline]
    pub(super) fn install_private(&self, slot: &AtomicU64, frame: frame::Frame, rights: Rights) {
        sync_instructions(frame.number(), rights);
        if self.replace(slot, Entry::EMPTY, Entry::user(frame.number(), rights)) {
            frame.into_number();
            self.count_resident(1);
        }
    }

    /// Changes a slot that is still `old`, when no flush is owed: `old` was empty, or the same
    /// frame with fewer rights.
    #[inline]
    pub(super) fn replace(&self, slot: &AtomicU64, old: Entry, new: Entry) -> bool {
        let _edit = self.edit.lock();
        let unchanged = load(slot) == old;
        if unchanged {
            store(slot, new);
        }
        unchanged
    }

    /// A write to a private page that may be shared.
    fn break_copy_on_write(
        &self,
        area: &Area,
        slot: &AtomicU64,
        old: Entry,
        wanted: Wanted,
    ) -> Result<(), OutOfMemory> {
        let rights = area.prot.rights();
        // Only a fork could add a share meanwhile, and it needs the write lock.
        if old.is_counted() && array::info(old.frame()).count() == 1 {
            sync_instructions(old.frame(), rights);
            self.replace(slot, old, old.with_rights(rights));
            self.context.flush_page_here(wanted.page);
            return Ok(());
        }
        let Some(copy) = self.copy_of(slot, old)? else {
            return Ok(());
        };
        sync_instructions(copy.number(), rights);
        if self.exchange(slot, old, Entry::user(copy.number(), rights), wanted.page) {
            copy.into_number();
            match old.is_counted() {
                true => frame::unshare(old.frame()),
                false => self.count_resident(1),
            }
        }
        Ok(())
    }

    /// A copy of the page that `slot` maps as `old`; `None` if it maps something else by now.
    fn copy_of(&self, slot: &AtomicU64, old: Entry) -> Result<Option<frame::Frame>, OutOfMemory> {
        if !old.is_counted() {
            return frame::alloc_user_zeroed().map(Some);
        }
        // Another thread may break the same share and drop the frame while we read it: hold it.
        let Some(source) = FrameRef::try_share(old.frame()) else {
            return Ok(None);
        };
        if load(slot) != old {
            return Ok(None);
        }
        copy_frame(&source).map(Some)
    }

    /// Changes which frame a slot maps: break before make (Arm ARM D8.16.1).
    pub(super) fn exchange(&self, slot: &AtomicU64, old: Entry, new: Entry, page: usize) -> bool {
        let _edit = self.edit.lock();
        if load(slot) != old {
            return false;
        }
        store(slot, Entry::EMPTY);
        self.context.flush_pages(page..page + PAGE_SIZE);
        store(slot, new);
        true
    }

    /// Extends the stack area above `page` down to it.
    #[cold]
    fn grow_stack(&self, page: usize) -> Result<(), Fault> {
        let mut map = self.map.write();
        if map.areas.find(page).is_some() {
            return Ok(());
        }
        let (start, area) = map.areas.next_after(page).ok_or(Fault::NotMapped)?;
        let limits = self.limits();
        let grown = map.areas.pages * PAGE_SIZE + (start - page);
        let gap = map.areas.gap_around(page..start);
        let fits = area.flags.contains(MapFlags::GROWS_DOWN)
            && area.end - page <= limits.stack
            && grown <= limits.address_space
            && page >= gap.start + STACK_GAP;
        if !fits {
            return Err(Fault::NotMapped);
        }
        map.areas.grow_down(start, page);
        map.generation += 1;
        Ok(())
    }
}

/// Whether the hardware, or a forced kernel write, may use `entry` as wanted.
#[inline]
fn permits(entry: Entry, wanted: Wanted) -> bool {
    let rights = entry.rights();
    match wanted.access {
        _ if wanted.forced => entry.is_counted() && array::info(entry.frame()).count() == 1,
        Access::Read => rights.read,
        Access::Write => rights.write,
        Access::Execute => rights.execute,
    }
}

pub(super) fn copy_frame(source: &FrameRef) -> Result<frame::Frame, OutOfMemory> {
    let copy = frame::alloc_user()?;
    // SAFETY: two different frames; the copy is ours, the source is held.
    unsafe { arch::copy_page(phys_map::frame_pointer(copy.number()), source.as_ptr()) };
    Ok(copy)
}

/// Before a frame becomes executable: what the kernel wrote into it must reach instruction fetch.
#[inline]
pub(super) fn sync_instructions(frame: FrameNumber, rights: Rights) {
    if rights.execute && !array::info(frame).is_synced() {
        tlb().sync_instructions(phys_map::frame_pointer(frame), PAGE_SIZE);
        array::info(frame).mark_synced();
    }
}

//! A process's address space: areas of user memory and the page tables that fill in on demand.

use crate::OutOfMemory;
use crate::addr::PhysAddr;
use crate::frame::FrameRef;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::ops::Range;

bitflags! {
    /// mmap(2) protection; the values are Linux's.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Prot: u8 {
        const READ = 1;
        const WRITE = 2;
        const EXEC = 4;
    }
}

/// What the program did, from the syndrome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    Write,
    Execute,
}

/// Why an access cannot be satisfied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// SIGSEGV, SEGV_MAPERR: nothing is mapped there.
    NotMapped,
    /// SIGSEGV, SEGV_ACCERR: the mapping does not allow it.
    NotAllowed,
    /// SIGBUS, BUS_ADRERR: past the end of the file, or it could not be read.
    Bus,
    OutOfMemory,
}

/// Why a call on the address space failed; each is one errno.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpaceError {
    /// EINVAL: misaligned, empty or outside the user half.
    Invalid,
    /// ENOMEM: no memory, no room, a limit, or (protect, advise) a hole in the range.
    NoMemory,
    /// EEXIST: `FixedNoReplace` over a mapping.
    Exists,
    /// EACCES: the file does not allow this protection.
    Denied,
    /// EFAULT: mremap of something not mapped.
    NotMapped,
    /// EIO: a source could not be written back.
    Io,
    /// EAGAIN / EPERM for mlock are the caller's.
    Busy,
}

impl From<OutOfMemory> for SpaceError {
    fn from(_: OutOfMemory) -> Self {
        SpaceError::NoMemory
    }
}

/// Why a source has no page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageError {
    /// The index lies past the end: SIGBUS.
    PastEnd,
    Io,
    OutOfMemory,
}

/// Something whose pages can be mapped: a file, a shared memory object.
///
/// Called without the address space's lock, but possibly from inside a user copy: an
/// implementation takes no lock that anyone holds while copying to or from user memory.
pub trait PageSource: Send + Sync {
    /// The frame with page `index` (in pages from the start). `for_write` says that a shared
    /// mapping is about to write to it (mark it dirty). The same page is the same frame.
    fn page(&self, index: u64, for_write: bool) -> Result<FrameRef, PageError>;

    /// What /proc/<pid>/maps shows: device, inode, path.
    fn identity(&self) -> SourceIdentity;

    /// msync(2): writes pages `pages` back. Memory-only sources have nothing to do.
    fn sync(&self, pages: Range<u64>) -> Result<(), PageError> {
        let _ = pages;
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceIdentity {
    pub device: (u32, u32),
    pub inode: u64,
    pub name: String,
}

/// Where a mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// Wherever there is room; near the hint if that is free.
    Hint(usize),
    /// Exactly here, replacing what is there.
    Fixed(usize),
    /// Exactly here, or [`SpaceError::Exists`].
    FixedNoReplace(usize),
}

/// What fills a mapping.
#[derive(Clone)]
pub enum Backing {
    /// Zeros.
    Anonymous,
    /// Pages of a source from page `first` on.
    Source {
        source: Arc<dyn PageSource>,
        first: u64,
    },
    /// Physical memory as it is (device registers, frame buffers); never counted.
    Physical(PhysAddr),
}

bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MapFlags: u16 {
        /// Writes are seen by all who map it, and reach the source.
        const SHARED = 1;
        /// MAP_GROWSDOWN: a stack.
        const GROWS_DOWN = 2;
        /// MAP_POPULATE: fault everything in now.
        const POPULATE = 4;
        /// MAP_LOCKED, mlock(2).
        const LOCKED = 8;
        /// MADV_DONTFORK.
        const DONT_FORK = 16;
        /// MADV_WIPEONFORK.
        const WIPE_ON_FORK = 32;
        /// The file was opened without write permission: no later mprotect to a shared write.
        const NEVER_WRITE = 64;
    }
}

/// How /proc/<pid>/maps calls an anonymous area.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Label {
    #[default]
    None,
    Heap,
    Stack,
    Vdso,
    Vvar,
}

/// One mmap.
pub struct MapRequest {
    pub placement: Placement,
    pub length: usize,
    pub prot: Prot,
    pub flags: MapFlags,
    pub backing: Backing,
    pub label: Label,
}

/// The limits of getrlimit(2) that memory calls obey, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub address_space: usize,
    pub data: usize,
    pub stack: usize,
}

/// madvise(2) that changes something; the rest is a hint and may be ignored by the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advice {
    /// MADV_DONTNEED, MADV_FREE: private pages read as zero (or the file) again.
    Discard,
    /// MADV_WILLNEED, MADV_POPULATE_READ.
    PopulateRead,
    /// MADV_POPULATE_WRITE.
    PopulateWrite,
    DontFork,
    DoFork,
    WipeOnFork,
    KeepOnFork,
}

/// mremap(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemapTo {
    /// No flags: only where it is.
    InPlace,
    /// MREMAP_MAYMOVE.
    Anywhere,
    /// MREMAP_MAYMOVE | MREMAP_FIXED.
    Fixed(usize),
}

/// A line of /proc/<pid>/maps.
#[derive(Clone, Debug)]
pub struct AreaInfo {
    pub range: Range<usize>,
    pub prot: Prot,
    pub flags: MapFlags,
    pub offset: u64,
    pub identity: Option<SourceIdentity>,
    pub label: Label,
    pub resident_pages: usize,
}

/// Sizes for /proc/<pid>/{stat,statm,status}, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub virtual_pages: usize,
    pub resident_pages: usize,
    pub peak_resident_pages: usize,
    pub data_pages: usize,
    pub stack_pages: usize,
    pub locked_pages: usize,
    pub table_pages: usize,
}

/// One process's user memory. Shared by its threads as `Arc<AddressSpace>`.
pub struct AddressSpace {}

impl AddressSpace {
    pub fn new() -> Result<Arc<Self>, OutOfMemory> {
        todo!()
    }

    /// A copy for fork(2): private pages become copy-on-write, shared ones stay shared.
    pub fn fork(&self) -> Result<Arc<Self>, OutOfMemory> {
        todo!()
    }

    pub fn map(&self, request: MapRequest) -> Result<usize, SpaceError> {
        let _ = request;
        todo!()
    }

    pub fn unmap(&self, start: usize, length: usize) -> Result<(), SpaceError> {
        let _ = (start, length);
        todo!()
    }

    pub fn protect(&self, start: usize, length: usize, prot: Prot) -> Result<(), SpaceError> {
        let _ = (start, length, prot);
        todo!()
    }

    pub fn remap(
        &self,
        start: usize,
        old_length: usize,
        new_length: usize,
        to: RemapTo,
    ) -> Result<usize, SpaceError> {
        let _ = (start, old_length, new_length, to);
        todo!()
    }

    pub fn advise(&self, start: usize, length: usize, advice: Advice) -> Result<(), SpaceError> {
        let _ = (start, length, advice);
        todo!()
    }

    /// Where the heap starts: the loader calls it once, page-aligned, after the last segment.
    pub fn set_brk_start(&self, start: usize) {
        let _ = start;
        todo!()
    }

    /// brk(2): the new end, or the old one if it cannot be (0 asks).
    pub fn set_brk(&self, end: usize) -> usize {
        let _ = end;
        todo!()
    }

    pub fn limits(&self) -> Limits {
        todo!()
    }

    pub fn set_limits(&self, limits: Limits) {
        let _ = limits;
        todo!()
    }

    /// Makes `address` accessible for `access`, or says why not. May sleep.
    pub fn handle_fault(&self, address: usize, access: Access) -> Result<(), Fault> {
        let _ = (address, access);
        todo!()
    }

    /// Faults in every page of the range (mlock, MAP_POPULATE, exec).
    pub fn populate(&self, start: usize, length: usize, access: Access) -> Result<(), Fault> {
        let _ = (start, length, access);
        todo!()
    }

    /// Copies from this space, current or not (ptrace, process_vm_readv, /proc/<pid>/cmdline).
    pub fn read(&self, address: usize, into: &mut [u8]) -> Result<(), Fault> {
        let _ = (address, into);
        todo!()
    }

    /// Copies into this space, current or not, obeying protections.
    pub fn write(&self, address: usize, from: &[u8]) -> Result<(), Fault> {
        let _ = (address, from);
        todo!()
    }

    /// As [`Self::write`], but into read-only private areas too: the ELF loader, ptrace.
    pub fn write_initial(&self, address: usize, from: &[u8]) -> Result<(), Fault> {
        let _ = (address, from);
        todo!()
    }

    /// The frame and offset behind a shared word, as the key of a shared futex.
    pub fn physical(&self, address: usize, access: Access) -> Result<PhysAddr, Fault> {
        let _ = (address, access);
        todo!()
    }

    /// mincore(2): which pages of the range are resident; `NoMemory` over a hole.
    pub fn resident(&self, start: usize, length: usize) -> Result<Vec<bool>, SpaceError> {
        let _ = (start, length);
        todo!()
    }

    /// msync(2).
    pub fn sync(&self, start: usize, length: usize) -> Result<(), SpaceError> {
        let _ = (start, length);
        todo!()
    }

    /// mlock / munlock: marks the range; mlock also populates it (there is no swap).
    pub fn lock_pages(&self, start: usize, length: usize, locked: bool) -> Result<(), SpaceError> {
        let _ = (start, length, locked);
        todo!()
    }

    pub fn areas(&self) -> Vec<AreaInfo> {
        todo!()
    }

    pub fn usage(&self) -> Usage {
        todo!()
    }

    /// Puts this space into TTBR0 of the calling CPU: by the switch to one of its threads and by
    /// execve, with preemption or IRQs off. Cheap when it is there already.
    pub fn activate(&self) {
        todo!()
    }
}

/// The thread that ran in user space leaves this CPU for one without (a kernel thread, idle), or
/// it exits: the tables may stay in TTBR0 (their root is kept), but count as unused. Preemption or
/// IRQs off.
pub fn deactivate() {
    todo!()
}

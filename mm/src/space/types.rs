//! The vocabulary of address spaces: requests, limits, answers.

use super::source::{PageSource, SourceIdentity};
use crate::OutOfMemory;
use crate::addr::PhysAddr;
use crate::page_table::Rights;
use alloc::sync::Arc;
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

impl Prot {
    #[inline]
    pub(crate) fn rights(self) -> Rights {
        Rights {
            read: self.allows(Access::Read),
            write: self.contains(Prot::WRITE),
            execute: self.contains(Prot::EXEC),
        }
    }

    /// The hardware cannot write or execute without reading.
    #[inline]
    pub(crate) fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => !self.is_empty(),
            Access::Write => self.contains(Prot::WRITE),
            Access::Execute => self.contains(Prot::EXEC),
        }
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
}

impl From<OutOfMemory> for SpaceError {
    fn from(_: OutOfMemory) -> Self {
        SpaceError::NoMemory
    }
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
    /// MADV_DONTNEED: private pages read as zero (or the file) again.
    Discard,
    /// MADV_FREE: the same at once, for private anonymous pages only.
    Free,
    /// MADV_WILLNEED, MADV_POPULATE_READ.
    PopulateRead,
    /// MADV_POPULATE_WRITE.
    PopulateWrite,
    DontFork,
    DoFork,
    WipeOnFork,
    KeepOnFork,
}

/// mlock(2) and its relatives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locking {
    Off,
    /// Pages are locked as they come (MLOCK_ONFAULT).
    OnFault,
    /// All pages come now.
    Now,
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
    pub resident: Resident,
}

/// The pages of an area that are there, for /proc/<pid>/smaps. Nothing tracks writes, so a page is
/// dirty if it may have been written: it belongs to no file, or its file may be written through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    pub pages: usize,
    /// Held by another memory too, or by the file.
    pub shared_clean: usize,
    pub shared_dirty: usize,
    /// Held here alone; such a page is always dirty.
    pub private: usize,
    /// Bytes, each page divided by how many hold it.
    pub proportional: usize,
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

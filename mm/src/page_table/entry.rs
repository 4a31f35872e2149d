//! Table entries: what the bits mean (Arm ARM D8.3, stage 1, 4 KiB granule).

use crate::addr::{FrameNumber, PAGE_SHIFT, PhysAddr};

const VALID: u64 = 1;
/// With `VALID`: a table at levels 0 to 2, a page at level 3. Without it: a block.
const TABLE_OR_PAGE: u64 = 1 << 1;
const MEMORY_TYPE_SHIFT: u64 = 2;
const EL0: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
/// Set from the start: software does not track accesses.
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PRIVILEGED_NO_EXECUTE: u64 = 1 << 53;
const USER_NO_EXECUTE: u64 = 1 << 54;
/// Software bit: the frame is not counted (the zero page, device memory).
const UNCOUNTED: u64 = 1 << 55;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Index into MAIR_EL1: see [`super::MAIR`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum MemoryType {
    WriteBack = 1,
    Uncached = 2,
    Device = 3,
}

/// What user programs may do with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

impl Rights {
    pub const NONE: Rights = Rights {
        read: false,
        write: false,
        execute: false,
    };
    pub const READ: Rights = Rights {
        read: true,
        write: false,
        execute: false,
    };

    /// The same without write: copy-on-write, or a read fault on a page to be tracked.
    #[inline]
    pub const fn read_only(self) -> Rights {
        Rights {
            write: false,
            ..self
        }
    }
}

/// One descriptor. `Entry::EMPTY` maps nothing; an entry that is neither empty nor valid holds a
/// frame that nobody may touch (PROT_NONE).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Entry(pub u64);

impl Entry {
    pub const EMPTY: Entry = Entry(0);

    /// A pointer to the next level's table.
    #[inline]
    pub const fn table(address: PhysAddr) -> Entry {
        Entry(address.0 | VALID | TABLE_OR_PAGE)
    }

    /// A user page with a counted frame.
    #[inline]
    pub fn user(frame: FrameNumber, rights: Rights) -> Entry {
        Entry(frame.address().0)
            .with_memory(MemoryType::WriteBack)
            .with_rights(rights)
    }

    /// A user page whose frame nobody counts.
    #[inline]
    pub fn user_uncounted(frame: FrameNumber, rights: Rights, memory: MemoryType) -> Entry {
        Entry(frame.address().0 | UNCOUNTED)
            .with_memory(memory)
            .with_rights(rights)
    }

    #[inline]
    fn with_memory(self, memory: MemoryType) -> Entry {
        let fixed = INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | PRIVILEGED_NO_EXECUTE | TABLE_OR_PAGE;
        Entry(self.0 | fixed | (memory as u64) << MEMORY_TYPE_SHIFT)
    }

    /// The same page with other user rights. Execute implies read: the kernel must be able to
    /// read what the program may, and execute-only needs hardware that few machines have.
    #[inline]
    pub fn with_rights(self, rights: Rights) -> Entry {
        let mut bits = self.0 & !(VALID | EL0 | READ_ONLY | USER_NO_EXECUTE);
        if rights.read || rights.write || rights.execute {
            bits |= VALID | EL0;
        }
        if !rights.write {
            bits |= READ_ONLY;
        }
        if !rights.execute {
            bits |= USER_NO_EXECUTE;
        }
        Entry(bits)
    }

    /// A kernel page (level 3) or block (levels 1 and 2).
    pub fn kernel(
        address: PhysAddr,
        memory: MemoryType,
        write: bool,
        execute: bool,
        page: bool,
    ) -> Entry {
        debug_assert!(
            !(write && execute),
            "kernel memory is never written and executed"
        );
        let mut bits = address.0 | VALID | INNER_SHAREABLE | ACCESSED | USER_NO_EXECUTE;
        bits |= (memory as u64) << MEMORY_TYPE_SHIFT;
        if page {
            bits |= TABLE_OR_PAGE;
        }
        if !write {
            bits |= READ_ONLY;
        }
        if !execute {
            bits |= PRIVILEGED_NO_EXECUTE;
        }
        Entry(bits)
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether the hardware uses it.
    #[inline]
    pub fn is_valid(self) -> bool {
        self.0 & VALID != 0
    }

    /// At levels 0 to 2: points to a table.
    #[inline]
    pub fn is_table(self) -> bool {
        self.0 & (VALID | TABLE_OR_PAGE) == VALID | TABLE_OR_PAGE
    }

    #[inline]
    pub fn address(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS)
    }

    #[inline]
    pub fn frame(self) -> FrameNumber {
        FrameNumber(((self.0 & ADDRESS) >> PAGE_SHIFT) as u32)
    }

    /// Whether the entry holds a share of its frame.
    #[inline]
    pub fn is_counted(self) -> bool {
        !self.is_empty() && self.0 & UNCOUNTED == 0
    }

    #[inline]
    pub fn rights(self) -> Rights {
        if !self.is_valid() || self.0 & EL0 == 0 {
            return Rights::NONE;
        }
        Rights {
            read: true,
            write: self.0 & READ_ONLY == 0,
            execute: self.0 & USER_NO_EXECUTE == 0,
        }
    }

    #[inline]
    pub fn is_writable(self) -> bool {
        self.is_valid() && self.0 & READ_ONLY == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_entries_match_the_architecture() {
        let all = Rights {
            read: true,
            write: true,
            execute: true,
        };
        let entry = Entry::user(FrameNumber(0x40123), all);
        // Valid page, attribute 1, EL0 read/write, inner shareable, AF, nG, PXN.
        assert_eq!(entry.0, 0x0020_0000_4012_3f47);
        let entry = entry.with_rights(Rights::READ);
        assert_eq!(entry.0, 0x0060_0000_4012_3fc7);
        assert_eq!(entry.rights(), Rights::READ);
    }

    #[test]
    fn no_rights_keep_the_frame_but_are_invalid() {
        let entry = Entry::user(FrameNumber(7), Rights::NONE);
        assert!(!entry.is_valid() && !entry.is_empty());
        assert_eq!(entry.frame(), FrameNumber(7));
        assert!(entry.with_rights(Rights::READ).is_valid());
    }

    #[test]
    fn kernel_blocks_are_global_and_never_for_el0() {
        let block = Entry::kernel(
            PhysAddr(0x4000_0000),
            MemoryType::WriteBack,
            true,
            false,
            false,
        );
        assert_eq!(block.0, 0x0060_0000_4000_0705);
        assert_eq!(block.rights(), Rights::NONE);
    }
}

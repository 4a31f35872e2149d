//! A mapping that is removed when it goes out of scope.

use crate::measure::Trouble;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

pub const PAGE: usize = 4096;
pub const READ: ProtFlags = ProtFlags::PROT_READ;
pub const READ_WRITE: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);

pub struct Mapping {
    address: NonNull<c_void>,
    length: usize,
}

// SAFETY: the memory belongs to the process, not to a thread; touching writes bytes that nobody
// reads as anything.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Readable and writable, without any page in it yet.
    pub fn anonymous(pages: usize) -> Result<Self, Trouble> {
        let length = bytes(pages)?;
        // SAFETY: the kernel chooses a free place.
        let address = unsafe { mmap_anonymous(None, length, READ_WRITE, MapFlags::MAP_PRIVATE) }?;
        Ok(Self {
            address,
            length: length.get(),
        })
    }

    /// The first pages of a file, shared, to read.
    pub fn of_file(file: &File, pages: usize) -> Result<Self, Trouble> {
        let length = bytes(pages)?;
        // SAFETY: the kernel chooses a free place, and the memory is only read.
        let address = unsafe { mmap(None, length, READ, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self {
            address,
            length: length.get(),
        })
    }

    pub fn length(&self) -> usize {
        self.length
    }

    pub fn protect(&self, protection: ProtFlags) -> Result<(), Trouble> {
        // SAFETY: the mapping is ours, and nothing refers into it.
        Ok(unsafe { mprotect(self.address, self.length, protection) }?)
    }

    /// Writes one byte to each page.
    pub fn touch_all(&self) {
        for offset in (0..self.length).step_by(PAGE) {
            // SAFETY: within the mapping, which is writable whenever this is called.
            unsafe { self.address.cast::<u8>().add(offset).write_volatile(1) };
        }
    }

    /// Reads one byte of each page.
    pub fn read_all(&self) {
        for offset in (0..self.length).step_by(PAGE) {
            // SAFETY: within the mapping, which is readable.
            unsafe { self.address.cast::<u8>().add(offset).read_volatile() };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and ends here.
        let _ = unsafe { munmap(self.address, self.length) };
    }
}

fn bytes(pages: usize) -> Result<NonZeroUsize, Trouble> {
    NonZeroUsize::new(pages * PAGE).ok_or(Trouble::Failed("a mapping of nothing".into()))
}

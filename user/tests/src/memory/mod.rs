//! Address spaces: mappings, protection, copy-on-write, and all of it from many threads.

pub mod mapping;
pub mod sharing;
pub mod threads;

use crate::harness::{Failure, Outcome, end_of};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

const PAGE: usize = 4096;

struct Mapping(NonNull<c_void>, usize);

impl Mapping {
    fn new(size: usize, flags: MapFlags) -> Result<Self, Failure> {
        Self::with(size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)
    }

    fn with(size: usize, protection: ProtFlags, flags: MapFlags) -> Result<Self, Failure> {
        let length = NonZeroUsize::new(size).ok_or("an empty mapping")?;
        // SAFETY: a fresh mapping wherever the kernel likes.
        Ok(Self(
            unsafe { mmap_anonymous(None, length, protection, flags) }?,
            size,
        ))
    }

    fn of_file(
        file: &File,
        size: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self, Failure> {
        let length = NonZeroUsize::new(size).ok_or("an empty mapping")?;
        // SAFETY: a fresh mapping wherever the kernel likes.
        let start = unsafe { mmap(None, length, protection, flags, file, 0) }?;
        Ok(Self(start, size))
    }

    fn private(size: usize) -> Result<Self, Failure> {
        Self::new(size, MapFlags::MAP_PRIVATE)
    }

    fn at(&self, offset: usize) -> *mut u8 {
        self.0.as_ptr().cast::<u8>().wrapping_add(offset)
    }

    fn read(&self, offset: usize) -> u8 {
        // SAFETY: the tests read inside the mapping, or want the fault.
        unsafe { self.at(offset).read_volatile() }
    }

    fn write(&self, offset: usize, value: u8) {
        // SAFETY: the tests write inside the mapping, or want the fault.
        unsafe { self.at(offset).write_volatile(value) }
    }

    fn protect(&self, protection: ProtFlags) -> Outcome {
        // SAFETY: nothing but the test itself uses this mapping.
        unsafe { mprotect(self.0, self.1, protection) }?;
        Ok(())
    }

    fn unmap(&self) -> Outcome {
        // SAFETY: nothing but the test itself uses this mapping.
        unsafe { munmap(self.0, self.1) }?;
        Ok(())
    }
}

fn faults(body: impl FnOnce(), signal: Signal) -> Outcome {
    let status = end_of(|| {
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
        body();
        0
    })?;
    ensure!(
        matches!(status, WaitStatus::Signaled(_, found, _) if found == signal),
        "{status:?}, not {signal}"
    );
    Ok(())
}

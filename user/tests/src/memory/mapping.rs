//! What mmap(2), mprotect(2), mremap(2), madvise(2), brk(2) and the stack promise.

use super::{Mapping, PAGE, faults};
use crate::harness::{Outcome, Test};
use nix::sys::mman::{
    MRemapFlags, MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, mremap, munmap,
};
use nix::sys::signal::Signal;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

pub const TESTS: &[Test] = &[
    ("memory.anonymous_is_zero", anonymous_is_zero),
    ("memory.unmapped_faults", unmapped_faults),
    ("memory.read_only_faults", read_only_faults),
    ("memory.protect_and_allow_again", protect_and_allow_again),
    ("memory.no_execute", no_execute),
    ("memory.fixed_replaces", fixed_replaces),
    ("memory.unmap_in_the_middle", unmap_in_the_middle),
    ("memory.remap_keeps_content", remap_keeps_content),
    ("memory.advise_empties", advise_empties),
    ("memory.break_grows_and_shrinks", break_grows_and_shrinks),
    ("memory.stack_grows", stack_grows),
    ("memory.wrong_arguments", wrong_arguments),
];

fn anonymous_is_zero() -> Outcome {
    for size in [1, PAGE, 3 * PAGE + 5, 4 << 20] {
        let mapping = Mapping::private(size)?;
        ensure!(
            (0..size)
                .step_by(511)
                .all(|offset| mapping.read(offset) == 0)
        );
        (0..size)
            .step_by(PAGE)
            .for_each(|offset| mapping.write(offset, 9));
        mapping.unmap()?;
    }
    Ok(())
}

fn unmapped_faults() -> Outcome {
    let mapping = Mapping::private(PAGE)?;
    mapping.write(0, 1);
    mapping.unmap()?;
    faults(|| _ = mapping.read(0), Signal::SIGSEGV)
}

fn read_only_faults() -> Outcome {
    let mapping = Mapping::with(PAGE, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE)?;
    ensure_eq!(mapping.read(7), 0);
    faults(|| mapping.write(7, 1), Signal::SIGSEGV)?;
    let nothing = Mapping::with(PAGE, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)?;
    faults(|| _ = nothing.read(0), Signal::SIGSEGV)
}

fn protect_and_allow_again() -> Outcome {
    let mapping = Mapping::private(4 * PAGE)?;
    (0..4).for_each(|page| mapping.write(page * PAGE, page as u8 + 1));
    mapping.protect(ProtFlags::PROT_READ)?;
    faults(|| mapping.write(PAGE, 1), Signal::SIGSEGV)?;
    mapping.protect(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
    mapping.write(PAGE, 77);
    ensure!((mapping.read(0), mapping.read(PAGE), mapping.read(3 * PAGE)) == (1, 77, 4));
    Ok(())
}

fn no_execute() -> Outcome {
    let mapping = Mapping::private(PAGE)?;
    mapping.write(0, 0xc3);
    // SAFETY: not safe: the page may not be executed, and that is the test.
    let jump: extern "C" fn() = unsafe { std::mem::transmute(mapping.at(0)) };
    faults(|| jump(), Signal::SIGSEGV)
}

fn fixed_replaces() -> Outcome {
    let mapping = Mapping::private(3 * PAGE)?;
    (0..3).for_each(|page| mapping.write(page * PAGE, 5));
    let middle = NonZeroUsize::new(mapping.at(PAGE) as usize);
    let length = NonZeroUsize::new(PAGE).ok_or("zero")?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED;
    // SAFETY: replaces a page of the test's own mapping.
    unsafe {
        mmap_anonymous(
            middle,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            flags,
        )
    }?;
    ensure!((mapping.read(0), mapping.read(PAGE), mapping.read(2 * PAGE)) == (5, 0, 5));
    Ok(())
}

fn unmap_in_the_middle() -> Outcome {
    let mapping = Mapping::private(5 * PAGE)?;
    (0..5).for_each(|page| mapping.write(page * PAGE, 5));
    let middle = NonNull::new(mapping.at(2 * PAGE).cast()).ok_or("null")?;
    // SAFETY: a page of the test's own mapping.
    unsafe { munmap(middle, PAGE) }?;
    ensure!(mapping.read(PAGE) == 5 && mapping.read(3 * PAGE) == 5);
    faults(|| _ = mapping.read(2 * PAGE), Signal::SIGSEGV)
}

fn remap_keeps_content() -> Outcome {
    let mapping = Mapping::private(4 * PAGE)?;
    (0..4).for_each(|page| mapping.write(page * PAGE, page as u8 + 1));
    let neighbour = Mapping::private(PAGE)?;
    neighbour.write(0, 99);
    // SAFETY: the test's own mapping, used through the new address only.
    let moved = unsafe {
        mremap(
            mapping.0,
            4 * PAGE,
            256 * PAGE,
            MRemapFlags::MREMAP_MAYMOVE,
            None,
        )
    }?;
    let moved = Mapping(moved, 256 * PAGE);
    ensure!((0..4).all(|page| moved.read(page * PAGE) == page as u8 + 1));
    ensure_eq!(moved.read(255 * PAGE), 0);
    ensure_eq!(neighbour.read(0), 99);
    // SAFETY: likewise.
    let shrunk = unsafe { mremap(moved.0, 256 * PAGE, 2 * PAGE, MRemapFlags::empty(), None) }?;
    let shrunk = Mapping(shrunk, 2 * PAGE);
    ensure_eq!(shrunk.read(PAGE), 2);
    faults(|| _ = shrunk.read(2 * PAGE), Signal::SIGSEGV)
}

fn advise_empties() -> Outcome {
    let mapping = Mapping::private(8 * PAGE)?;
    (0..8).for_each(|page| mapping.write(page * PAGE, 1));
    // SAFETY: the test's own mapping; its content may go.
    unsafe { madvise(mapping.0, 4 * PAGE, MmapAdvise::MADV_DONTNEED) }?;
    ensure!(mapping.read(0) == 0 && mapping.read(3 * PAGE) == 0 && mapping.read(4 * PAGE) == 1);
    Ok(())
}

fn break_grows_and_shrinks() -> Outcome {
    // The raw call: musl's own brk(2) refuses to be used.
    // SAFETY: nothing else in this process moves the break; musl's and Rust's heap are left alone.
    let brk = |address: usize| unsafe { libc::syscall(libc::SYS_brk, address) as usize };
    let start = brk(0);
    ensure_eq!(brk(start + 16 * PAGE), start + 16 * PAGE);
    // SAFETY: inside the grown part.
    unsafe { ((start + 15 * PAGE) as *mut u8).write_volatile(1) };
    ensure_eq!(brk(start), start);
    ensure_eq!(brk(usize::MAX / 2), start);
    Ok(())
}

#[inline(never)]
fn deeper(levels: usize) -> usize {
    let room = std::hint::black_box([levels as u8; 1024]);
    if levels == 0 {
        0
    } else {
        deeper(levels - 1) + usize::from(room[levels % 1024] == levels as u8)
    }
}

fn stack_grows() -> Outcome {
    ensure_eq!(deeper(2_000), 2_000); // more than 2 MiB of the main thread's stack
    Ok(())
}

fn wrong_arguments() -> Outcome {
    use nix::errno::Errno;
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: each call is refused, or maps something that nobody uses.
    let map = |address: usize, length: usize, flags: i32| unsafe {
        Errno::result(libc::mmap(
            address as *mut c_void,
            length,
            libc::PROT_READ,
            flags,
            -1,
            0,
        ) as isize)
    };
    ensure_eq!(map(0, 0, anonymous), Err(Errno::EINVAL));
    ensure_eq!(map(0, PAGE, libc::MAP_PRIVATE), Err(Errno::EBADF));
    ensure_eq!(
        map(1, PAGE, anonymous | libc::MAP_FIXED),
        Err(Errno::EINVAL)
    );
    ensure_eq!(map(0, usize::MAX / 2, anonymous), Err(Errno::ENOMEM));
    ensure_eq!(
        // SAFETY: an address that is not aligned is refused.
        Errno::result(unsafe { libc::munmap(std::ptr::without_provenance_mut(1), PAGE) }),
        Err(Errno::EINVAL)
    );
    Ok(())
}

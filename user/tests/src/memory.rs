//! Address spaces: mappings, protection, copy-on-write, and all of it from many threads.

use crate::harness::{Failure, Folder, Outcome, Test, child, end_of, succeeds};
use nix::sys::mman::{
    MRemapFlags, MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, mremap,
    munmap,
};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
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
    ("memory.copy_on_write_both_ways", copy_on_write_both_ways),
    ("memory.shared_is_shared", shared_is_shared),
    ("memory.remap_keeps_content", remap_keeps_content),
    ("memory.advise_empties", advise_empties),
    ("memory.break_grows_and_shrinks", break_grows_and_shrinks),
    ("memory.file_private_and_shared", file_private_and_shared),
    ("memory.beyond_file_is_bus_error", beyond_file_is_bus_error),
    ("memory.stack_grows", stack_grows),
    ("memory.many_threads_map", many_threads_map),
    ("memory.many_threads_reallocate", many_threads_reallocate),
    ("memory.fork_while_threads_map", fork_while_threads_map),
    ("memory.wrong_arguments", wrong_arguments),
];

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

fn copy_on_write_both_ways() -> Outcome {
    let mapping = Mapping::private(64 * PAGE)?;
    (0..64).for_each(|page| mapping.write(page * PAGE, 1));
    let (reader, writer) = nix::unistd::pipe()?;
    let family = child(|| {
        // A grandchild sees what the child wrote before, the parent sees none of it.
        (0..32).for_each(|page| mapping.write(page * PAGE, 2));
        let grandchild = child(|| i32::from(mapping.read(0) != 2 || mapping.read(63 * PAGE) != 1));
        let fine = grandchild.and_then(succeeds).is_ok();
        let _ = nix::unistd::read(&reader, &mut [0]);
        i32::from(
            !fine
                || (0..32).any(|page| mapping.read(page * PAGE) != 2)
                || mapping.read(40 * PAGE) != 1,
        )
    })?;
    (0..64).for_each(|page| mapping.write(page * PAGE, 3));
    nix::unistd::write(&writer, b"x")?;
    succeeds(family)?;
    ensure!((0..64).all(|page| mapping.read(page * PAGE) == 3));
    Ok(())
}

fn shared_is_shared() -> Outcome {
    let mapping = Mapping::new(2 * PAGE, MapFlags::MAP_SHARED)?;
    mapping.write(0, 1);
    succeeds(child(|| {
        mapping.write(PAGE, 2); // touched here first
        i32::from(mapping.read(0) != 1)
    })?)?;
    ensure_eq!(mapping.read(PAGE), 2);
    Ok(())
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

fn file_private_and_shared() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(folder.path("file"), vec![b'a'; 3 * PAGE])?;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(folder.path("file"))?;
    let map = |flags| -> Result<Mapping, Failure> {
        let length = NonZeroUsize::new(3 * PAGE).ok_or("zero")?;
        // SAFETY: a fresh mapping wherever the kernel likes.
        let start = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                flags,
                &file,
                0,
            )
        }?;
        Ok(Mapping(start, 3 * PAGE))
    };
    let (private, shared) = (map(MapFlags::MAP_PRIVATE)?, map(MapFlags::MAP_SHARED)?);
    private.write(0, b'p');
    shared.write(PAGE, b's');
    ensure!(private.read(PAGE) == b's' && shared.read(0) == b'a');
    let content = std::fs::read(folder.path("file"))?;
    ensure!(content[0] == b'a' && content[PAGE] == b's');
    std::os::unix::fs::FileExt::write_at(&file, b"w", 2 * PAGE as u64)?;
    ensure_eq!(shared.read(2 * PAGE), b'w');
    Ok(())
}

fn beyond_file_is_bus_error() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(folder.path("short"), b"abc")?;
    let file = std::fs::File::open(folder.path("short"))?;
    let length = NonZeroUsize::new(2 * PAGE).ok_or("zero")?;
    // SAFETY: a fresh mapping wherever the kernel likes.
    let start = unsafe {
        mmap(
            None,
            length,
            ProtFlags::PROT_READ,
            MapFlags::MAP_PRIVATE,
            &file,
            0,
        )
    }?;
    let mapping = Mapping(start, 2 * PAGE);
    ensure!(mapping.read(2) == b'c' && mapping.read(3) == 0);
    faults(|| _ = mapping.read(PAGE), Signal::SIGBUS)
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

fn many_threads_map() -> Outcome {
    let work = |seed: usize| {
        move || -> bool {
            (0..200).all(|round| {
                let Ok(mapping) = Mapping::private((1 + (seed + round) % 16) * PAGE) else {
                    return false;
                };
                (0..mapping.1)
                    .step_by(PAGE)
                    .for_each(|offset| mapping.write(offset, seed as u8));
                let fine = (0..mapping.1)
                    .step_by(PAGE)
                    .all(|offset| mapping.read(offset) == seed as u8);
                let protected =
                    mapping.protect(ProtFlags::PROT_READ).is_ok() && mapping.read(0) == seed as u8;
                fine && protected && mapping.unmap().is_ok()
            })
        }
    };
    let threads: Vec<_> = (1..=8).map(|seed| std::thread::spawn(work(seed))).collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    Ok(())
}

fn many_threads_reallocate() -> Outcome {
    let work = |seed: u8| {
        move || {
            (0..20).all(|_| {
                let mut bytes = Vec::new();
                (0..300_000_u32).for_each(|_| bytes.push(seed)); // grows by realloc, later by mremap
                bytes.iter().all(|&byte| byte == seed)
            })
        }
    };
    let threads: Vec<_> = (1..=8).map(|seed| std::thread::spawn(work(seed))).collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    Ok(())
}

fn fork_while_threads_map() -> Outcome {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let stop = std::sync::Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let Ok(mapping) = Mapping::private(8 * PAGE) else {
                        return;
                    };
                    (0..8).for_each(|page| mapping.write(page * PAGE, 1));
                    let _ = mapping.unmap();
                }
            })
        })
        .collect();
    let mark = Mapping::private(16 * PAGE)?;
    for round in 0..50 {
        (0..16).for_each(|page| mark.write(page * PAGE, round));
        let fine = child(|| i32::from((0..16).any(|page| mark.read(page * PAGE) != round)))?;
        succeeds(fine)?;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    ensure!(threads.into_iter().all(|thread| thread.join().is_ok()));
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

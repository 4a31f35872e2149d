//! Threads that end while there is no memory: what others wait for is written all the same.

use super::{adjust, may_exhaust};
use crate::harness::{Failure, Outcome, Test, child, status_of};
use crate::inheritance::calls::{DIED, own_tid};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{pause, pipe, read, write};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::thread;

pub const TESTS: &[Test] = &[("scarcity.ends_are_told", ends_are_told)];

/// Of a page that only a copy can be written to.
const PAGE: usize = 4096;
/// As many locks as a thread may hold (`ROBUST_LIST_LIMIT`), a page each.
const LOCKS: usize = 2048;
/// So much does their copies take.
const NEEDED: u64 = (LOCKS * PAGE) as u64;

/// `struct robust_list_head`.
#[repr(C)]
struct Held {
    first: usize,
    futex_offset: isize,
    pending: usize,
}

/// Pages of a file, each with a list entry and the word of a lock behind it; a private mapping, so
/// that each word written costs a page.
struct Locks {
    pages: File,
    start: usize,
}

impl Locks {
    const WORD: usize = size_of::<usize>();

    fn new() -> Result<Self, Failure> {
        let pages = File::from(memfd_create(c"locks", MFdFlags::empty())?);
        // All there before memory is short: one's own copies are what it takes.
        pages.write_all_at(&vec![0; NEEDED as usize], 0)?;
        let (rights, file) = (libc::PROT_READ | libc::PROT_WRITE, pages.as_raw_fd());
        // SAFETY: a new mapping, of which nobody has a reference.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                NEEDED as usize,
                rights,
                libc::MAP_PRIVATE,
                file,
                0,
            )
        };
        ensure!(start != libc::MAP_FAILED);
        let start = start.addr();
        Ok(Self { pages, start })
    }

    /// The calling thread holds all of them from now on; `head` is where it says so.
    fn hold(&self, head: &mut Held) -> Outcome {
        let entry = |number: usize| self.start + number * PAGE;
        for number in 0..LOCKS {
            let next = match number + 1 < LOCKS {
                true => entry(number + 1),
                false => std::ptr::from_ref(head).addr(),
            };
            let at = (number * PAGE) as u64;
            self.pages.write_all_at(&next.to_ne_bytes(), at)?;
            let word = own_tid().to_ne_bytes();
            self.pages.write_all_at(&word, at + Self::WORD as u64)?;
        }
        head.first = entry(0);
        let (head, size) = (std::ptr::from_ref(head), size_of::<Held>());
        // SAFETY: the list stays until the thread has ended.
        let result = unsafe { libc::syscall(libc::SYS_set_robust_list, head, size) };
        Errno::result(result)?;
        Ok(())
    }

    fn are_marked(&self) -> usize {
        let word = |number: usize| {
            let at = (self.start + number * PAGE + Self::WORD) as *const u32;
            // SAFETY: in the mapping; whoever wrote it has ended.
            unsafe { at.read_volatile() }
        };
        (0..LOCKS).filter(|&number| word(number) == DIED).count()
    }
}

/// A line of `/proc/meminfo`, in bytes.
fn memory(name: &str) -> Result<u64, Failure> {
    let info = std::fs::read_to_string("/proc/meminfo")?;
    let line = info.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("no such line")?.parse::<u64>()? * 1024)
}

/// When told, takes memory until less is left than is needed, then says so and keeps it. What the
/// kernel keeps for itself (Weft's: a 64th) is not for programs.
fn fill(begin: impl AsFd, ready: impl AsFd) -> Outcome {
    read(begin, &mut [0])?;
    const PIECE: usize = 256 << 10;
    let mut taken = Vec::new();
    let enough = NEEDED + memory("MemTotal:")? / 64;
    while memory("MemFree:")? > enough {
        taken.push(vec![1_u8; PIECE]);
    }
    write(ready, b".")?;
    loop {
        pause();
    }
}

/// A thread ends and holds so many locks that memory runs out while they are marked: then another
/// program goes, and every lock is marked.
fn ends_are_told() -> Outcome {
    if !may_exhaust() {
        return Ok(());
    }
    let locks = Locks::new()?;
    let ((begin, begun), (ready, tell)) = (pipe()?, pipe()?);
    let hog = child(|| {
        let _ = adjust(1000);
        status_of(fill(&begin, &tell))
    })?;
    drop(tell);
    let mut head = Held {
        first: 0,
        futex_offset: Locks::WORD as isize,
        pending: 0,
    };
    let life = || {
        ensure_eq!(read(&ready, &mut [0])?, 1);
        locks.hold(&mut head)
    };
    thread::scope(|scope| {
        let holder = scope.spawn(life);
        write(&begun, b".")?;
        holder.join().map_err(|_| "the thread panicked")?
    })?;
    ensure_eq!(locks.are_marked(), LOCKS);
    let killed = WaitStatus::Signaled(hog, Signal::SIGKILL, false);
    ensure_eq!(waitpid(hog, None)?, killed);
    Ok(())
}

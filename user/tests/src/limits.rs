//! Limits that hold, calls that do not exist, and programs that want too much.

use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Uid, fork, setuid};
use std::fs::File;
use std::io::{BufRead, BufReader};

pub const TESTS: &[Test] = &[
    ("limit.unknown_call", unknown_call),
    ("limit.open_files", open_files),
    ("limit.large_tables", large_tables),
    ("limit.areas", areas),
    ("limit.fork_bomb", fork_bomb),
    ("limit.address_space", address_space),
    ("limit.file_size", file_size),
    ("limit.only_down", only_down),
    ("limit.foreign_process", foreign_process),
];

fn unknown_call() -> Outcome {
    for number in [1_000, 100_000, i64::MAX] {
        ensure_eq!(
            // SAFETY: there is no such call, so nothing happens.
            Errno::result(unsafe { libc::syscall(number as libc::c_long) }),
            Err(Errno::ENOSYS)
        );
    }
    Ok(())
}

fn open_files() -> Outcome {
    setrlimit(Resource::RLIMIT_NOFILE, 20, 20)?;
    let mut files = Vec::new();
    let refused = loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => break error.raw_os_error(),
        }
        ensure!(files.len() < 30);
    };
    ensure_eq!(refused, Some(libc::EMFILE));
    files.pop();
    File::open("/dev/null")?;
    Ok(())
}

/// Forks children, `most` at once, until that is refused; says how many there were, all of which
/// have ended, and why there were not more. The calling process has one thread and no child.
fn fork_until_refused(most: usize) -> Result<(usize, Option<Errno>), Failure> {
    let (gate, release) = nix::unistd::pipe()?;
    let (mut children, mut refused) = (0, None);
    while refused.is_none() && children < most {
        // SAFETY: says the caller.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => {
                drop(release);
                let _ = nix::unistd::read(&gate, &mut [0]);
                // SAFETY: ends this process and runs nothing else of it.
                unsafe { libc::_exit(0) }
            }
            Ok(ForkResult::Parent { .. }) => children += 1,
            Err(error) => refused = Some(error),
        }
    }
    drop(release);
    for _ in 0..children {
        waitpid(None, None)?;
    }
    Ok((children, refused))
}

/// A table of a million descriptors is copied by each fork. Where there is no memory for one more,
/// that is the caller's error and nobody else's.
fn large_tables() -> Outcome {
    // Less on a small machine, where not one such table would fit into what is left in one piece.
    let slots_wanted = (1 << 20).min(memory()? / 1024);
    const CHILDREN: usize = 64;
    let parent = child(|| {
        status_of((|| {
            // Only root may raise the hard limit.
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            let slots = match setrlimit(Resource::RLIMIT_NOFILE, slots_wanted, slots_wanted) {
                Err(Errno::EPERM) => hard,
                other => other.map(|()| slots_wanted)?,
            };
            setrlimit(Resource::RLIMIT_NOFILE, slots, hard.max(slots))?;
            // SAFETY: a descriptor nobody else uses.
            Errno::result(unsafe { libc::dup2(0, slots as i32 - 1) })?;
            let (children, refused) = fork_until_refused(CHILDREN)?;
            ensure!(children > 0);
            ensure!(matches!(refused, None | Some(Errno::ENOMEM)));
            succeeds(child(|| 0)?)
        })())
    })?;
    succeeds(parent)
}

/// Bytes of the machine's memory.
fn memory() -> Result<u64, Failure> {
    // SAFETY: takes numbers.
    let [pages, size] =
        [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|n| unsafe { libc::sysconf(n) });
    Ok(u64::try_from(pages)? * u64::try_from(size)?)
}

/// Every other page of one mapping made read-only is an area of its own, until there may be no
/// more; /proc/self/maps has a line for each.
fn areas() -> Outcome {
    const PAGE: usize = 4096;
    const LINUX_DEFAULT: usize = 65_530;
    let told = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    let limit: usize = told.map_or(Ok(LINUX_DEFAULT), |text| text.trim().parse())?;
    let (rights, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
    );
    let length = (limit + 2) * PAGE;
    // SAFETY: new memory, which nobody but this test uses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length, rights, flags, -1, 0) };
    ensure!(start != libc::MAP_FAILED);
    let protect = |page: usize| {
        // SAFETY: as above.
        Errno::result(unsafe { libc::mprotect(start.byte_add(page * PAGE), PAGE, libc::PROT_READ) })
    };
    let refused = (1..limit).step_by(2).find_map(|page| protect(page).err());
    ensure_eq!(refused, Some(Errno::ENOMEM));
    let lines = BufReader::new(File::open("/proc/self/maps")?)
        .lines()
        .count();
    // SAFETY: as above.
    unsafe { libc::munmap(start, length) };
    ensure!((limit - 8..=limit + 1).contains(&lines), "{lines} areas");
    Ok(())
}

/// As nobody: root is not held by RLIMIT_NPROC.
fn fork_bomb() -> Outcome {
    let bomb = child(|| {
        status_of((|| {
            setrlimit(Resource::RLIMIT_NPROC, 40, 40)?;
            setuid(Uid::from_raw(60_123))?;
            let (_, refused) = fork_until_refused(41)?;
            ensure_eq!(refused, Some(Errno::EAGAIN));
            Ok(())
        })())
    })?;
    succeeds(bomb)
}

fn address_space() -> Outcome {
    let greedy = child(|| {
        status_of((|| {
            setrlimit(Resource::RLIMIT_AS, 256 << 20, 256 << 20)?;
            let mut pieces: Vec<Vec<u8>> = Vec::new();
            let refused = loop {
                let mut piece = Vec::new();
                if piece.try_reserve_exact(16 << 20).is_err() {
                    break true;
                }
                pieces.push(piece);
                if pieces.len() > 32 {
                    break false;
                }
            };
            ensure!(refused);
            Ok(())
        })())
    })?;
    succeeds(greedy)
}

fn file_size() -> Outcome {
    let folder = crate::harness::Folder::new()?;
    let path = folder.path("f");
    let writer = child(|| {
        status_of((|| {
            // SAFETY: no handler is installed.
            unsafe {
                nix::sys::signal::signal(
                    nix::sys::signal::Signal::SIGXFSZ,
                    nix::sys::signal::SigHandler::SigIgn,
                )
            }?;
            setrlimit(Resource::RLIMIT_FSIZE, 1_000, 1_000)?;
            let file = File::create(&path)?;
            ensure_eq!(nix::unistd::write(&file, &[0; 2_000])?, 1_000);
            ensure_eq!(nix::unistd::write(&file, &[0; 10]), Err(Errno::EFBIG));
            let reserve = |size| fallocate(&file, FallocateFlags::empty(), 0, size);
            ensure_eq!(reserve(2_000), Err(Errno::EFBIG));
            reserve(1_000)?;
            Ok(())
        })())
    })?;
    succeeds(writer)
}

fn only_down() -> Outcome {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure_eq!(
        setrlimit(Resource::RLIMIT_NOFILE, 100, 50),
        Err(Errno::EINVAL)
    );
    let unprivileged = child(|| {
        status_of((|| {
            setuid(Uid::from_raw(60_123))?;
            setrlimit(Resource::RLIMIT_NOFILE, 10, 50)?;
            ensure_eq!(
                setrlimit(Resource::RLIMIT_NOFILE, 10, hard.max(51)),
                Err(Errno::EPERM)
            );
            Ok(())
        })())
    })?;
    succeeds(unprivileged)
}

fn foreign_process() -> Outcome {
    let unprivileged = child(|| {
        status_of((|| {
            let parent = nix::unistd::getppid();
            setuid(Uid::from_raw(60_123))?;
            ensure_eq!(
                nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGTERM),
                Err(Errno::EPERM)
            );
            ensure_eq!(setuid(Uid::from_raw(0)), Err(Errno::EPERM));
            Ok(())
        })())
    })?;
    succeeds(unprivileged)
}

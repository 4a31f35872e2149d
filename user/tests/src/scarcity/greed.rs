//! What programs can make the kernel allocate, taken to the end: refusals and signals, and all of it
//! back afterwards.

use super::{adjust, may_exhaust};
use crate::harness::{Failure, Folder, Outcome, Test, child, succeeds};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{chdir, pipe, read, write};
use std::fs::File;

pub const TESTS: &[Test] = &[("scarcity.everything_comes_back", everything_comes_back)];

/// What a process may ask of the kernel until it is refused.
type Greed = fn() -> nix::Result<()>;

/// A child's greed ends: satisfied, refused with a word that says so, or by the signal.
fn bounded(greed: Greed) -> Outcome {
    let greedy = child(|| {
        let _ = adjust(1000);
        let _ = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS);
        match greed() {
            Ok(()) | Err(Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC | Errno::EAGAIN) => 0,
            Err(Errno::EMFILE | Errno::ENFILE) => 0,
            Err(error) => {
                eprintln!("in a child: {error}");
                1
            }
        }
    })?;
    let status = waitpid(greedy, None)?;
    let signaled = WaitStatus::Signaled(greedy, Signal::SIGKILL, false);
    ensure!(
        status == WaitStatus::Exited(greedy, 0) || status == signaled,
        "{status:?}"
    );
    Ok(())
}

/// A folder that is removed after each child.
const NAMES: &str = "names";
const DESCRIPTORS: u64 = 20_000;

/// How many pieces of that many bytes a child asks for: twice what there is, where that is little
/// and nobody else's; elsewhere it would take minutes.
fn pieces(bytes: usize) -> usize {
    const LITTLE: usize = 128 << 20;
    let pages = nix::unistd::sysconf(nix::unistd::SysconfVar::_PHYS_PAGES);
    let memory = pages.ok().flatten().unwrap_or(0) as usize * 4096;
    let total = match may_exhaust() && memory <= LITTLE {
        true => 2 * memory,
        false => 8 << 20,
    };
    total / bytes
}

/// Bytes of memory that nobody uses.
fn free_memory() -> Result<u64, Failure> {
    let info = std::fs::read_to_string("/proc/meminfo")?;
    let line = info.lines().find(|line| line.starts_with("MemFree:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("no MemFree")?.parse::<u64>()? * 1024)
}

/// Each in turn takes what it can get; afterwards, or soon, all of it is free again.
fn everything_comes_back() -> Outcome {
    const SLACK: u64 = 4 << 20;
    let folder = Folder::new()?;
    chdir(&folder.0)?;
    let before = free_memory()?;
    for (name, greed) in GREEDS {
        std::fs::create_dir(NAMES)?;
        bounded(*greed).map_err(|Failure(why)| Failure(format!("{name}: {why}")))?;
        std::fs::remove_dir_all(NAMES)?;
        // The kernel frees what a process leaves when it has time, and its children may still run.
        while may_exhaust() && free_memory()? + SLACK < before {
            std::thread::yield_now();
        }
        succeeds(child(|| 0)?)?;
    }
    Ok(())
}

const GREEDS: &[(&str, Greed)] = &[
    ("pipes", pipes),
    ("sockets", sockets),
    ("datagrams", datagrams),
    ("epolls", epolls),
    ("areas", areas),
    ("polled", polled),
    ("vectors", vectors),
    ("names", names),
    ("shared", shared),
    ("processes", processes),
    ("threads", threads),
];

/// Writes into `end`, which does not wait, until it takes no more.
fn fill(end: impl std::os::fd::AsFd) -> nix::Result<()> {
    let bytes = [7; 65_536];
    loop {
        match write(&end, &bytes) {
            Ok(_) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn pipes() -> nix::Result<()> {
    const SIZE: usize = 1 << 20;
    let mut kept = Vec::new();
    for _ in 0..pieces(SIZE) {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK)?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(SIZE as i32))?;
        fill(&writer)?;
        kept.push((reader, writer));
    }
    Ok(())
}

fn connected(kind: SockType) -> nix::Result<()> {
    let mut kept = Vec::new();
    for _ in 0..pieces(128 << 10) {
        let flags = SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, kind, None, flags)?;
        match fill(&one) {
            // A datagram as long as this one may never fit.
            Err(Errno::EMSGSIZE) => drop(write(&one, &[7; 4096])),
            filled => filled?,
        }
        kept.push((one, other));
    }
    Ok(())
}

fn sockets() -> nix::Result<()> {
    connected(SockType::Stream)
}

fn datagrams() -> nix::Result<()> {
    connected(SockType::Datagram)
}

/// Each epoll watches the same thousand files.
fn epolls() -> nix::Result<()> {
    let mut watched = Vec::new();
    for _ in 0..1_000 {
        watched.push(EventFd::new()?);
    }
    let mut kept = Vec::new();
    for _ in 0..pieces(128 << 10) {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        for file in &watched {
            epoll.add(file, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        kept.push(epoll);
    }
    Ok(())
}

/// Areas of a page each, in process after process; each process's are read as text.
fn areas() -> nix::Result<()> {
    const PAGE: usize = 4096;
    const AREAS: usize = 60_000;
    let map = |at: usize, rights: i32| {
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let (at, kind) = match at {
            0 => (std::ptr::null_mut(), kind),
            at => (at as *mut libc::c_void, kind | libc::MAP_FIXED),
        };
        let length = if at.is_null() { AREAS * PAGE } else { PAGE };
        // SAFETY: new memory, or a page of it, which nobody uses.
        let found = unsafe { libc::mmap(at, length, rights, kind, -1, 0) };
        match found == libc::MAP_FAILED {
            true => Err(Errno::last()),
            false => Ok(found as usize),
        }
    };
    let start = map(0, libc::PROT_NONE)?;
    for _ in 0..pieces(AREAS * 512).min(64) {
        for page in (0..AREAS).step_by(2) {
            map(start + page * PAGE, libc::PROT_READ)?;
        }
        let lines = std::fs::read("/proc/self/maps").map_err(|_| Errno::ENOMEM)?;
        assert!(lines.len() > AREAS);
        // The next generation has all of them, too.
        // SAFETY: one thread.
        match unsafe { nix::unistd::fork() }? {
            nix::unistd::ForkResult::Child => {}
            nix::unistd::ForkResult::Parent { child } => {
                waitpid(child, None)?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// As many files as may be open, in one call.
fn polled() -> nix::Result<()> {
    let one = libc::pollfd {
        fd: 0,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut files = vec![one; DESCRIPTORS as usize];
    for _ in 0..pieces(1 << 20) {
        // SAFETY: the array lives.
        Errno::result(unsafe { libc::poll(files.as_mut_ptr(), files.len() as libc::nfds_t, 0) })?;
    }
    Ok(())
}

/// The longest vectors there are, into memory of their own.
fn vectors() -> nix::Result<()> {
    const VECTORS: usize = 1024;
    let zeros = File::open("/dev/zero").map_err(|_| Errno::ENOENT)?;
    let piece = 64 << 10;
    let mut memory = vec![0_u8; VECTORS.min(pieces(piece)) * piece];
    let mut pieces: Vec<_> = memory
        .chunks_mut(piece)
        .map(std::io::IoSliceMut::new)
        .collect();
    nix::sys::uio::readv(&zeros, &mut pieces).map(drop)
}

/// A folder of many long names, read in one go.
fn names() -> nix::Result<()> {
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let long = "n".repeat(240);
    for number in 0..pieces(1024).min(40_000) {
        File::create(format!("{NAMES}/{long}{number}")).map_err(errno)?;
    }
    let seen = std::fs::read_dir(NAMES).map_err(errno)?.count();
    assert!(seen > 0);
    Ok(())
}

/// Memory without a name that grows page by page, as far as files may.
fn shared() -> nix::Result<()> {
    let file = nix::sys::memfd::memfd_create(c"greed", nix::sys::memfd::MFdFlags::empty())?;
    let bytes = [7; 65_536];
    for _ in 0..pieces(bytes.len()) {
        write(&file, &bytes)?;
    }
    Ok(())
}

fn processes() -> nix::Result<()> {
    let (gate, release) = pipe()?;
    for _ in 0..pieces(32 << 10).min(5_000) {
        // SAFETY: one thread.
        if unsafe { nix::unistd::fork() }?.is_child() {
            drop(release);
            let _ = read(&gate, &mut [0]);
            // SAFETY: ends this process and runs nothing else of it.
            unsafe { libc::_exit(0) }
        }
    }
    Ok(())
}

fn threads() -> nix::Result<()> {
    for _ in 0..pieces(32 << 10).min(5_000) {
        let started = std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(std::thread::park);
        started.map_err(|_| Errno::EAGAIN)?;
    }
    Ok(())
}

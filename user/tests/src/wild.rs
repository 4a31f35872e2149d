//! Wild pointers into every call that takes one: EFAULT, and the system goes on.

use crate::harness::{Outcome, Test, child, succeeds};
use nix::errno::Errno;
use std::os::fd::AsRawFd;

pub const TESTS: &[Test] = &[
    ("wild.pointers_into_calls", pointers_into_calls),
    ("wild.output_into_read_only", output_into_read_only),
    ("wild.lengths", lengths),
    ("wild.valid_until_page_end", valid_until_page_end),
];

/// Unmapped, the kernel's, outside every address space, and the last byte.
const WILD: [usize; 5] = [
    8,
    0x0000_dead_0000_0000,
    0xffff_8000_0000_0000,
    0x8000_0000_0000_0000,
    usize::MAX,
];

fn call(number: libc::c_long, arguments: [usize; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the arguments are wrong on purpose; the kernel must refuse them.
    Errno::result(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

/// A call with one wild pointer among arguments that are otherwise right.
struct Case(
    &'static str,
    libc::c_long,
    fn(usize, &Objects) -> [usize; 6],
);

/// Things that calls need to come as far as the pointer.
struct Objects {
    file: usize,
    reader: usize,
    writer: usize,
    socket: usize,
    terminal: usize,
    epoll: usize,
    timer: usize,
    path: usize,
    program: usize,
}

const HERE: usize = libc::AT_FDCWD as usize;

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case("read", libc::SYS_read, |p, o| [o.file, p, 10, 0, 0, 0]),
    Case("write", libc::SYS_write, |p, o| [o.writer, p, 10, 0, 0, 0]),
    Case("pread64", libc::SYS_pread64, |p, o| [o.file, p, 10, 0, 0, 0]),
    Case("readv", libc::SYS_readv, |p, o| [o.file, p, 1, 0, 0, 0]),
    Case("writev", libc::SYS_writev, |p, o| [o.writer, p, 1, 0, 0, 0]),
    Case("openat", libc::SYS_openat, |p, _| [HERE, p, 0, 0, 0, 0]),
    Case("mkdirat", libc::SYS_mkdirat, |p, _| [HERE, p, 0, 0, 0, 0]),
    Case("unlinkat", libc::SYS_unlinkat, |p, _| [HERE, p, 0, 0, 0, 0]),
    Case("linkat", libc::SYS_linkat, |p, _| [HERE, p, HERE, p, 0, 0]),
    Case("symlinkat", libc::SYS_symlinkat, |p, _| [p, HERE, p, 0, 0, 0]),
    Case("readlinkat path", libc::SYS_readlinkat, |p, o| [HERE, p, o.path, 1, 0, 0]),
    Case("faccessat", libc::SYS_faccessat, |p, _| [HERE, p, 0, 0, 0, 0]),
    Case("fchmodat", libc::SYS_fchmodat, |p, _| [HERE, p, 0, 0, 0, 0]),
    Case("chdir", libc::SYS_chdir, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("truncate", libc::SYS_truncate, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("newfstatat path", libc::SYS_newfstatat, |p, o| [HERE, p, o.path, 0, 0, 0]),
    Case("newfstatat result", libc::SYS_newfstatat, |p, o| [HERE, o.path, p, 0, 0, 0]),
    Case("fstat", libc::SYS_fstat, |p, o| [o.file, p, 0, 0, 0, 0]),
    Case("statx", libc::SYS_statx, |p, o| [HERE, o.path, 0, 0x7ff, p, 0]),
    Case("statfs", libc::SYS_statfs, |p, o| [o.path, p, 0, 0, 0, 0]),
    Case("getdents64", libc::SYS_getdents64, |p, o| [o.path, p, 0, 0, 0, 0]),
    Case("getcwd", libc::SYS_getcwd, |p, _| [p, 100, 0, 0, 0, 0]),
    Case("utimensat", libc::SYS_utimensat, |p, o| [HERE, o.path, p, 0, 0, 0]),
    Case("pipe2", libc::SYS_pipe2, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("ppoll", libc::SYS_ppoll, |p, _| [p, 1, 0, 0, 0, 0]),
    Case("pselect6", libc::SYS_pselect6, |p, _| [1, p, 0, 0, 0, 0]),
    Case("epoll_ctl", libc::SYS_epoll_ctl, |p, o| [o.epoll, libc::EPOLL_CTL_ADD as usize, o.reader, p, 0, 0]),
    Case("signalfd4", libc::SYS_signalfd4, |p, _| [usize::MAX, p, 8, 0, 0, 0]),
    Case("timerfd_settime", libc::SYS_timerfd_settime, |p, o| [o.timer, 0, p, 0, 0, 0]),
    Case("timerfd_gettime", libc::SYS_timerfd_gettime, |p, o| [o.timer, p, 0, 0, 0, 0]),
    Case("ioctl TIOCGWINSZ", libc::SYS_ioctl, |p, o| [o.terminal, libc::TIOCGWINSZ as usize, p, 0, 0, 0]),
    Case("ioctl TCGETS", libc::SYS_ioctl, |p, o| [o.terminal, libc::TCGETS as usize, p, 0, 0, 0]),
    Case("execve", libc::SYS_execve, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("execve arguments", libc::SYS_execve, |p, o| [o.program, p, 0, 0, 0, 0]),
    Case("futex", libc::SYS_futex, |p, _| [p & !3, libc::FUTEX_WAIT as usize, 0, 0, 0, 0]),
    Case("rt_sigaction", libc::SYS_rt_sigaction, |p, _| [libc::SIGUSR1 as usize, p, 0, 8, 0, 0]),
    Case("rt_sigaction old", libc::SYS_rt_sigaction, |p, _| [libc::SIGUSR1 as usize, 0, p, 8, 0, 0]),
    Case("rt_sigprocmask", libc::SYS_rt_sigprocmask, |p, _| [0, p, 0, 8, 0, 0]),
    Case("rt_sigpending", libc::SYS_rt_sigpending, |p, _| [p, 8, 0, 0, 0, 0]),
    Case("rt_sigsuspend", libc::SYS_rt_sigsuspend, |p, _| [p, 8, 0, 0, 0, 0]),
    Case("rt_sigtimedwait", libc::SYS_rt_sigtimedwait, |p, _| [p, 0, 0, 8, 0, 0]),
    Case("sigaltstack", libc::SYS_sigaltstack, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("nanosleep", libc::SYS_nanosleep, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("clock_nanosleep", libc::SYS_clock_nanosleep, |p, _| [1, 0, p, 0, 0, 0]),
    Case("clock_gettime", libc::SYS_clock_gettime, |p, _| [1, p, 0, 0, 0, 0]),
    Case("clock_getres", libc::SYS_clock_getres, |p, _| [1, p, 0, 0, 0, 0]),
    Case("gettimeofday", libc::SYS_gettimeofday, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("getitimer", libc::SYS_getitimer, |p, _| [0, p, 0, 0, 0, 0]),
    Case("times", libc::SYS_times, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("uname", libc::SYS_uname, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("sysinfo", libc::SYS_sysinfo, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("getrusage", libc::SYS_getrusage, |p, _| [0, p, 0, 0, 0, 0]),
    Case("prlimit64", libc::SYS_prlimit64, |p, _| [0, 7, 0, p, 0, 0]),
    Case("prlimit64 new", libc::SYS_prlimit64, |p, _| [0, 7, p, 0, 0, 0]),
    Case("getrandom", libc::SYS_getrandom, |p, _| [p, 16, 0, 0, 0, 0]),
    Case("sched_getaffinity", libc::SYS_sched_getaffinity, |p, _| [0, 128, p, 0, 0, 0]),
    Case("sched_setaffinity", libc::SYS_sched_setaffinity, |p, _| [0, 128, p, 0, 0, 0]),
    Case("getcpu", libc::SYS_getcpu, |p, _| [p, 0, 0, 0, 0, 0]),
    Case("prctl PR_SET_NAME", libc::SYS_prctl, |p, _| [libc::PR_SET_NAME as usize, p, 0, 0, 0, 0]),
    Case("socketpair", libc::SYS_socketpair, |p, _| [1, 1, 0, p, 0, 0]),
    Case("bind", libc::SYS_bind, |p, o| [o.socket, p, 16, 0, 0, 0]),
    Case("connect", libc::SYS_connect, |p, o| [o.socket, p, 16, 0, 0, 0]),
    Case("getsockname", libc::SYS_getsockname, |p, o| [o.socket, p, p, 0, 0, 0]),
    Case("sendto", libc::SYS_sendto, |p, o| [o.socket, p, 10, 0, p, 16]),
    Case("sendmsg", libc::SYS_sendmsg, |p, o| [o.socket, p, 0, 0, 0, 0]),
    Case("recvmsg", libc::SYS_recvmsg, |p, o| [o.socket, p, libc::MSG_DONTWAIT as usize, 0, 0, 0]),
    Case("setsockopt", libc::SYS_setsockopt, |p, o| [o.socket, 1, 2, p, 4, 0]),
    Case("getsockopt", libc::SYS_getsockopt, |p, o| [o.socket, 1, 2, p, p, 0]),
];

fn with_objects(body: impl FnOnce(&Objects) -> Outcome) -> Outcome {
    let file = std::fs::File::open(std::env::current_exe()?)?;
    let (reader, writer) = nix::unistd::pipe()?;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let pair = crate::terminal::open()?;
    let epoll = nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::empty())?;
    let timer = nix::sys::timerfd::TimerFd::new(
        nix::sys::timerfd::ClockId::CLOCK_MONOTONIC,
        nix::sys::timerfd::TimerFlags::empty(),
    )?;
    body(&Objects {
        file: file.as_raw_fd() as usize,
        reader: reader.as_raw_fd() as usize,
        writer: writer.as_raw_fd() as usize,
        socket: socket.as_raw_fd() as usize,
        terminal: pair.slave.as_raw_fd() as usize,
        epoll: epoll.0.as_raw_fd() as usize,
        timer: std::os::fd::AsFd::as_fd(&timer).as_raw_fd() as usize,
        path: c"/".as_ptr() as usize,
        program: c"/proc/self/exe".as_ptr() as usize,
    })
}

fn pointers_into_calls() -> Outcome {
    with_objects(|objects| {
        for Case(name, number, arguments) in CASES {
            for pointer in WILD {
                let answer = call(*number, arguments(pointer, objects));
                // A descriptor or an argument may be refused first; what counts is that nothing
                // is taken for good and nobody dies.
                let refused = matches!(
                    answer,
                    Err(Errno::EFAULT | Errno::EINVAL | Errno::EBADF | Errno::ENOTDIR)
                );
                ensure!(refused, "{name} with {pointer:#x}: {answer:?}");
            }
        }
        Ok(())
    })
}

fn output_into_read_only() -> Outcome {
    static CONSTANT: [u8; 512] = [7; 512];
    let pointer = CONSTANT.as_ptr() as usize;
    with_objects(|objects| {
        for (name, number, arguments) in [
            ("read", libc::SYS_read, [objects.file, pointer, 10, 0, 0, 0]),
            ("uname", libc::SYS_uname, [pointer, 0, 0, 0, 0, 0]),
            ("getcwd", libc::SYS_getcwd, [pointer, 100, 0, 0, 0, 0]),
            ("pipe2", libc::SYS_pipe2, [pointer, 0, 0, 0, 0, 0]),
            (
                "clock_gettime",
                libc::SYS_clock_gettime,
                [1, pointer, 0, 0, 0, 0],
            ),
            ("getrandom", libc::SYS_getrandom, [pointer, 16, 0, 0, 0, 0]),
        ] {
            ensure_eq!((name, call(number, arguments)), (name, Err(Errno::EFAULT)));
        }
        Ok(())
    })
}

fn lengths() -> Outcome {
    with_objects(|objects| {
        let buffer = [0_u8; 16];
        let here = buffer.as_ptr() as usize;
        let too_many = call(libc::SYS_readv, [objects.file, here, usize::MAX, 0, 0, 0]);
        ensure_eq!(too_many, Err(Errno::EINVAL));
        succeeds(child(|| 0)?)
    })
}

/// A string or a structure may end exactly where memory ends.
fn valid_until_page_end() -> Outcome {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
    let size = std::num::NonZeroUsize::new(8_192).ok_or("zero")?;
    // SAFETY: a fresh mapping; its second page is unmapped again.
    let start = unsafe {
        mmap_anonymous(
            None,
            size,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_PRIVATE,
        )
    }?;
    // SAFETY: the second page is ours and unused.
    unsafe { munmap(start.byte_add(4_096), 4_096) }?;
    let end = start.as_ptr() as usize + 4_096;
    // SAFETY: the two bytes before the end are mapped.
    unsafe { ((end - 2) as *mut [u8; 2]).write(*b"/\0") };
    ensure!(call(libc::SYS_faccessat, [HERE, end - 2, 0, 0, 0, 0]).is_ok());
    // SAFETY: likewise; the string now has no end in memory.
    unsafe { ((end - 2) as *mut [u8; 2]).write(*b"//") };
    ensure_eq!(
        call(libc::SYS_faccessat, [HERE, end - 2, 0, 0, 0, 0]),
        Err(Errno::EFAULT)
    );
    ensure_eq!(
        call(libc::SYS_clock_gettime, [1, end - 8, 0, 0, 0, 0]),
        Err(Errno::EFAULT)
    );
    ensure!(call(libc::SYS_clock_gettime, [1, end - 16, 0, 0, 0, 0]).is_ok());
    Ok(())
}

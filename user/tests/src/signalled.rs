//! Signal-driven I/O: a file that tells its owner by a signal that it is ready.

use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{Pid, Uid, getpid, gettid, pipe, read, setpgid, setuid, write};
use std::io::Write;
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Barrier;

pub const TESTS: &[Test] = &[
    ("signalled.socket", socket),
    ("signalled.tcp", tcp),
    ("signalled.pipe_reader", pipe_reader),
    ("signalled.pipe_writer", pipe_writer),
    ("signalled.details", details),
    ("signalled.group", group),
    ("signalled.group_ends", group_ends),
    ("signalled.strangers", strangers),
    ("signalled.thread", thread),
    ("signalled.off", off),
    ("signalled.on_against_off", on_against_off),
    ("signalled.outlives_no_file", outlives_no_file),
    ("signalled.owner_is_told", owner_is_told),
    ("signalled.refused", refused),
];

const SETSIG: i32 = 10;
const GETSIG: i32 = 11;
const SETOWN_EX: i32 = 15;
const GETOWN_EX: i32 = 16;

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct OwnerEx {
    kind: i32,
    number: i32,
}

const THREAD: i32 = 0;

/// fcntl with a command that takes a number.
fn control(file: BorrowedFd, command: i32, argument: i32) -> nix::Result<i32> {
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), command, argument) })
}

fn set_owner(file: BorrowedFd, pid: i32) -> nix::Result<i32> {
    control(file, libc::F_SETOWN, pid)
}

/// FIOASYNC.
fn turn(file: BorrowedFd, on: bool) -> nix::Result<i32> {
    let on = i32::from(on);
    // SAFETY: the number outlives the call.
    Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), libc::FIOASYNC as _, &raw const on) })
}

fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (family, kind) = (AddressFamily::Unix, SockType::Stream);
    socketpair(family, kind, None, SockFlag::empty())
}

fn block(signal: Signal) -> Result<SigSet, Failure> {
    let set = SigSet::from(signal);
    set.thread_block()?;
    Ok(set)
}

fn is_pending(signal: Signal) -> Result<bool, Failure> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: it is filled in unless the call fails.
    Errno::result(unsafe { libc::sigpending(set.as_mut_ptr()) })?;
    // SAFETY: it has been.
    Ok(unsafe { libc::sigismember(set.as_ptr(), signal as i32) } == 1)
}

/// The next such signal, with its details.
fn take(set: &SigSet) -> Result<libc::siginfo_t, Failure> {
    let mut info = MaybeUninit::uninit();
    // SAFETY: both outlive the call.
    Errno::result(unsafe { libc::sigwaitinfo(set.as_ref(), info.as_mut_ptr()) })?;
    // SAFETY: it has been filled in.
    Ok(unsafe { info.assume_init() })
}

/// Returns once what was written before has been told: a kernel may tell a moment after the write,
/// but tells in order.
fn settle() -> Outcome {
    let set = block(Signal::SIGUSR1)?;
    let (here, there) = pair()?;
    set_owner_thread(here.as_fd())?;
    control(here.as_fd(), SETSIG, libc::SIGUSR1)?;
    turn(here.as_fd(), true)?;
    write(&there, b"x")?;
    take(&set)?;
    // Or its end would be told, too, and taken for the next one's.
    turn(here.as_fd(), false)?;
    Ok(())
}

/// Makes the calling thread the owner.
fn set_owner_thread(file: BorrowedFd) -> nix::Result<OwnerEx> {
    let owner = OwnerEx {
        kind: THREAD,
        number: gettid().as_raw(),
    };
    // SAFETY: it outlives the call.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), SETOWN_EX, &raw const owner) })?;
    Ok(owner)
}

/// Whether a signal has come, or comes for what was done before.
fn comes(signal: Signal) -> Result<bool, Failure> {
    settle()?;
    is_pending(signal)
}

fn socket() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (here, there) = pair()?;
    set_owner(here.as_fd(), getpid().as_raw())?;
    write(&there, b"not yet")?;
    ensure!(!comes(Signal::SIGIO)?, "a signal before FIOASYNC");
    read(&here, &mut [0; 10])?;
    turn(here.as_fd(), true)?;
    for _ in 0..3 {
        write(&there, b"x")?;
        ensure_eq!(take(&set)?.si_signo, libc::SIGIO);
    }
    let flags = OFlag::from_bits_retain(fcntl(&here, FcntlArg::F_GETFL)?);
    ensure!(flags.contains(OFlag::O_ASYNC));
    drop(there);
    ensure_eq!(take(&set)?.si_signo, libc::SIGIO);
    Ok(())
}

fn tcp() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    set_owner(listener.as_fd(), getpid().as_raw())?;
    turn(listener.as_fd(), true)?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    ensure_eq!(take(&set)?.si_signo, libc::SIGIO);
    let (server, _) = listener.accept()?;
    turn(listener.as_fd(), false)?;
    set_owner(server.as_fd(), getpid().as_raw())?;
    turn(server.as_fd(), true)?;
    client.write_all(b"hello")?;
    ensure_eq!(take(&set)?.si_signo, libc::SIGIO);
    Ok(())
}

fn pipe_reader() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (reader, writer) = pipe()?;
    set_owner(reader.as_fd(), getpid().as_raw())?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_ASYNC))?;
    write(&writer, b"x")?;
    take(&set)?;
    read(&reader, &mut [0; 10])?;
    ensure!(!comes(Signal::SIGIO)?, "a reader was told of room");
    drop(writer);
    take(&set)?;
    Ok(())
}

fn pipe_writer() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (reader, writer) = pipe()?;
    set_owner(writer.as_fd(), getpid().as_raw())?;
    fcntl(
        &writer,
        FcntlArg::F_SETFL(OFlag::O_ASYNC | OFlag::O_NONBLOCK),
    )?;
    while write(&writer, &[0; 4096]).is_ok() {}
    ensure!(!comes(Signal::SIGIO)?, "a writer was told of bytes");
    while read(&reader, &mut [0; 4096])? == 4096 && !comes(Signal::SIGIO)? {}
    take(&set)?;
    Ok(())
}

fn details() -> Outcome {
    let set = block(Signal::SIGUSR2)?;
    let (here, there) = pair()?;
    ensure_eq!(control(here.as_fd(), GETSIG, 0)?, 0);
    control(here.as_fd(), SETSIG, libc::SIGUSR2)?;
    ensure_eq!(control(here.as_fd(), GETSIG, 0)?, libc::SIGUSR2);
    set_owner(here.as_fd(), getpid().as_raw())?;
    turn(here.as_fd(), true)?;
    write(&there, b"x")?;
    let info = take(&set)?;
    const POLL_IN: i32 = 1;
    ensure_eq!(info.si_code, POLL_IN);
    // After three numbers and padding come si_band, a long, and si_fd.
    let words = (&raw const info).cast::<i64>();
    // SAFETY: both lie inside of `info`, which the kernel has filled in.
    let (band, fd) = unsafe { (words.add(2).read(), words.add(3).read() as i32) };
    ensure_eq!(band & i64::from(libc::POLLIN), i64::from(libc::POLLIN));
    ensure_eq!(fd, here.as_raw_fd());
    Ok(())
}

/// The whole group of a negative owner hears it.
fn group() -> Outcome {
    let (here, there) = pair()?;
    let (ready, is_ready) = pipe()?;
    block(Signal::SIGIO)?;
    let listeners = [(); 2].map(|()| {
        child(|| {
            let _ = write(&is_ready, b"r");
            status_of(take(&SigSet::from(Signal::SIGIO)).map(drop))
        })
    });
    let [first, second] = listeners;
    let (first, second) = (first?, second?);
    setpgid(first, first)?;
    setpgid(second, first)?;
    for _ in 0..2 {
        read(&ready, &mut [0])?;
    }
    set_owner(here.as_fd(), -first.as_raw())?;
    ensure_eq!(
        owner_ex(here.as_fd())?,
        OwnerEx {
            kind: 2,
            number: first.as_raw()
        }
    );
    turn(here.as_fd(), true)?;
    write(&there, b"x")?;
    succeeds(first)?;
    succeeds(second)?;
    ensure!(!comes(Signal::SIGIO)?, "who is not in the group was told");
    Ok(())
}

/// Whoever gets the number of a group that has ended is not the owner.
fn group_ends() -> Outcome {
    let (here, _there) = pair()?;
    let (held, hold) = pipe()?;
    let member = child(|| status_of(read(&held, &mut [0]).map(drop).map_err(Failure::from)))?;
    setpgid(member, member)?;
    set_owner(here.as_fd(), -member.as_raw())?;
    ensure_eq!(owner_ex(here.as_fd())?.number, member.as_raw());
    write(&hold, b"x")?;
    succeeds(member)?;
    ensure_eq!(control(here.as_fd(), libc::F_GETOWN, 0)?, 0);
    Ok(())
}

/// Those whom the one who set the owner could not signal are not told. What counts is who it was
/// then. Needs root.
fn strangers() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (here, there) = pair()?;
    let us = getpid().as_raw();
    turn(here.as_fd(), true)?;
    let write_as_somebody = |owned_by_root: bool| {
        child(|| {
            status_of((|| {
                if owned_by_root {
                    set_owner(here.as_fd(), us)?;
                }
                setuid(Uid::from_raw(60_123))?;
                if !owned_by_root {
                    set_owner(here.as_fd(), us)?;
                }
                write(&there, b"x")?;
                Ok(())
            })())
        })
    };
    succeeds(write_as_somebody(true)?)?;
    take(&set)?;
    succeeds(write_as_somebody(false)?)?;
    ensure!(!comes(Signal::SIGIO)?, "somebody has signalled root");
    ensure_eq!(control(here.as_fd(), libc::F_GETOWN, 0)?, us);
    Ok(())
}

fn owner_ex(file: BorrowedFd) -> nix::Result<OwnerEx> {
    let mut owner = OwnerEx {
        kind: -1,
        number: -1,
    };
    // SAFETY: it outlives the call.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), GETOWN_EX, &raw mut owner) })?;
    Ok(owner)
}

/// One thread alone may be the owner.
fn thread() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (here, there) = pair()?;
    let owner = set_owner_thread(here.as_fd())?;
    ensure_eq!(owner_ex(here.as_fd())?, owner);
    turn(here.as_fd(), true)?;
    let elsewhere = std::thread::spawn(move || {
        write(&there, b"x")?;
        comes(Signal::SIGIO).map(|comes| (comes, there))
    });
    let joined = elsewhere.join().map_err(|_| Failure("the thread".into()))?;
    let (comes_elsewhere, _there) = joined?;
    ensure!(!comes_elsewhere, "another thread could take it");
    take(&set)?;
    Ok(())
}

fn off() -> Outcome {
    block(Signal::SIGIO)?;
    let (here, there) = pair()?;
    set_owner(here.as_fd(), getpid().as_raw())?;
    for turn_off in [
        |file: BorrowedFd| turn(file, false).map(drop),
        |file: BorrowedFd| fcntl(file, FcntlArg::F_SETFL(OFlag::empty())).map(drop),
    ] {
        turn(here.as_fd(), true)?;
        turn_off(here.as_fd())?;
        write(&there, b"x")?;
        ensure!(!comes(Signal::SIGIO)?);
    }
    turn(here.as_fd(), true)?;
    set_owner(here.as_fd(), 0)?;
    write(&there, b"x")?;
    ensure!(!comes(Signal::SIGIO)?, "a signal for nobody");
    Ok(())
}

/// Whichever comes last, signals come if the flag is shown, and only then.
fn on_against_off() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (here, there) = pair()?;
    set_owner(here.as_fd(), getpid().as_raw())?;
    const ROUNDS: usize = 300;
    let together = Barrier::new(2);
    let race = || -> Outcome {
        turn(here.as_fd(), true)?;
        together.wait();
        let flags = OFlag::from_bits_retain(fcntl(&here, FcntlArg::F_GETFL)?);
        write(&there, b"x")?;
        let told = comes(Signal::SIGIO)?;
        ensure_eq!(told, flags.contains(OFlag::O_ASYNC));
        read(&here, &mut [0; 10])?;
        turn(here.as_fd(), false)?;
        if told {
            take(&set)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                together.wait();
                let _ = fcntl(&here, FcntlArg::F_SETFL(OFlag::empty()));
                together.wait();
            }
        });
        let rounds = (0..ROUNDS).map(|_| {
            together.wait();
            race()
        });
        rounds.fold(Ok(()), Outcome::and)
    })
}

/// A description that nobody holds tells nobody; a duplicate keeps it.
fn outlives_no_file() -> Outcome {
    let set = block(Signal::SIGIO)?;
    let (reader, writer) = pipe()?;
    let other_reader = std::fs::File::open(format!("/proc/self/fd/{}", reader.as_raw_fd()))?;
    set_owner(reader.as_fd(), getpid().as_raw())?;
    turn(reader.as_fd(), true)?;
    let duplicate = reader.try_clone()?;
    drop(reader);
    write(&writer, b"x")?;
    take(&set)?;
    drop(duplicate);
    write(&writer, b"x")?;
    ensure!(!comes(Signal::SIGIO)?);
    drop(other_reader);
    Ok(())
}

fn owner_is_told() -> Outcome {
    let (here, _there) = pair()?;
    ensure_eq!(control(here.as_fd(), libc::F_GETOWN, 0)?, 0);
    set_owner(here.as_fd(), getpid().as_raw())?;
    ensure_eq!(control(here.as_fd(), libc::F_GETOWN, 0)?, getpid().as_raw());
    let mut owner = 0;
    const FIOGETOWN: u32 = 0x8903;
    // SAFETY: the number outlives the call.
    Errno::result(unsafe { libc::ioctl(here.as_raw_fd(), FIOGETOWN as _, &raw mut owner) })?;
    ensure_eq!(owner, getpid().as_raw());
    let short = child(|| 0)?;
    set_owner(here.as_fd(), short.as_raw())?;
    succeeds(short)?;
    ensure_eq!(control(here.as_fd(), libc::F_GETOWN, 0)?, 0);
    Ok(())
}

fn refused() -> Outcome {
    let (here, _there) = pair()?;
    let no_process = Pid::from_raw(0x3f_ffff).as_raw();
    ensure_eq!(set_owner(here.as_fd(), no_process), Err(Errno::ESRCH));
    ensure_eq!(set_owner(here.as_fd(), -no_process), Err(Errno::ESRCH));
    ensure_eq!(control(here.as_fd(), SETSIG, 65), Err(Errno::EINVAL));
    let regular = std::fs::File::open("/proc/self/exe")?;
    ensure_eq!(turn(regular.as_fd(), true), Err(Errno::ENOTTY));
    Ok(())
}

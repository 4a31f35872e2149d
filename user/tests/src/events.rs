//! Waiting for many things: poll, select, epoll, eventfd, timerfd, signalfd.

use crate::harness::{Outcome, Test, child, succeeds};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::select::{FdSet, select};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeValLike;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{pipe, read, write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("poll.sees_both_ends", poll_sees_both_ends),
    ("poll.times_out", poll_times_out),
    ("poll.wakes_sleeper", poll_wakes_sleeper),
    ("poll.hangup_and_invalid", poll_hangup_and_invalid),
    ("select.sees_ready", select_sees_ready),
    ("epoll.level", epoll_level),
    ("epoll.edge", epoll_edge),
    ("epoll.one_shot", epoll_one_shot),
    ("epoll.wakes_sleeper", epoll_wakes_sleeper),
    ("epoll.of_epoll", epoll_of_epoll),
    ("epoll.forgets_closed", epoll_forgets_closed),
    ("epoll.many", epoll_many),
    ("eventfd.counts", eventfd_counts),
    ("timerfd.expires", timerfd_expires),
    ("signalfd.reads_signal", signalfd_reads_signal),
];

fn poll_sees_both_ends() -> Outcome {
    let (reader, writer) = pipe()?;
    let look = |timeout: u8| -> nix::Result<(i32, PollFlags, PollFlags)> {
        let mut both = [
            PollFd::new(reader.as_fd(), PollFlags::POLLIN),
            PollFd::new(writer.as_fd(), PollFlags::POLLOUT),
        ];
        let count = poll(&mut both, timeout)?;
        Ok((
            count,
            both[0].revents().unwrap_or(PollFlags::all()),
            both[1].revents().unwrap_or(PollFlags::all()),
        ))
    };
    ensure_eq!(look(0)?, (1, PollFlags::empty(), PollFlags::POLLOUT));
    write(&writer, b"x")?;
    ensure_eq!(look(0)?, (2, PollFlags::POLLIN, PollFlags::POLLOUT));
    Ok(())
}

fn poll_times_out() -> Outcome {
    let (reader, _writer) = pipe()?;
    let started = Instant::now();
    ensure_eq!(
        poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)], 60_u8)?,
        0
    );
    ensure!(started.elapsed() >= Duration::from_millis(60));
    ensure_eq!(poll(&mut [], 1_u8)?, 0);
    Ok(())
}

fn poll_wakes_sleeper() -> Outcome {
    let (reader, writer) = pipe()?;
    let sender = child(|| i32::from(write(&writer, b"x") != Ok(1)))?;
    ensure_eq!(
        poll(
            &mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)],
            PollTimeout::NONE
        )?,
        1
    );
    succeeds(sender)
}

fn poll_hangup_and_invalid() -> Outcome {
    let (reader, writer) = pipe()?;
    drop(writer);
    let mut one = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    ensure_eq!(poll(&mut one, PollTimeout::NONE)?, 1);
    ensure!(
        one[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLHUP))
    );
    let mut raw = libc::pollfd {
        fd: 999,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd that outlives the call.
    ensure_eq!(unsafe { libc::poll(&raw mut raw, 1, -1) }, 1);
    ensure_eq!(raw.revents, libc::POLLNVAL);
    Ok(())
}

fn select_sees_ready() -> Outcome {
    let (reader, writer) = pipe()?;
    let mut readable = FdSet::new();
    readable.insert(reader.as_fd());
    let mut none = nix::sys::time::TimeVal::milliseconds(20);
    ensure_eq!(select(None, &mut readable, None, None, &mut none)?, 0);
    ensure!(!readable.contains(reader.as_fd()));
    write(&writer, b"x")?;
    readable.insert(reader.as_fd());
    ensure_eq!(select(None, &mut readable, None, None, None)?, 1);
    ensure!(readable.contains(reader.as_fd()));
    Ok(())
}

fn watch(epoll: &Epoll, descriptor: impl AsFd, flags: EpollFlags, mark: u64) -> nix::Result<()> {
    epoll.add(descriptor, EpollEvent::new(flags, mark))
}

/// The marks that are ready now.
fn ready(epoll: &Epoll, timeout: EpollTimeout) -> nix::Result<Vec<u64>> {
    let mut events = [EpollEvent::empty(); 8];
    let count = epoll.wait(&mut events, timeout)?;
    Ok(events[..count].iter().map(EpollEvent::data).collect())
}

fn epoll_level() -> Outcome {
    let (epoll, (reader, writer)) = (Epoll::new(EpollCreateFlags::empty())?, pipe()?);
    watch(&epoll, &reader, EpollFlags::EPOLLIN, 7)?;
    ensure_eq!(ready(&epoll, EpollTimeout::ZERO)?, []);
    write(&writer, b"ab")?;
    ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [7]);
    read(&reader, &mut [0])?;
    ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [7]); // one byte is left
    read(&reader, &mut [0])?;
    ensure_eq!(ready(&epoll, EpollTimeout::ZERO)?, []);
    Ok(())
}

fn epoll_edge() -> Outcome {
    let (epoll, (reader, writer)) = (Epoll::new(EpollCreateFlags::empty())?, pipe()?);
    watch(
        &epoll,
        &reader,
        EpollFlags::EPOLLIN | EpollFlags::EPOLLET,
        1,
    )?;
    write(&writer, b"a")?;
    ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [1]);
    ensure_eq!(ready(&epoll, EpollTimeout::ZERO)?, []);
    write(&writer, b"b")?;
    ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [1]);
    Ok(())
}

fn epoll_one_shot() -> Outcome {
    let (epoll, (reader, writer)) = (Epoll::new(EpollCreateFlags::empty())?, pipe()?);
    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
    watch(&epoll, &reader, flags, 1)?;
    write(&writer, b"a")?;
    ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [1]);
    write(&writer, b"b")?;
    ensure_eq!(ready(&epoll, EpollTimeout::ZERO)?, []);
    epoll.modify(&reader, &mut EpollEvent::new(flags, 2))?;
    ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [2]);
    Ok(())
}

fn epoll_wakes_sleeper() -> Outcome {
    let (epoll, event) = (Epoll::new(EpollCreateFlags::empty())?, EventFd::new()?);
    watch(&epoll, &event, EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 3)?;
    std::thread::scope(|scope| {
        for _ in 0..300 {
            scope.spawn(|| event.write(1));
            ensure_eq!(ready(&epoll, EpollTimeout::NONE)?, [3]);
        }
        Ok(())
    })
}

fn epoll_of_epoll() -> Outcome {
    let (outer, inner) = (
        Epoll::new(EpollCreateFlags::empty())?,
        Epoll::new(EpollCreateFlags::empty())?,
    );
    let (reader, writer) = pipe()?;
    watch(&inner, &reader, EpollFlags::EPOLLIN, 1)?;
    watch(&outer, &inner.0, EpollFlags::EPOLLIN, 2)?;
    ensure_eq!(ready(&outer, EpollTimeout::ZERO)?, []);
    write(&writer, b"x")?;
    ensure_eq!(ready(&outer, EpollTimeout::NONE)?, [2]);
    Ok(())
}

fn epoll_forgets_closed() -> Outcome {
    let (epoll, (reader, writer)) = (Epoll::new(EpollCreateFlags::empty())?, pipe()?);
    watch(&epoll, &reader, EpollFlags::EPOLLIN, 1)?;
    ensure_eq!(
        watch(&epoll, &reader, EpollFlags::EPOLLIN, 1),
        Err(nix::errno::Errno::EEXIST)
    );
    write(&writer, b"x")?;
    drop(reader);
    ensure_eq!(ready(&epoll, EpollTimeout::ZERO)?, []);
    Ok(())
}

fn epoll_many() -> Outcome {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let events: Vec<EventFd> = (0..200).map(|_| EventFd::new()).collect::<Result<_, _>>()?;
    for (mark, event) in events.iter().enumerate() {
        watch(
            &epoll,
            event,
            EpollFlags::EPOLLIN | EpollFlags::EPOLLET,
            mark as u64,
        )?;
        event.write(1)?;
    }
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 200 {
        let marks = ready(&epoll, EpollTimeout::ZERO)?;
        ensure!(!marks.is_empty());
        seen.extend(marks);
    }
    Ok(())
}

fn eventfd_counts() -> Outcome {
    let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK)?;
    ensure_eq!(event.read(), Err(nix::errno::Errno::EAGAIN));
    event.write(3)?;
    event.write(4)?;
    ensure_eq!(event.read()?, 7);
    ensure_eq!(event.read(), Err(nix::errno::Errno::EAGAIN));
    Ok(())
}

fn timerfd_expires() -> Outcome {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty())?;
    let started = Instant::now();
    let pause = nix::sys::time::TimeSpec::from_duration(Duration::from_millis(30));
    timer.set(Expiration::Interval(pause), TimerSetTimeFlags::empty())?;
    timer.wait()?;
    ensure!(started.elapsed() >= Duration::from_millis(30));
    ensure_eq!(
        poll(
            &mut [PollFd::new(timer.as_fd(), PollFlags::POLLIN)],
            PollTimeout::NONE
        )?,
        1
    );
    Ok(())
}

fn signalfd_reads_signal() -> Outcome {
    let signals = SigSet::from_iter([Signal::SIGUSR1, Signal::SIGCHLD]);
    signals.thread_block()?;
    let descriptor = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK)?;
    ensure!(descriptor.read_signal()?.is_none());
    raise(Signal::SIGUSR1)?;
    let found = descriptor.read_signal()?.ok_or("no signal")?;
    ensure_eq!(found.ssi_signo, Signal::SIGUSR1 as u32);
    let ended = child(|| 3)?;
    ensure_eq!(
        poll(
            &mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)],
            PollTimeout::NONE
        )?,
        1
    );
    let found = descriptor.read_signal()?.ok_or("no signal")?;
    ensure_eq!(
        (found.ssi_signo, found.ssi_pid),
        (Signal::SIGCHLD as u32, ended.as_raw() as u32)
    );
    nix::sys::wait::waitpid(ended, None)?;
    Ok(())
}

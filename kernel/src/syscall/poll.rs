//! Pipes, event files, and waiting for readiness: poll, select, epoll.

use super::Calls;
use super::time::TimeSpec;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::epoll::{Epoll, Request};
use crate::fs::eventfd::EventFd;
use crate::fs::signalfd::SignalFd;
use crate::fs::timerfd::{Clock, Setting, TimerFd};
use crate::fs::{Fd, File, OpenFile, OpenFlags, PollEvents, downcast, pipe, poll};
use crate::process::{SignalSet, current, signal::with_temporary_mask};
use crate::time;
use crate::user_memory::{UserPtr, copy_in, copy_out, plain};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_pipe2 as usize, pipe2),
    (__NR_eventfd2 as usize, eventfd2),
    (__NR_timerfd_create as usize, timerfd_create),
    (__NR_timerfd_settime as usize, timerfd_settime),
    (__NR_timerfd_gettime as usize, timerfd_gettime),
    (__NR_signalfd4 as usize, signalfd4),
    (__NR_ppoll as usize, ppoll),
    (__NR_pselect6 as usize, pselect6),
    (__NR_epoll_create1 as usize, epoll_create1),
    (__NR_epoll_ctl as usize, epoll_ctl),
    (__NR_epoll_pwait as usize, epoll_pwait),
    (__NR_epoll_pwait2 as usize, epoll_pwait2),
];

/// The flags of calls that make a descriptor; `EINVAL` for others than close-on-exec, non-blocking
/// and `more`.
fn creation_flags(bits: usize, more: u32) -> Result<OpenFlags> {
    let known = (OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).bits() | more;
    let bits = bits as u32;
    if bits & !known != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(OpenFlags::from_bits_truncate(bits) & (OpenFlags::CLOEXEC | OpenFlags::NONBLOCK))
}

fn insert(file: Arc<OpenFile>, flags: OpenFlags) -> Result<usize> {
    let fd = current()
        .files()
        .insert(file, flags.contains(OpenFlags::CLOEXEC))?;
    Ok(fd as usize)
}

/// The file of a descriptor as the type that the call is about; `wrong` if it is another.
fn file_as<T: File>(fd: usize, wrong: Errno) -> Result<Arc<T>> {
    downcast(current().files().get(fd as Fd)?.file()).ok_or(wrong)
}

fn pipe2(registers: &mut TrapFrame) -> Result<usize> {
    let flags = creation_flags(registers.argument(1), 0)?;
    let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
    let (reader, writer) = pipe::new(flags - OpenFlags::CLOEXEC);
    let files = current().files();
    let reader_fd = files.insert(reader, close_on_exec)?;
    let writer_fd = match files.insert(writer, close_on_exec) {
        Ok(fd) => fd,
        Err(error) => {
            drop(files.remove(reader_fd));
            return Err(error);
        }
    };
    let written = UserPtr::<[u32; 2]>::new(registers.argument(0)).write([reader_fd, writer_fd]);
    if let Err(error) = written {
        drop(files.remove(reader_fd));
        drop(files.remove(writer_fd));
        return Err(error);
    }
    Ok(0)
}

fn eventfd2(registers: &mut TrapFrame) -> Result<usize> {
    let flags = creation_flags(registers.argument(1), EFD_SEMAPHORE)?;
    let semaphore = registers.argument(1) as u32 & EFD_SEMAPHORE != 0;
    let initial = u64::from(registers.argument(0) as u32);
    insert(
        EventFd::open(initial, semaphore, flags - OpenFlags::CLOEXEC),
        flags,
    )
}

/// `struct itimerspec`.
#[repr(C)]
#[derive(Clone, Copy)]
struct TimerSpec {
    interval: TimeSpec,
    value: TimeSpec,
}
plain!(TimerSpec);

impl TimerSpec {
    fn from_setting(setting: Setting) -> Self {
        Self {
            interval: TimeSpec::from_ns(setting.interval_ns),
            value: TimeSpec::from_ns(setting.value_ns),
        }
    }

    fn setting(self) -> Result<Setting> {
        Ok(Setting {
            interval_ns: self.interval.to_ns()?,
            value_ns: self.value.to_ns()?,
        })
    }
}

fn timerfd_create(registers: &mut TrapFrame) -> Result<usize> {
    let clock = match registers.argument(0) as u32 {
        CLOCK_REALTIME => Clock::Real,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Clock::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    let flags = creation_flags(registers.argument(1), 0)?;
    insert(TimerFd::open(clock, flags - OpenFlags::CLOEXEC), flags)
}

/// Not there: TFD_TIMER_CANCEL_ON_SET (`EINVAL`).
fn timerfd_settime(registers: &mut TrapFrame) -> Result<usize> {
    let flags = registers.argument(1) as u32;
    if flags & !TFD_TIMER_ABSTIME != 0 {
        return Err(Errno::EINVAL);
    }
    let setting = UserPtr::<TimerSpec>::new(registers.argument(2))
        .read()?
        .setting()?;
    let timer = file_as::<TimerFd>(registers.argument(0), Errno::EINVAL)?;
    let old = timer.set(setting, flags & TFD_TIMER_ABSTIME != 0);
    if let Some(pointer) = UserPtr::<TimerSpec>::new(registers.argument(3)).optional() {
        pointer.write(TimerSpec::from_setting(old))?;
    }
    Ok(0)
}

fn timerfd_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let timer = file_as::<TimerFd>(registers.argument(0), Errno::EINVAL)?;
    UserPtr::new(registers.argument(1)).write(TimerSpec::from_setting(timer.setting()))?;
    Ok(0)
}

fn check_set_size(size: usize) -> Result<()> {
    if size == size_of::<SignalSet>() {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn signalfd4(registers: &mut TrapFrame) -> Result<usize> {
    check_set_size(registers.argument(2))?;
    let flags = creation_flags(registers.argument(3), 0)?;
    let wanted = UserPtr::<SignalSet>::new(registers.argument(1)).read()?;
    let fd = registers.argument(0) as i32;
    if fd == -1 {
        return insert(SignalFd::open(wanted, flags - OpenFlags::CLOEXEC), flags);
    }
    file_as::<SignalFd>(fd as usize, Errno::EINVAL)?.set_wanted(wanted);
    Ok(fd as usize)
}

/// A call's time limit that lives in user memory: what is left is written back (ppoll, pselect6).
struct Timeout {
    pointer: UserPtr<TimeSpec>,
    /// Monotonic; `None`: no limit.
    deadline_ns: Option<u64>,
}

impl Timeout {
    fn read(address: usize) -> Result<Self> {
        let pointer = UserPtr::<TimeSpec>::new(address);
        let limit = pointer
            .optional()
            .map(|pointer| pointer.read()?.to_ns())
            .transpose()?;
        let deadline_ns = limit.map(|ns| {
            if ns == 0 {
                0
            } else {
                time::monotonic_ns().saturating_add(ns)
            }
        });
        Ok(Self {
            pointer,
            deadline_ns,
        })
    }

    /// Also makes the call go on with the rest of its time if it is restarted. A page that can be
    /// read but not written is no error, as in Linux.
    fn write_back(&self) {
        if let Some(deadline) = self.deadline_ns {
            let left = deadline.saturating_sub(time::monotonic_ns());
            let _ = self.pointer.write(TimeSpec::from_ns(left));
        }
    }
}

/// Makes `call` under the signal mask at `address`, if there is one.
fn with_mask_at<R>(address: usize, size: usize, call: impl FnOnce() -> Result<R>) -> Result<R> {
    match UserPtr::<SignalSet>::new(address).optional() {
        None => call(),
        Some(mask) => {
            check_set_size(size)?;
            with_temporary_mask(mask.read()?, call)
        }
    }
}

/// `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PollFd {
    fd: i32,
    events: u16,
    revents: u16,
}
plain!(PollFd);

fn ppoll(registers: &mut TrapFrame) -> Result<usize> {
    let (array, count) = (
        UserPtr::<PollFd>::new(registers.argument(0)),
        registers.argument(1),
    );
    let files = current().files();
    let timeout = Timeout::read(registers.argument(2))?;
    let mut entries = array.read_array(count as u32 as usize, files.limit())?;
    let mut open = Vec::new();
    open.try_reserve_exact(entries.len())
        .map_err(|_| Errno::ENOMEM)?;
    open.extend(entries.iter().map(|entry| files.get(entry.fd as Fd).ok()));
    let found = with_mask_at(registers.argument(3), registers.argument(4), || {
        let look = || Ok(look_at(&mut entries, &open));
        poll::wait_for(open.iter().flatten(), timeout.deadline_ns, look)
    });
    timeout.write_back();
    let found = found?;
    for (index, entry) in entries.iter().enumerate() {
        array.element(index).write(*entry)?;
    }
    Ok(found)
}

/// Fills in what is ready; how many entries have something.
fn look_at(entries: &mut [PollFd], open: &[Option<Arc<OpenFile>>]) -> usize {
    let mut found = 0;
    for (entry, file) in entries.iter_mut().zip(open) {
        let ready = match file {
            Some(file) => poll::ready(file, PollEvents::from_bits_truncate(entry.events.into())),
            // Negative descriptors are left out on purpose.
            None if entry.fd < 0 => PollEvents::empty(),
            None => PollEvents::NVAL,
        };
        entry.revents = ready.bits() as u16;
        found += usize::from(!ready.is_empty());
    }
    found
}

/// What each of select's three sets waits for (select(2), "Correspondence between select() and
/// poll() notifications").
const SELECTED: [PollEvents; 3] = [
    PollEvents::IN
        .union(PollEvents::RDNORM)
        .union(PollEvents::RDBAND)
        .union(PollEvents::HUP)
        .union(PollEvents::ERR),
    PollEvents::OUT
        .union(PollEvents::WRNORM)
        .union(PollEvents::WRBAND)
        .union(PollEvents::ERR),
    PollEvents::PRI,
];

/// One of select's descriptor sets: 64-bit words, as `fd_set` on 64-bit machines.
struct FdSet {
    address: usize,
    bytes: Vec<u8>,
}

impl FdSet {
    fn read(address: usize, descriptors: usize) -> Result<Self> {
        let length = if address == 0 {
            0
        } else {
            descriptors.div_ceil(64) * 8
        };
        let mut bytes = vec![0; length];
        copy_in(address, &mut bytes)?;
        Ok(Self { address, bytes })
    }

    fn contains(&self, fd: usize) -> bool {
        self.bytes
            .get(fd / 8)
            .is_some_and(|byte| byte >> (fd % 8) & 1 == 1)
    }

    fn clear(&mut self) {
        self.bytes.fill(0);
    }

    fn insert(&mut self, fd: usize) {
        self.bytes[fd / 8] |= 1 << (fd % 8);
    }

    fn write(&self) -> Result<()> {
        if self.address == 0 {
            Ok(())
        } else {
            copy_out(self.address, &self.bytes)
        }
    }
}

/// A descriptor in any of the sets.
struct Selected {
    fd: usize,
    file: Arc<OpenFile>,
    /// In which sets it is, and in which it was last seen ready.
    sets: [bool; 3],
    ready: [bool; 3],
}

impl Selected {
    /// Looks; in how many sets it is ready.
    fn look(&mut self) -> usize {
        let wanted = |index: usize| {
            if self.sets[index] {
                SELECTED[index]
            } else {
                PollEvents::empty()
            }
        };
        let ready = poll::ready(&self.file, wanted(0) | wanted(1) | wanted(2));
        self.ready =
            core::array::from_fn(|index| self.sets[index] && ready.intersects(SELECTED[index]));
        self.ready.iter().filter(|&&ready| ready).count()
    }
}

fn pselect6(registers: &mut TrapFrame) -> Result<usize> {
    let descriptors = usize::try_from(registers.argument(0) as i32).map_err(|_| Errno::EINVAL)?;
    let descriptors = descriptors.min(current().files().limit());
    let mut sets = Vec::new();
    for index in 1..=3 {
        sets.push(FdSet::read(registers.argument(index), descriptors)?);
    }
    let timeout = Timeout::read(registers.argument(4))?;
    // The sixth argument points to the mask's address and size.
    let mask = UserPtr::<[usize; 2]>::new(registers.argument(5))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let [mask, mask_size] = mask.unwrap_or_default();
    let mut selected = select_from(&sets, descriptors)?;
    let files: Vec<_> = selected.iter().map(|one| one.file.clone()).collect();
    let found = with_mask_at(mask, mask_size, || {
        let look = || Ok(selected.iter_mut().map(Selected::look).sum());
        poll::wait_for(files.iter(), timeout.deadline_ns, look)
    });
    timeout.write_back();
    let found = found?;
    for (index, set) in sets.iter_mut().enumerate() {
        set.clear();
        selected
            .iter()
            .filter(|one| one.ready[index])
            .for_each(|one| set.insert(one.fd));
        set.write()?;
    }
    Ok(found)
}

/// The open files of the sets; `EBADF` if one is not open.
fn select_from(sets: &[FdSet], descriptors: usize) -> Result<Vec<Selected>> {
    let files = current().files();
    let mut selected = Vec::new();
    for fd in 0..descriptors {
        let within = core::array::from_fn(|index| sets[index].contains(fd));
        if within != [false; 3] {
            selected.push(Selected {
                fd,
                file: files.get(fd as Fd)?,
                sets: within,
                ready: [false; 3],
            });
        }
    }
    Ok(selected)
}

fn epoll_create1(registers: &mut TrapFrame) -> Result<usize> {
    let bits = registers.argument(0);
    if bits as u32 & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    insert(Epoll::open(), OpenFlags::from_bits_truncate(bits as u32))
}

/// `struct epoll_event`: packed on x86 only.
#[repr(C)]
#[derive(Clone, Copy)]
struct EpollEvent {
    events: u32,
    /// Padding, named so that it is never left uninitialised.
    zero: u32,
    data: u64,
}
plain!(EpollEvent);

fn epoll_ctl(registers: &mut TrapFrame) -> Result<usize> {
    let (fd, operation) = (registers.argument(2) as Fd, registers.argument(1) as u32);
    let request = || {
        let event = UserPtr::<EpollEvent>::new(registers.argument(3)).read()?;
        Ok::<_, Errno>(Request::new(event.events, event.data))
    };
    let file = current().files().get(fd)?;
    let epoll = file_as::<Epoll>(registers.argument(0), Errno::EINVAL)?;
    match operation {
        EPOLL_CTL_ADD => epoll.add(fd, &file, request()?)?,
        EPOLL_CTL_MOD => epoll.modify(fd, &file, request()?)?,
        EPOLL_CTL_DEL => epoll.remove(fd, &file)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn epoll_pwait(registers: &mut TrapFrame) -> Result<usize> {
    let deadline = match registers.argument(3) as i32 {
        0 => Some(0),
        ms if ms < 0 => None,
        ms => Some(time::monotonic_ns() + ms as u64 * 1_000_000),
    };
    epoll_wait(registers, deadline)
}

fn epoll_pwait2(registers: &mut TrapFrame) -> Result<usize> {
    let deadline = Timeout::read(registers.argument(3))?.deadline_ns;
    epoll_wait(registers, deadline)
}

fn epoll_wait(registers: &TrapFrame, deadline_ns: Option<u64>) -> Result<usize> {
    /// So many events fill `INT_MAX` bytes (epoll_wait(2)).
    const MOST: usize = i32::MAX as usize / size_of::<EpollEvent>();
    let events = UserPtr::<EpollEvent>::new(registers.argument(1));
    let limit = registers.argument(2) as i32;
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=MOST).contains(limit))
        .ok_or(Errno::EINVAL)?;
    let epoll = file_as::<Epoll>(registers.argument(0), Errno::EINVAL)?;
    with_mask_at(registers.argument(4), registers.argument(5), || {
        epoll.wait(limit, deadline_ns, |index, ready, data| {
            events.element(index).write(EpollEvent {
                events: ready.bits(),
                zero: 0,
                data,
            })
        })
    })
}

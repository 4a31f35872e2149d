//! Pipes, event files, and waiting for readiness: poll, select, epoll.

mod descriptors;
mod epoll;
mod ppoll;
mod select;
mod timer;

use super::Calls;
use super::time::TimeSpec;
use crate::error::{Errno, Result};
use crate::fs::{Fd, File, OpenFile, OpenFlags, downcast};
use crate::process::signal::with_temporary_mask;
use crate::process::{SignalSet, current};
use crate::time;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_pipe2 as usize, descriptors::pipe2),
    (__NR_eventfd2 as usize, descriptors::eventfd2),
    (__NR_timerfd_create as usize, timer::timerfd_create),
    (__NR_timerfd_settime as usize, timer::timerfd_settime),
    (__NR_timerfd_gettime as usize, timer::timerfd_gettime),
    (__NR_signalfd4 as usize, descriptors::signalfd4),
    (__NR_ppoll as usize, ppoll::ppoll),
    (__NR_pselect6 as usize, select::pselect6),
    (__NR_epoll_create1 as usize, epoll::epoll_create1),
    (__NR_epoll_ctl as usize, epoll::epoll_ctl),
    (__NR_epoll_pwait as usize, epoll::epoll_pwait),
    (__NR_epoll_pwait2 as usize, epoll::epoll_pwait2),
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
    downcast(current().file(fd as Fd)?.file()).ok_or(wrong)
}

fn check_set_size(size: usize) -> Result<()> {
    if size == size_of::<SignalSet>() {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
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

//! epoll(7).

use super::{Timeout, file_as, insert, with_mask_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::epoll::{Epoll, Request};
use crate::fs::{Fd, OpenFlags};
use crate::process::current;
use crate::time;
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::*;

pub fn epoll_create1(registers: &mut TrapFrame) -> Result<usize> {
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

pub fn epoll_ctl(registers: &mut TrapFrame) -> Result<usize> {
    let (fd, operation) = (registers.argument(2) as Fd, registers.argument(1) as u32);
    let request = || {
        let event = UserPtr::<EpollEvent>::new(registers.argument(3)).read()?;
        Ok::<_, Errno>(Request::new(event.events, event.data))
    };
    let file = current().file(fd)?;
    let epoll = file_as::<Epoll>(registers.argument(0), Errno::EINVAL)?;
    match operation {
        EPOLL_CTL_ADD => epoll.add(fd, &file, request()?)?,
        EPOLL_CTL_MOD => epoll.modify(fd, &file, request()?)?,
        EPOLL_CTL_DEL => epoll.remove(fd, &file)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

pub fn epoll_pwait(registers: &mut TrapFrame) -> Result<usize> {
    let deadline = match registers.argument(3) as i32 {
        0 => Some(0),
        ms if ms < 0 => None,
        ms => Some(time::monotonic_ns() + ms as u64 * 1_000_000),
    };
    epoll_wait(registers, deadline)
}

pub fn epoll_pwait2(registers: &mut TrapFrame) -> Result<usize> {
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

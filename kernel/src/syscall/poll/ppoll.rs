//! poll(2), by an array of descriptors.

use super::{Timeout, with_mask_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Fd, OpenFile, PollEvents, poll};
use crate::process::current;
use crate::user_memory::{UserPtr, plain};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PollFd {
    fd: i32,
    events: u16,
    revents: u16,
}

plain!(PollFd);

pub fn ppoll(registers: &mut TrapFrame) -> Result<usize> {
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

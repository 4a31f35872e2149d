//! Another process's memory: process_vm_readv, process_vm_writev.

use super::Fault;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::inspect::Ids;
use crate::process::{current, process_by_pid};
use crate::user_memory::{Sink, Source, UserSlice, read_iovecs};
use alloc::sync::Arc;
use alloc::vec;
use mm::{AddressSpace, PAGE_SIZE};

/// process_vm_readv(2).
pub fn process_vm_readv(registers: &mut TrapFrame) -> Result<usize> {
    let call = Call::parse(registers)?;
    let mut sink = Sink::user_vectors(&call.local);
    let mut buffer = vec![0; PAGE_SIZE];
    let room = sink.remaining();
    each_piece(&call.remote, room, |address, length| {
        call.memory
            .read(address, &mut buffer[..length])
            .map_err(bad_address)?;
        sink.put(&buffer[..length])
    })
}

/// process_vm_writev(2).
pub fn process_vm_writev(registers: &mut TrapFrame) -> Result<usize> {
    let call = Call::parse(registers)?;
    let mut source = Source::user_vectors(&call.local);
    let mut buffer = vec![0; PAGE_SIZE];
    let room = source.remaining();
    each_piece(&call.remote, room, |address, length| {
        let taken = source.take(&mut buffer[..length])?;
        call.memory
            .write(address, &buffer[..taken])
            .map_err(bad_address)?;
        Ok(taken)
    })
}

struct Call {
    memory: Arc<AddressSpace>,
    local: vec::Vec<UserSlice>,
    remote: vec::Vec<UserSlice>,
}

impl Call {
    fn parse(registers: &TrapFrame) -> Result<Self> {
        let [pid, local, local_count, remote, remote_count, flags] =
            core::array::from_fn(|index| registers.argument(index));
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let local = read_iovecs(local, local_count)?;
        let remote = read_iovecs(remote, remote_count)?;
        let target = process_by_pid(pid as u32)?;
        let task = target.first_thread().ok_or(Errno::ESRCH)?;
        // First, so that what is asked of the process holds for this memory, not for that of a
        // program it has executed meanwhile.
        let memory = target.memory().ok_or(Errno::ESRCH)?;
        if !current().may_inspect(&task, Ids::Real) {
            return Err(Errno::EPERM);
        }
        Ok(Self {
            memory,
            local,
            remote,
        })
    }
}

/// Moves up to `room` bytes of `remote` in pieces that stay in a page. What was moved before an
/// error counts.
fn each_piece(
    remote: &[UserSlice],
    room: usize,
    mut piece: impl FnMut(usize, usize) -> Result<usize>,
) -> Result<usize> {
    let mut moved = 0;
    for slice in remote {
        let mut done = 0;
        while done < slice.length && moved < room {
            let address = slice.address.checked_add(done).ok_or(Errno::EFAULT)?;
            let length = (PAGE_SIZE - address % PAGE_SIZE)
                .min(slice.length - done)
                .min(room - moved);
            match piece(address, length) {
                Ok(0) => return Ok(moved),
                Ok(count) => {
                    done += count;
                    moved += count;
                }
                Err(error) if moved == 0 => return Err(error),
                Err(_) => return Ok(moved),
            }
        }
    }
    Ok(moved)
}

fn bad_address(fault: Fault) -> Errno {
    match fault {
        Fault::OutOfMemory => Errno::ENOMEM,
        _ => Errno::EFAULT,
    }
}

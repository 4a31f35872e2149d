//! rseq(2) and membarrier(2): what lets user code do without locks and barriers.

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{current, membarrier, rseq};
use linux_raw_sys::general::{__NR_membarrier, __NR_rseq};

pub const CALLS: &Calls = &[
    (__NR_rseq as usize, rseq_call),
    (__NR_membarrier as usize, membarrier_call),
];

const UNREGISTER: u32 = 1;

fn rseq_call(registers: &mut TrapFrame) -> Result<usize> {
    let argument = |index| registers.argument(index);
    let (address, length, signature) = (argument(0), argument(1) as u32, argument(3) as u32);
    match argument(2) as u32 {
        0 => rseq::register(address, length, signature)?,
        UNREGISTER => rseq::unregister(address, length, signature)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

// The commands of membarrier(2): what is asked for, and, a bit higher, its registration.
const QUERY: u32 = 0;
const GLOBAL: u32 = 1 << 0;
const GLOBAL_EXPEDITED: u32 = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: u32 = 1 << 2;
const PRIVATE_EXPEDITED: u32 = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: u32 = 1 << 4;
const PRIVATE_EXPEDITED_SYNC_CORE: u32 = 1 << 5;
const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: u32 = 1 << 6;
const PRIVATE_EXPEDITED_RSEQ: u32 = 1 << 7;
const REGISTER_PRIVATE_EXPEDITED_RSEQ: u32 = 1 << 8;
const SUPPORTED: u32 = (1 << 9) - 1;

fn membarrier_call(registers: &mut TrapFrame) -> Result<usize> {
    let (command, flags) = (registers.argument(0) as u32, registers.argument(1) as u32);
    // MEMBARRIER_CMD_FLAG_CPU, to restart sections on one CPU only, is not here.
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let current = current();
    let registered = &current.process().membarrier;
    match command {
        QUERY => return Ok(SUPPORTED as usize),
        // A superset: who has not registered gets a barrier as well.
        GLOBAL | GLOBAL_EXPEDITED => membarrier::everywhere(),
        REGISTER_GLOBAL_EXPEDITED
        | REGISTER_PRIVATE_EXPEDITED
        | REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
        | REGISTER_PRIVATE_EXPEDITED_RSEQ => registered.add(command),
        PRIVATE_EXPEDITED | PRIVATE_EXPEDITED_SYNC_CORE | PRIVATE_EXPEDITED_RSEQ => {
            if !registered.has(command << 1) {
                return Err(Errno::EPERM);
            }
            membarrier::in_process(&current);
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

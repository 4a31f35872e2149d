//! sched_setattr(2) and sched_getattr(2): a struct that grew, told apart by its size.

use super::named;
use super::policy::{Request, encode};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::Task;
use crate::user_memory::{UserPtr, copy_in, copy_out};
use linux_raw_sys::general::*;

/// `struct sched_attr` as first published, and with the utilization clamps it has since.
const FIRST_SIZE: usize = 48;
const SIZE: usize = 56;
const PAGE: usize = 4096;

/// The bytes of a `struct sched_attr`, by the offsets of its fields.
struct Attributes([u8; SIZE]);

impl Attributes {
    const POLICY: usize = 4;
    const FLAGS: usize = 8;
    const NICE: usize = 16;
    const PRIORITY: usize = 20;

    fn word(&self, offset: usize) -> u32 {
        let bytes = core::array::from_fn(|n| self.0[offset + n]);
        u32::from_ne_bytes(bytes)
    }

    fn set_word(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    }

    /// The flags; no bit above the first word is known.
    fn flags(&self) -> Result<u32> {
        let (low, high) = (self.word(Self::FLAGS), self.word(Self::FLAGS + 4));
        if high != 0 || low & !SCHED_FLAG_ALL != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(low)
    }

    /// Reads as many bytes as the caller says its struct has. What this kernel does not know must
    /// be 0; if it is not, the size that is known is written back and the error is `E2BIG`.
    fn read(address: usize) -> Result<Self> {
        let told = UserPtr::<u32>::new(address);
        let size = match told.read()? as usize {
            0 => FIRST_SIZE,
            size => size,
        };
        let mut attributes = Self([0; SIZE]);
        let fits = (FIRST_SIZE..=PAGE).contains(&size);
        if !fits || !rest_is_zero(address, size)? {
            let _ = told.write(SIZE as u32);
            return Err(Errno::E2BIG);
        }
        copy_in(address, &mut attributes.0[..size.min(SIZE)])?;
        if attributes.flags()? & SCHED_FLAG_UTIL_CLAMP != 0 {
            // As a kernel without utilization clamping; the first struct had no room for it.
            let old = size < SIZE;
            return Err(if old {
                Errno::EINVAL
            } else {
                Errno::EOPNOTSUPP
            });
        }
        Ok(attributes)
    }

    /// How `task` is scheduled.
    fn of(task: &Task) -> Self {
        let params = task.thread().params();
        let (policy, priority) = encode(params.policy);
        let mut attributes = Self([0; SIZE]);
        attributes.set_word(Self::POLICY, policy);
        attributes.set_word(Self::PRIORITY, priority);
        if priority == 0 {
            attributes.set_word(Self::NICE, i32::from(params.nice) as u32);
        }
        if task.resets_on_fork() {
            attributes.set_word(Self::FLAGS, SCHED_FLAG_RESET_ON_FORK);
        }
        attributes
    }
}

fn rest_is_zero(address: usize, size: usize) -> Result<bool> {
    let mut rest = alloc::vec![0; size.saturating_sub(SIZE)];
    copy_in(address.wrapping_add(SIZE), &mut rest)?;
    Ok(rest.iter().all(|&byte| byte == 0))
}

pub fn sched_setattr(registers: &mut TrapFrame) -> Result<usize> {
    let (pid, address) = (registers.argument(0), registers.argument(1));
    if address == 0 || (pid as i32) < 0 || registers.argument(2) as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let mut attributes = Attributes::read(address)?;
    let flags = attributes.flags()?;
    let policy = attributes.word(Attributes::POLICY);
    if (policy as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let task = named(pid)?;
    let keep = flags & SCHED_FLAG_KEEP_PARAMS != 0;
    if keep {
        attributes = Attributes::of(&task);
    }
    let nice = attributes.word(Attributes::NICE) as i32;
    let request = Request {
        policy: (flags & SCHED_FLAG_KEEP_POLICY == 0).then_some(policy),
        reset_on_fork: flags & SCHED_FLAG_RESET_ON_FORK != 0,
        priority: attributes.word(Attributes::PRIORITY),
        nice: Some(nice.clamp(-20, 19) as i8),
        keep,
    };
    request.apply(&task)
}

pub fn sched_getattr(registers: &mut TrapFrame) -> Result<usize> {
    let (pid, address) = (registers.argument(0), registers.argument(1));
    let size = registers.argument(2) as u32 as usize;
    let flags = registers.argument(3) as u32;
    let fits = (FIRST_SIZE..=PAGE).contains(&size);
    if address == 0 || (pid as i32) < 0 || !fits || flags != 0 {
        return Err(Errno::EINVAL);
    }
    let mut attributes = Attributes::of(&*named(pid)?);
    let size = size.min(SIZE);
    attributes.set_word(0, size as u32);
    copy_out(address, &attributes.0[..size])?;
    Ok(0)
}

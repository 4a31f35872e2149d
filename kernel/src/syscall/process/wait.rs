//! wait4(2) and waitid(2).

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::signal::SigInfo;
use crate::process::wait::{self, Options, Report, Which};
use crate::process::{current, pidfd};
use crate::syscall::system::resources::ResourceUsage;
use crate::user_memory::UserPtr;

// The kinds of id that waitid(2) takes.
const P_ALL: u32 = 0;
const P_PID: u32 = 1;
const P_PGID: u32 = 2;
const P_PIDFD: u32 = 3;

pub(super) fn wait4(registers: &mut TrapFrame) -> Result<usize> {
    let pid = registers.argument(0) as i32;
    let allowed = Options::NOHANG
        | Options::STOPPED
        | Options::CONTINUED
        | Options::NOTHREAD
        | Options::ALL
        | Options::CLONE;
    let options = Options::from_bits(registers.argument(2) as u32).ok_or(Errno::EINVAL)?;
    if !allowed.contains(options) {
        return Err(Errno::EINVAL);
    }
    let which = match pid {
        -1 => Which::Any,
        0 => Which::Group(current().process().group_id()),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Which::Group(pid.unsigned_abs()),
        pid => Which::Pid(pid as u32),
    };
    let Some(report) = wait::wait(&which, options | Options::EXITED)? else {
        return Ok(0);
    };
    if let Some(status) = UserPtr::<u32>::new(registers.argument(1)).optional() {
        status.write(report.status_word)?;
    }
    write_usage(registers.argument(3), &report)?;
    Ok(report.pid as usize)
}

pub(super) fn waitid(registers: &mut TrapFrame) -> Result<usize> {
    let id = registers.argument(1) as u32;
    let options = Options::from_bits(registers.argument(3) as u32).ok_or(Errno::EINVAL)?;
    if !options.intersects(Options::EXITED | Options::STOPPED | Options::CONTINUED) {
        return Err(Errno::EINVAL);
    }
    let which = match registers.argument(0) as u32 {
        P_ALL => Which::Any,
        P_PID => Which::Pid(id),
        P_PGID if id == 0 => Which::Group(current().process().group_id()),
        P_PGID => Which::Group(id),
        P_PIDFD => Which::Exactly(pidfd::process(&current().files(), id)?),
        _ => return Err(Errno::EINVAL),
    };
    let report = wait::wait(&which, options)?;
    if let Some(info) = UserPtr::<SigInfo>::new(registers.argument(2)).optional() {
        info.write(report.map_or(SigInfo::empty(), |report| report.info))?;
    }
    if let Some(report) = &report {
        write_usage(registers.argument(4), report)?;
    }
    Ok(0)
}

fn write_usage(address: usize, report: &Report) -> Result<()> {
    match UserPtr::new(address).optional() {
        Some(usage) => usage.write(ResourceUsage::of_times(report.times)),
        None => Ok(()),
    }
}

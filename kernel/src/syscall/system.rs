//! The system as a whole: memory and load, prctl, random bytes, reboot; `system/names.rs`: uname;
//! `system/resources.rs`: limits and usage.

pub mod names;
pub mod resources;

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::procfs::load;
use crate::power::End;
use crate::process::{Capabilities, Current, current, table};
use crate::user_memory::{UserPtr, plain, read_c_bytes};
use crate::{power, random, time};
use alloc::string::String;
use linux_raw_sys::general::*;
use linux_raw_sys::prctl::*;

pub const CALLS: &Calls = &[
    (__NR_uname as usize, names::uname),
    (__NR_sethostname as usize, names::sethostname),
    (__NR_setdomainname as usize, names::setdomainname),
    (__NR_sysinfo as usize, sysinfo),
    (__NR_getrusage as usize, resources::getrusage),
    (__NR_prlimit64 as usize, resources::prlimit64),
    (__NR_getrlimit as usize, resources::getrlimit),
    (__NR_setrlimit as usize, resources::setrlimit),
    (__NR_umask as usize, |registers| {
        Ok(current()
            .fs()
            .set_umask(registers.argument(0) as u16 & 0o777)
            .into())
    }),
    (__NR_prctl as usize, prctl),
    (__NR_personality as usize, personality),
    (__NR_getrandom as usize, getrandom),
    (__NR_reboot as usize, reboot),
];

/// `struct sysinfo`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SysInfo {
    uptime: u64,
    loads: [u64; 3],
    total_ram: u64,
    free_ram: u64,
    shared_ram: u64,
    buffer_ram: u64,
    total_swap: u64,
    free_swap: u64,
    processes: u16,
    pad: u16,
    pad_high: u32,
    total_high: u64,
    free_high: u64,
    unit: u32,
    end: u32,
}
plain!(SysInfo);

fn sysinfo(registers: &mut TrapFrame) -> Result<usize> {
    let memory = mm::stats();
    let info = SysInfo {
        uptime: time::monotonic_ns() / time::NANOSECONDS,
        loads: load::for_sysinfo(),
        total_ram: (memory.total_frames * mm::PAGE_SIZE) as u64,
        free_ram: (memory.free_frames * mm::PAGE_SIZE) as u64,
        shared_ram: 0,
        buffer_ram: 0,
        total_swap: 0,
        free_swap: 0,
        processes: table::count() as u16,
        pad: 0,
        pad_high: 0,
        total_high: 0,
        free_high: 0,
        unit: 1,
        end: 0,
    };
    UserPtr::new(registers.argument(0)).write(info)?;
    Ok(0)
}

fn prctl(registers: &mut TrapFrame) -> Result<usize> {
    const LAST_CAPABILITY: usize = 40;
    let argument = registers.argument(1);
    let current = current();
    match registers.argument(0) as u32 {
        PR_SET_NAME => set_name(&current, argument).map(|()| 0),
        PR_GET_NAME => get_name(&current, argument).map(|()| 0),
        PR_SET_CHILD_SUBREAPER => table::set_subreaper(current.pid(), argument != 0).map(|()| 0),
        PR_GET_CHILD_SUBREAPER => {
            UserPtr::<u32>::new(argument).write(table::is_subreaper(current.pid()).into())?;
            Ok(0)
        }
        PR_GET_DUMPABLE => Ok(current.process().is_dumpable().into()),
        PR_SET_DUMPABLE if argument <= 1 => {
            current.process().set_dumpable(argument == 1);
            Ok(0)
        }
        PR_CAPBSET_READ if argument <= LAST_CAPABILITY => Ok(1),
        PR_SET_PDEATHSIG => match argument {
            0 => table::set_parent_death_signal(current.pid(), 0).map(|()| 0),
            signal => {
                let signal = crate::process::Signal::new(signal)?;
                table::set_parent_death_signal(current.pid(), signal.number()).map(|()| 0)
            }
        },
        PR_GET_PDEATHSIG => {
            UserPtr::<u32>::new(argument)
                .write(table::parent_death_signal(current.pid()).into())?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Longer names than this are cut.
const NAME_LENGTH: usize = 15;

fn set_name(current: &Current, address: usize) -> Result<()> {
    let mut name = match read_c_bytes(address, NAME_LENGTH) {
        Err(Errno::ENAMETOOLONG) => UserPtr::<[u8; NAME_LENGTH]>::new(address).read()?.to_vec(),
        name => name?,
    };
    name.truncate(NAME_LENGTH);
    current.thread().set_name(&String::from_utf8_lossy(&name));
    crate::trace::renamed(current.thread());
    Ok(())
}

fn get_name(current: &Current, address: usize) -> Result<()> {
    let mut bytes = [0u8; NAME_LENGTH + 1];
    let name = current.thread().name();
    let length = name.len().min(NAME_LENGTH);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    UserPtr::new(address).write(bytes)
}

/// Only plain Linux: `0xffffffff` asks, 0 is what there is.
fn personality(registers: &mut TrapFrame) -> Result<usize> {
    match registers.argument(0) as u32 {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn getrandom(registers: &mut TrapFrame) -> Result<usize> {
    const FLAGS: u32 = GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE;
    let (address, length, flags) = (
        registers.argument(0),
        registers.argument(1),
        registers.argument(2) as u32,
    );
    if flags & !FLAGS != 0 || flags & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE {
        return Err(Errno::EINVAL);
    }
    let length = length.min(i32::MAX as usize);
    let mut done = 0;
    while done < length {
        let mut piece = [0; 256];
        let piece = &mut piece[..(length - done).min(256)];
        random::fill(piece);
        match crate::user_memory::copy_out(address.wrapping_add(done), piece) {
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
            Ok(()) => done += piece.len(),
        }
        if crate::process::signal_pending() {
            break;
        }
    }
    Ok(done)
}

fn reboot(registers: &mut TrapFrame) -> Result<usize> {
    let [first, second, command] = [0, 1, 2].map(|index| registers.argument(index) as u32);
    if !current().credentials().has(Capabilities::SYS_BOOT) {
        return Err(Errno::EPERM);
    }
    let magic = [
        LINUX_REBOOT_MAGIC2,
        LINUX_REBOOT_MAGIC2A,
        LINUX_REBOOT_MAGIC2B,
        LINUX_REBOOT_MAGIC2C,
    ];
    if first != LINUX_REBOOT_MAGIC1 || !magic.contains(&second) {
        return Err(Errno::EINVAL);
    }
    match command {
        LINUX_REBOOT_CMD_POWER_OFF => power::end(End::PowerOff),
        LINUX_REBOOT_CMD_RESTART | LINUX_REBOOT_CMD_RESTART2 => power::end(End::Restart),
        LINUX_REBOOT_CMD_HALT => power::end(End::Halt),
        // There is no Ctrl-Alt-Del to switch.
        LINUX_REBOOT_CMD_CAD_ON | LINUX_REBOOT_CMD_CAD_OFF => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

const LINUX_REBOOT_MAGIC1: u32 = 0xfee1_dead;

const LINUX_REBOOT_MAGIC2: u32 = 672_274_793;

const LINUX_REBOOT_MAGIC2A: u32 = 85_072_278;

const LINUX_REBOOT_MAGIC2B: u32 = 369_367_448;

const LINUX_REBOOT_MAGIC2C: u32 = 537_993_216;

const LINUX_REBOOT_CMD_RESTART: u32 = 0x0123_4567;

const LINUX_REBOOT_CMD_RESTART2: u32 = 0xa1b2_c3d4;

const LINUX_REBOOT_CMD_HALT: u32 = 0xcdef_0123;

const LINUX_REBOOT_CMD_CAD_ON: u32 = 0x89ab_cdef;

const LINUX_REBOOT_CMD_CAD_OFF: u32 = 0;

const LINUX_REBOOT_CMD_POWER_OFF: u32 = 0x4321_fedc;

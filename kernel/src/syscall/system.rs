//! The system as a whole and a process's allowances: uname, limits, usage, prctl, random, reboot.

use super::Calls;
use super::time::TimeVal;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::power::{self, End};
use crate::process::rlimits::Limit;
use crate::process::{Capabilities, CpuTimes, Resource, Task, current, process_by_pid, table};
use crate::user_memory::{UserPtr, plain, read_c_bytes};
use crate::{random, time};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::*;
use linux_raw_sys::prctl::*;
use smp::SpinLock;

pub const CALLS: &Calls = &[
    (__NR_uname as usize, uname),
    (__NR_sethostname as usize, sethostname),
    (__NR_setdomainname as usize, setdomainname),
    (__NR_sysinfo as usize, sysinfo),
    (__NR_getrusage as usize, getrusage),
    (__NR_prlimit64 as usize, prlimit64),
    (__NR_getrlimit as usize, getrlimit),
    (__NR_setrlimit as usize, setrlimit),
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

const NAME_SIZE: usize = 65;

/// `struct utsname`: six names, each ended by a NUL.
type UtsName = [[u8; NAME_SIZE]; 6];

/// The Linux release whose ABI this kernel follows; programs (glibc) refuse older ones.
pub const RELEASE: &str = "6.1.0-weft";
pub const VERSION: &str = concat!("Weft ", env!("CARGO_PKG_VERSION"), " SMP");

struct Names {
    host: Vec<u8>,
    domain: Vec<u8>,
}

static NAMES: SpinLock<Names> = SpinLock::new(Names {
    host: Vec::new(),
    domain: Vec::new(),
});

/// The host's name (/proc/sys/kernel/hostname).
pub fn host_name() -> Vec<u8> {
    let name = NAMES.lock().host.clone();
    if name.is_empty() {
        b"weft".to_vec()
    } else {
        name
    }
}

fn uname(registers: &mut TrapFrame) -> Result<usize> {
    let mut names: UtsName = [[0; NAME_SIZE]; 6];
    let domain = NAMES.lock().domain.clone();
    let domain = if domain.is_empty() {
        b"(none)".to_vec()
    } else {
        domain
    };
    let all = [
        &b"Linux"[..],
        &host_name(),
        RELEASE.as_bytes(),
        VERSION.as_bytes(),
        b"aarch64",
        &domain,
    ];
    for (slot, name) in names.iter_mut().zip(all) {
        let length = name.len().min(NAME_SIZE - 1);
        slot[..length].copy_from_slice(&name[..length]);
    }
    UserPtr::new(registers.argument(0)).write(names)?;
    Ok(0)
}

fn read_name(registers: &TrapFrame) -> Result<Vec<u8>> {
    if !current().credentials().has(Capabilities::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    UserPtr::<u8>::new(registers.argument(0)).read_array(registers.argument(1), NAME_SIZE - 1)
}

fn sethostname(registers: &mut TrapFrame) -> Result<usize> {
    let name = read_name(registers)?;
    let _old = core::mem::replace(&mut NAMES.lock().host, name);
    Ok(0)
}

fn setdomainname(registers: &mut TrapFrame) -> Result<usize> {
    let name = read_name(registers)?;
    let _old = core::mem::replace(&mut NAMES.lock().domain, name);
    Ok(0)
}

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
        loads: [0; 3],
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

/// `struct rusage`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ResourceUsage {
    user: TimeVal,
    system: TimeVal,
    peak_resident_kib: i64,
    shared: [i64; 3],
    minor_faults: i64,
    major_faults: i64,
    swaps: i64,
    blocks: [i64; 2],
    messages: [i64; 2],
    signals: i64,
    voluntary: i64,
    involuntary: i64,
}
plain!(ResourceUsage);

impl ResourceUsage {
    /// Only times: what is known of a process that has ended.
    pub fn of_times(times: CpuTimes) -> Self {
        Self {
            user: TimeVal::from_ns(times.user_ns),
            system: TimeVal::from_ns(times.system_ns),
            peak_resident_kib: 0,
            shared: [0; 3],
            minor_faults: 0,
            major_faults: 0,
            swaps: 0,
            blocks: [0; 2],
            messages: [0; 2],
            signals: 0,
            voluntary: 0,
            involuntary: 0,
        }
    }
}

fn getrusage(registers: &mut TrapFrame) -> Result<usize> {
    let current = current();
    let process = current.process();
    let peak_pages = current.memory().usage().peak_resident_pages;
    let mut switches = (0, 0);
    let mut count = |task: &Arc<Task>| {
        let stats = task.thread().stats();
        switches.0 += stats.voluntary;
        switches.1 += stats.involuntary;
    };
    let times = match registers.argument(0) as i32 {
        RUSAGE_SELF => {
            process.each_thread(count);
            process.cpu_times()
        }
        RUSAGE_CHILDREN => process.children_times(),
        RUSAGE_THREAD => {
            count(current.task());
            let stats = current.thread().stats();
            CpuTimes {
                user_ns: stats.user_ns,
                system_ns: stats.system_ns(),
            }
        }
        _ => return Err(Errno::EINVAL),
    };
    let usage = ResourceUsage {
        peak_resident_kib: (peak_pages * mm::PAGE_SIZE / 1024) as i64,
        voluntary: switches.0 as i64,
        involuntary: switches.1 as i64,
        ..ResourceUsage::of_times(times)
    };
    UserPtr::new(registers.argument(1)).write(usage)?;
    Ok(0)
}

const RUSAGE_SELF: i32 = 0;
const RUSAGE_CHILDREN: i32 = -1;
const RUSAGE_THREAD: i32 = 1;

fn prlimit64(registers: &mut TrapFrame) -> Result<usize> {
    let (pid, resource) = (registers.argument(0) as u32, registers.argument(1));
    let current = current();
    let process = if pid == 0 {
        current.process().clone()
    } else {
        process_by_pid(pid)?
    };
    let foreign = process.pid() != current.pid();
    let target = process.first_thread().ok_or(Errno::ESRCH)?.credentials();
    if foreign && !current.credentials().may_signal(&target) {
        return Err(Errno::EPERM);
    }
    let new = UserPtr::<Limit>::new(registers.argument(2))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let old = exchange_limit(&process, resource, new)?;
    if let Some(pointer) = UserPtr::new(registers.argument(3)).optional() {
        pointer.write(old)?;
    }
    Ok(0)
}

/// Reads a limit, and sets it where the subsystem that obeys it can see it.
fn exchange_limit(
    process: &crate::process::Process,
    resource: usize,
    new: Option<Limit>,
) -> Result<Limit> {
    let privileged = current().credentials().has(Capabilities::SYS_RESOURCE);
    let old = {
        let mut limits = process.limits().lock();
        let old = limits.get(resource)?;
        if let Some(new) = new {
            limits.set(resource, new, privileged)?;
        }
        old
    };
    let Some(new) = new else { return Ok(old) };
    if resource == Resource::OpenFiles as usize
        && let Some(files) = process.first_thread().and_then(|task| task.files_of())
    {
        files.set_limit(usize::try_from(new.soft).unwrap_or(usize::MAX));
    }
    if let Some(memory) = process.memory() {
        memory.set_limits(crate::process::exec::memory_limits(process));
    }
    Ok(old)
}

fn getrlimit(registers: &mut TrapFrame) -> Result<usize> {
    let limit = current()
        .process()
        .limits()
        .lock()
        .get(registers.argument(0))?;
    UserPtr::new(registers.argument(1)).write(limit)?;
    Ok(0)
}

fn setrlimit(registers: &mut TrapFrame) -> Result<usize> {
    let new = UserPtr::<Limit>::new(registers.argument(1)).read()?;
    exchange_limit(current().process(), registers.argument(0), Some(new))?;
    Ok(0)
}

fn prctl(registers: &mut TrapFrame) -> Result<usize> {
    const LAST_CAPABILITY: usize = 40;
    let argument = registers.argument(1);
    let current = current();
    match registers.argument(0) as u32 {
        PR_SET_NAME => {
            let mut name = match read_c_bytes(argument, 15) {
                Err(Errno::ENAMETOOLONG) => UserPtr::<[u8; 15]>::new(argument).read()?.to_vec(),
                name => name?,
            };
            name.truncate(15);
            current.thread().set_name(&String::from_utf8_lossy(&name));
            crate::trace::renamed(current.thread());
            Ok(0)
        }
        PR_GET_NAME => {
            let mut bytes = [0u8; 16];
            let name = current.thread().name();
            let length = name.len().min(15);
            bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
            UserPtr::new(argument).write(bytes)?;
            Ok(0)
        }
        PR_SET_CHILD_SUBREAPER => table::set_subreaper(current.pid(), argument != 0).map(|()| 0),
        PR_GET_CHILD_SUBREAPER => {
            UserPtr::<u32>::new(argument).write(table::is_subreaper(current.pid()).into())?;
            Ok(0)
        }
        PR_GET_DUMPABLE => Ok(1),
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

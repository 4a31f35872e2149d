//! The kernel's library in every program (vdso(7)): it is found as C libraries find it, and its
//! clocks are the kernel's.

use crate::harness::{Outcome, Test};
use libc::{c_int, timespec};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::ffi::CStr;
use std::mem::transmute;

pub const TESTS: &[Test] = &[
    ("vdso.in_the_map", in_the_map),
    ("vdso.clocks_agree_with_calls", clocks_agree_with_calls),
    ("vdso.other_clocks", other_clocks),
    ("vdso.resolution", resolution),
    ("vdso.follows_the_real_clock", follows_the_real_clock),
];

/// What the library of this architecture calls them (vdso(7)).
const GETTIME: &CStr = if cfg!(target_arch = "aarch64") {
    c"__kernel_clock_gettime"
} else {
    c"__vdso_clock_gettime"
};
const GETRES: &CStr = if cfg!(target_arch = "aarch64") {
    c"__kernel_clock_getres"
} else {
    c"__vdso_clock_getres"
};

type Clock = unsafe extern "C" fn(c_int, *mut timespec) -> c_int;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;

fn base() -> usize {
    // SAFETY: reads a word of the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) as usize }
}

/// Reads at `address`, which the library's own tables gave.
fn read<T: Copy>(address: usize) -> T {
    // SAFETY: inside the mapped library.
    unsafe { (address as *const T).read_unaligned() }
}

/// The address of a function, by the way every C library goes: segments, dynamic section, symbols.
///
/// The numbers are those of 64-bit ELF: in the header `e_phoff` at 32 and `e_phnum` at 56; program
/// headers of 56 bytes, `p_offset` at 8 and `p_vaddr` at 16; dynamic entries of 16 bytes, the value
/// at 8; in the hash table the number of symbols at 4; symbols of 24 bytes, `st_value` at 8.
fn function(name: &CStr) -> Option<usize> {
    let base = base();
    let segments = base + read::<u64>(base + 32) as usize;
    let segment = |kind| {
        let mut all = (0..read::<u16>(base + 56)).map(|index| segments + usize::from(index) * 56);
        all.find(|&at| read::<u32>(at) == kind)
    };
    let load = segment(PT_LOAD)?;
    let bias = base + read::<u64>(load + 8) as usize - read::<u64>(load + 16) as usize;
    let dynamic = bias + read::<u64>(segment(PT_DYNAMIC)? + 16) as usize;
    let entry = |tag| {
        let mut all = (0..).map(|index| dynamic + index * 16);
        let found = all.find(|&at| [0, tag].contains(&read::<u64>(at)))?;
        (read::<u64>(found) == tag).then(|| bias + read::<u64>(found + 8) as usize)
    };
    let (symbols, strings) = (entry(DT_SYMTAB)?, entry(DT_STRTAB)?);
    let count = read::<u32>(entry(DT_HASH)? + 4) as usize;
    let symbol = (1..count).map(|index| symbols + index * 24).find(|&at| {
        // SAFETY: a NUL-terminated string of the library's table.
        let found = unsafe { CStr::from_ptr((strings + read::<u32>(at) as usize) as *const _) };
        found == name
    })?;
    Some(bias + read::<u64>(symbol + 8) as usize)
}

fn clock(name: &CStr) -> Result<Clock, &'static str> {
    let address = function(name).ok_or("the library lacks a function")?;
    // SAFETY: the documented signature of the function of that name.
    Ok(unsafe { transmute::<usize, Clock>(address) })
}

fn in_the_map() -> Outcome {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let line = |name| {
        maps.lines()
            .find(|line| line.ends_with(name))
            .unwrap_or_default()
    };
    ensure!(
        line("[vdso]").starts_with(&format!("{:08x}-", base())),
        "{maps}"
    );
    ensure!(line("[vdso]").contains(" r-xp "), "{maps}");
    ensure!(line("[vvar]").contains(" r--p "), "{maps}");
    Ok(())
}

/// What a clock function, or the system call, says in nanoseconds.
fn ask(clock: Option<Clock>, id: c_int) -> Result<i128, c_int> {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both fill the structure.
    let status = unsafe {
        match clock {
            Some(clock) => clock(id, &mut time),
            None => libc::syscall(libc::SYS_clock_gettime, id, &mut time) as c_int,
        }
    };
    match status {
        0 => Ok(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)),
        error => Err(error),
    }
}

fn clocks_agree_with_calls() -> Outcome {
    let clock = clock(GETTIME)?;
    for id in [
        libc::CLOCK_REALTIME,
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_BOOTTIME,
    ] {
        for _ in 0..1_000 {
            let times = [ask(None, id), ask(Some(clock), id), ask(None, id)];
            ensure!(
                times.is_sorted() && times[0].is_ok(),
                "clock {id}: {times:?}"
            );
        }
    }
    Ok(())
}

fn other_clocks() -> Outcome {
    let clock = clock(GETTIME)?;
    let before = ask(None, libc::CLOCK_PROCESS_CPUTIME_ID);
    ensure!(ask(Some(clock), libc::CLOCK_PROCESS_CPUTIME_ID) >= before);
    ensure_eq!(ask(Some(clock), 99), Err(-libc::EINVAL));
    ensure_eq!(ask(Some(clock), 31), Err(-libc::EINVAL));
    Ok(())
}

fn resolution() -> Outcome {
    let resolution = clock(GETRES)?;
    ensure_eq!(ask(Some(resolution), libc::CLOCK_MONOTONIC), Ok(1));
    ensure_eq!(ask(Some(resolution), 99), Err(-libc::EINVAL));
    ensure_eq!(
        // SAFETY: the result may be left out.
        unsafe { resolution(libc::CLOCK_REALTIME, std::ptr::null_mut()) },
        0
    );
    Ok(())
}

/// Ten minutes ahead and back, as far as this caller may set the clock.
fn follows_the_real_clock() -> Outcome {
    const AHEAD: i64 = 600;
    let clock = clock(GETTIME)?;
    let shift = |by| {
        let now = clock_gettime(ClockId::CLOCK_REALTIME)?;
        clock_settime(ClockId::CLOCK_REALTIME, now + TimeSpec::new(by, 0))
    };
    let before = ask(Some(clock), libc::CLOCK_REALTIME);
    match shift(AHEAD) {
        Err(nix::errno::Errno::EPERM) => return Ok(()),
        outcome => outcome?,
    }
    let times = [
        ask(None, libc::CLOCK_REALTIME),
        ask(Some(clock), libc::CLOCK_REALTIME),
    ];
    shift(-AHEAD)?;
    let ahead = before.map(|before| before + i128::from(AHEAD) * 1_000_000_000);
    ensure!(
        ahead <= times[0] && times[0] <= times[1],
        "{before:?} then {times:?}"
    );
    Ok(())
}

//! `/proc/sys`: what is set and what is so.

use crate::error::{Errno, Result};
use crate::fs::file_table::MAX_LIMIT;
use crate::fs::synthetic::{Made, Table};
use crate::syscall::system::names;
use alloc::format;
use alloc::string::{String, ToString};

pub const ROOT: Table = Table(&[
    ("fs", || Made::directory(FS)),
    ("kernel", || Made::directory(KERNEL)),
    ("net", || Made::directory(NET)),
    ("vm", || Made::directory(VM)),
]);

const FS: Table = Table(&[
    ("file-max", || constant(i64::MAX)),
    ("nr_open", || constant(MAX_LIMIT)),
    ("pipe-max-size", || constant(1 << 20)),
    ("suid_dumpable", || constant(0)),
]);

const KERNEL: Table = Table(&[
    ("cap_last_cap", || constant(40)),
    ("hostname", || Made::text(hostname)),
    ("ngroups_max", || constant(65536)),
    ("osrelease", || constant(names::RELEASE)),
    ("ostype", || constant("Linux")),
    ("pid_max", || constant(1 << 20)),
    ("random", || Made::directory(RANDOM)),
    ("sched_power", sched_power),
    ("sched_rr_timeslice_ms", || {
        constant(smp::ROUND_ROBIN_TURN_NS / 1_000_000)
    }),
    ("sched_rt_period_us", || {
        Made::text(realtime_period).writable(set_realtime_period)
    }),
    ("sched_rt_runtime_us", || {
        Made::text(realtime_runtime).writable(set_realtime_runtime)
    }),
    ("threads-max", || constant(1 << 20)),
    ("version", || constant(names::VERSION)),
]);

const RANDOM: Table = Table(&[
    ("boot_id", || Made::text(boot_id)),
    ("entropy_avail", || constant(256)),
    ("poolsize", || constant(256)),
    ("uuid", || Made::text(|| Ok(uuid()))),
]);

const NET: Table = Table(&[("core", || Made::directory(NET_CORE))]);

const NET_CORE: Table = Table(&[("somaxconn", || constant(4096))]);

const VM: Table = Table(&[
    // Memory is promised without counting; who uses more than there is meets the OOM killer.
    ("max_map_count", || constant(65530)),
    ("mmap_min_addr", || constant(mm::addr::USER_START)),
    ("overcommit_memory", || constant(1)),
]);

fn constant(value: impl ToString) -> Made {
    let text = format!("{}\n", value.to_string());
    Made::text(move || Ok(text.clone()))
}

/// sched(7): the period of the limit on real-time threads.
fn realtime_period() -> Result<String> {
    Ok(format!("{}\n", smp::realtime_limit().period_ns() / 1000))
}

fn set_realtime_period(text: &[u8]) -> Result<()> {
    let us: i32 = parse(text)?;
    let ns = u64::try_from(us).map_err(|_| Errno::EINVAL)? * 1000;
    smp::realtime_limit()
        .set_period_ns(ns)
        .map_err(|_| Errno::EINVAL)
}

/// sched(7): what real-time threads may use of each period; -1 for all of it.
fn realtime_runtime() -> Result<String> {
    let runtime = smp::realtime_limit().runtime_ns();
    Ok(match runtime {
        Some(ns) => format!("{}\n", ns / 1000),
        None => "-1\n".to_string(),
    })
}

fn set_realtime_runtime(text: &[u8]) -> Result<()> {
    let runtime_ns = match parse::<i32>(text)? {
        -1 => None,
        us => Some(u64::try_from(us).map_err(|_| Errno::EINVAL)? * 1000),
    };
    smp::realtime_limit()
        .set_runtime_ns(runtime_ns)
        .map_err(|_| Errno::EINVAL)
}

fn parse<T: core::str::FromStr>(text: &[u8]) -> Result<T> {
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    text.trim().parse().map_err(|_| Errno::EINVAL)
}

fn hostname() -> Result<String> {
    Ok(format!(
        "{}\n",
        String::from_utf8_lossy(&names::host_name())
    ))
}

/// 0: threads spread over idle CPUs; 1: the slowest cluster is filled before the next is used.
fn sched_power() -> Made {
    let read = || Ok(format!("{}\n", u8::from(smp::power_saving())));
    Made::text(read).writable(|text| {
        match text.trim_ascii() {
            b"0" => smp::set_power_saving(false),
            b"1" => smp::set_power_saving(true),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    })
}

/// A random version 4 UUID (RFC 9562).
fn uuid() -> String {
    let mut bytes = [0; 16];
    crate::random::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: core::ops::Range<usize>| {
        bytes[range]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    format!(
        "{}-{}-{}-{}-{}\n",
        hex(0..4),
        hex(4..6),
        hex(6..8),
        hex(8..10),
        hex(10..16)
    )
}

/// The same until the machine is started again.
fn boot_id() -> Result<String> {
    static BOOT_ID: spin::Once<String> = spin::Once::new();
    Ok(BOOT_ID.call_once(uuid).clone())
}

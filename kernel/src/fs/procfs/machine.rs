//! Files about the whole machine: CPUs, memory, time, interrupts.

use super::stat::ticks;
use crate::error::Result;
use crate::fs::{boot, mount};
use crate::syscall::system::names;
use crate::time::{NANOSECONDS, monotonic_ns, realtime_ns};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use percpu::{CpuId, CpuSet};
use smp::{CpuStats, Phase};

/// The CPUs of the machine, running or not.
pub fn possible_cpus() -> CpuSet {
    CpuSet::first_n(crate::machine::get().cpus.len())
}

/// The statistics of the CPUs that run.
pub fn online_stats() -> Vec<(CpuId, CpuStats)> {
    smp::online_cpus()
        .iter()
        .map(|cpu| (cpu, smp::cpu_stats(cpu)))
        .collect()
}

pub fn command_line() -> Result<String> {
    Ok(format!("{}\n", crate::machine::get().command_line))
}

pub fn version() -> Result<String> {
    Ok(format!(
        "Linux version {} (weft) {}\n",
        names::RELEASE,
        names::VERSION
    ))
}

/// proc_stat(5): user nice system idle iowait irq softirq steal guest guest_nice.
pub fn stat() -> Result<String> {
    let stats = online_stats();
    let mut text = String::new();
    let mut line = |name: &str, user: u64, system: u64, idle: u64, irq: u64| {
        let (user, system, idle, irq) = (ticks(user), ticks(system), ticks(idle), ticks(irq));
        let _ = writeln!(text, "{name} {user} 0 {system} {idle} 0 {irq} 0 0 0 0");
    };
    let sum = |part: fn(&CpuStats) -> u64| stats.iter().map(|(_, stats)| part(stats)).sum::<u64>();
    line(
        "cpu ",
        sum(|s| s.user_ns),
        sum(|s| s.system_ns),
        sum(|s| s.idle_ns),
        sum(|s| s.irq_ns),
    );
    for (cpu, s) in &stats {
        line(
            &format!("cpu{cpu}"),
            s.user_ns,
            s.system_ns,
            s.idle_ns,
            s.irq_ns,
        );
    }
    let interrupts = sum(|s| s.ipis_received + s.timer_irqs) + device_interrupts();
    let running = stats
        .iter()
        .map(|(_, s)| u64::from(s.nr_ready) + u64::from(s.current.is_some()))
        .sum::<u64>();
    let boot_time = realtime_ns().saturating_sub(monotonic_ns()) / NANOSECONDS;
    let _ = writeln!(
        text,
        "intr {interrupts}\nctxt {}\nbtime {boot_time}",
        sum(CpuStats::switches)
    );
    let _ = writeln!(text, "procs_running {running}\nprocs_blocked 0");
    Ok(text)
}

/// HWCAP bits by number, as Linux names them.
const FEATURES: [&str; 32] = [
    "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp",
    "asimdhp", "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4",
    "asimddp", "sha512", "sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb",
    "paca", "pacg",
];

pub fn cpuinfo() -> Result<String> {
    let hwcap = crate::arch::features().hwcap;
    let present = FEATURES
        .iter()
        .enumerate()
        .filter(|(bit, _)| hwcap >> bit & 1 == 1);
    let features: Vec<&str> = present.map(|(_, name)| *name).collect();
    let features = features.join(" ");
    let mut text = String::new();
    for cpu in smp::online_cpus().iter() {
        let _ = writeln!(
            text,
            "processor\t: {cpu}\nFeatures\t: {features}\nCPU architecture: 8\n"
        );
    }
    Ok(text)
}

/// proc_meminfo(5). What tmpfs holds is counted as cache and as shared memory, as Linux does.
pub fn meminfo() -> Result<String> {
    const KIB: usize = mm::PAGE_SIZE / 1024;
    let stats = mm::stats();
    let shared = tmpfs_pages();
    let rows = [
        ("MemTotal", stats.total_frames),
        ("MemFree", stats.free_frames),
        ("MemAvailable", stats.free_frames),
        ("Buffers", 0),
        ("Cached", shared),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("Shmem", shared),
        ("Slab", stats.heap_frames),
        ("SReclaimable", 0),
        ("SUnreclaim", stats.heap_frames),
    ];
    Ok(rows
        .iter()
        .map(|(name, frames)| format!("{:<16}{:8} kB\n", name.to_string() + ":", frames * KIB))
        .collect())
}

/// /proc/vmstat: what of Linux's counters is known here. Nothing is paged to a disk.
pub fn vmstat() -> Result<String> {
    let stats = mm::stats();
    let rows = [
        ("nr_free_pages", stats.free_frames),
        ("nr_shmem", tmpfs_pages()),
        ("nr_slab_unreclaimable", stats.heap_frames),
        ("pgpgin", 0),
        ("pgpgout", 0),
        ("pswpin", 0),
        ("pswpout", 0),
    ];
    Ok(rows
        .iter()
        .map(|(name, count)| format!("{name} {count}\n"))
        .collect())
}

fn tmpfs_pages() -> usize {
    let mut seen = Vec::new();
    let mut pages = 0;
    for mount in mount::all() {
        let device = mount.root.id().device;
        if !seen.contains(&device) {
            seen.push(device);
            let space = mount.file_system.space();
            pages += (space.blocks - space.free_blocks) as usize;
        }
    }
    pages
}

/// Seconds since boot, and the idle time of all CPUs together.
pub fn uptime() -> Result<String> {
    const CENTISECOND: u64 = NANOSECONDS / 100;
    let up = monotonic_ns() / CENTISECOND;
    let idle = online_stats()
        .iter()
        .map(|(_, stats)| stats.idle_ns)
        .sum::<u64>()
        / CENTISECOND;
    Ok(format!(
        "{}.{:02} {}.{:02}\n",
        up / 100,
        up % 100,
        idle / 100,
        idle % 100
    ))
}

pub fn filesystems() -> Result<String> {
    Ok(boot::TYPES
        .iter()
        .map(|name| format!("nodev\t{name}\n"))
        .collect())
}

/// Threads that run or could, and all there are.
pub fn thread_counts() -> (usize, usize) {
    smp::threads().fold((0, 0), |(runnable, all), thread| {
        let is_runnable = matches!(thread.phase(), Phase::Running | Phase::Ready);
        (runnable + usize::from(is_runnable), all + 1)
    })
}

#[cfg(target_os = "none")]
fn device_interrupts() -> u64 {
    let cpus = possible_cpus().count();
    crate::irq::counts(cpus)
        .iter()
        .flat_map(|line| &line.counts)
        .map(|&count| u64::from(count))
        .sum()
}

#[cfg(not(target_os = "none"))]
fn device_interrupts() -> u64 {
    0
}

/// proc_interrupts(5): a row per line, a column per CPU.
#[cfg(target_os = "none")]
pub fn interrupts() -> Result<String> {
    let cpus = possible_cpus();
    let mut text = String::from("     ");
    for cpu in cpus.iter() {
        let _ = write!(text, "{:>11}", format!("CPU{cpu}"));
    }
    text.push('\n');
    for line in crate::irq::counts(cpus.count()) {
        let _ = write!(text, "{:4}:", line.intid);
        for count in &line.counts {
            let _ = write!(text, "{count:>11}");
        }
        let _ = writeln!(text, "  {}", line.name);
    }
    Ok(text)
}

#[cfg(not(target_os = "none"))]
pub fn interrupts() -> Result<String> {
    Ok(String::new())
}

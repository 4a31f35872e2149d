//! The tables in /proc, and the simple devices.

use crate::harness::{Failure, Outcome, Test};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;

pub const TESTS: &[Test] = &[
    ("proc.self", proc_self),
    ("proc.stat_has_each_cpu", proc_stat_has_each_cpu),
    ("proc.tables", proc_tables),
    ("proc.load_averages", load_averages_agree),
    ("file.status_through_proc", status_through_proc),
    ("dev.null_zero_random", dev_null_zero_random),
];

fn proc_self() -> Outcome {
    let own = std::process::id();
    ensure_eq!(
        fs::read_link("/proc/self")?.to_string_lossy(),
        own.to_string()
    );
    let status = fs::read_to_string("/proc/self/status")?;
    ensure!(
        status
            .lines()
            .any(|line| line.split_whitespace().eq(["Pid:", &own.to_string()]))
    );
    let command = fs::read("/proc/self/cmdline")?;
    ensure!(command.ends_with(b"\0") && !command.starts_with(b"\0"));
    let here = &raw const own as usize;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let holds = |line: &str| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(start)?..number(end)?).contains(&here))
    };
    ensure!(maps.lines().any(|line| holds(line) == Some(true)));
    let file = File::open("/dev/null")?;
    let link = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    ensure_eq!(link.to_string_lossy(), "/dev/null");
    ensure!(fs::read_dir("/proc/self/task")?.count() == 1);
    Ok(())
}

fn proc_stat_has_each_cpu() -> Outcome {
    let cpus = std::thread::available_parallelism()?.get();
    let look = || -> std::io::Result<Vec<u64>> {
        let text = fs::read_to_string("/proc/stat")?;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
        Ok(lines
            .map(|line| {
                line.split_whitespace()
                    .skip(1)
                    .take(7)
                    .filter_map(|word| word.parse::<u64>().ok())
                    .sum()
            })
            .collect())
    };
    let before = look()?;
    ensure!(
        before.len() >= cpus,
        "{} lines for {cpus} CPUs",
        before.len()
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    let after = look()?;
    ensure!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| after >= before)
    );
    ensure!(before.iter().sum::<u64>() < after.iter().sum::<u64>());
    Ok(())
}

fn proc_tables() -> Outcome {
    for (path, word) in [
        ("/proc/meminfo", "MemTotal:"),
        ("/proc/cpuinfo", "processor"),
        ("/proc/uptime", "."),
        ("/proc/loadavg", "/"),
        ("/proc/mounts", "/proc"),
        ("/proc/version", " "),
        ("/sys/devices/system/cpu/online", "0"),
    ] {
        ensure!(
            fs::read_to_string(path)?.contains(word),
            "{path} lacks {word:?}"
        );
    }
    ensure!(fs::write("/proc/uptime", "x").is_err());
    Ok(())
}

/// sysinfo(2), which uptime and htop ask, and `/proc/loadavg` tell the same.
fn load_averages_agree() -> Outcome {
    let table = || -> Result<f64, Failure> {
        let text = fs::read_to_string("/proc/loadavg")?;
        Ok(text.split(' ').next().unwrap_or("").parse()?)
    };
    // This thread is the load, until the averages have noticed it.
    while table()? == 0.0 {
        std::hint::spin_loop();
    }
    let agree = || -> Result<bool, Failure> {
        let before = table()?;
        let load = nix::sys::sysinfo::sysinfo()?.load_average().0;
        // Unless a step lay in between, they differ by what the table rounds.
        Ok(before == table()? && (load - before).abs() < 0.02)
    };
    ensure!(agree()? || agree()?, "/proc/loadavg {}", table()?);
    Ok(())
}

/// stat(2) follows /proc/self/fd to files that have no path.
fn status_through_proc() -> Outcome {
    let (reader, _writer) = std::io::pipe()?;
    let status = fs::metadata(format!("/proc/self/fd/{}", reader.as_raw_fd()))?;
    ensure!(status.file_type().is_fifo());
    let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
    let status = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd()))?;
    ensure!(status.file_type().is_socket());
    Ok(())
}

fn dev_null_zero_random() -> Outcome {
    let mut buffer = [1; 64];
    ensure_eq!(File::open("/dev/null")?.read(&mut buffer)?, 0);
    ensure_eq!(
        File::options()
            .write(true)
            .open("/dev/null")?
            .write(&buffer)?,
        64
    );
    File::open("/dev/zero")?.read_exact(&mut buffer)?;
    ensure!(buffer == [0; 64]);
    let mut other = [0; 64];
    File::open("/dev/urandom")?.read_exact(&mut buffer)?;
    File::open("/dev/urandom")?.read_exact(&mut other)?;
    ensure!(buffer != other && buffer != [0; 64]);
    Ok(())
}

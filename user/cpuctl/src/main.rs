//! `cpuctl`: which CPUs there are and how they lie, and the switch of each.
//!
//! Everything goes through the files of `/sys/devices/system/cpu`, so it works on Linux too.

mod sysfs;

use common::{arguments, cpu_list};
use std::io::Write;
use std::process::ExitCode;
use sysfs::Cpu;

const USAGE: &str = "\
usage: cpuctl               show the CPUs
       cpuctl off LIST      take CPUs off, for example 3 or 1-2,5
       cpuctl on LIST       bring them back";

fn main() -> ExitCode {
    arguments::run_tool("cpuctl", || {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] => show()?,
            ["on", list] => switch(list, true)?,
            ["off", list] => switch(list, false)?,
            _ => return Err(USAGE.into()),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Each CPU that is named, in order; stops at the first that does not do it.
fn switch(list: &str, on: bool) -> Result<(), String> {
    let named = cpu_list::members(&cpu_list::parse_list(list)?);
    let present = sysfs::present()?;
    let all = cpu_list::members(&present);
    if let Some(stranger) = named.iter().find(|cpu| !all.contains(cpu)) {
        let have = cpu_list::format_list(&present);
        return Err(format!(
            "there is no CPU {stranger}: this machine has {have}"
        ));
    }
    named
        .into_iter()
        .try_for_each(|cpu| sysfs::set_online(cpu, on))
}

fn show() -> Result<(), String> {
    let mut text = String::from("CPU  STATE  PACKAGE  CLUSTER  NODE  CAPACITY\n");
    for number in cpu_list::members(&sysfs::present()?) {
        let cpu = Cpu::read(number);
        text += &format!(
            "{number:>3}  {:<5}  {:>7}  {:>7}  {:>4}  {:>8}\n",
            if cpu.online { "on" } else { "off" },
            or_dash(cpu.package),
            or_dash(cpu.cluster),
            or_dash(cpu.node),
            or_dash(cpu.capacity),
        );
    }
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("cannot write: {error}"))
}

/// What the kernel does not tell, or tells with -1.
fn or_dash(value: Option<i64>) -> String {
    match value {
        Some(value) if value >= 0 => value.to_string(),
        _ => "-".into(),
    }
}

//! `launch profile ROW`: which functions execute the instructions of a row of `user/bench`.
//!
//! The row runs alone on the machine that counts instructions, with the plugin
//! `qemu-configs/plugin` loaded; the row says itself when counting starts and stops.

use crate::bench::contender;
use crate::bench::figures::Entry;
use crate::bench::rows::Setting;
use crate::{Result, read_file, symbols};
use elf::{ElfBytes, endian::LittleEndian};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

const COUNTS: &str = "build/bench/counts.txt";
/// Addresses below belong to programs (48-bit user addresses).
const KERNEL_START: u64 = 1 << 63;

struct Options {
    row: String,
    elf: PathBuf,
    plugin: PathBuf,
    setting: Setting,
    lines: usize,
}

pub fn command(arguments: lexopt::Parser) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let plugin = format!("{},out={COUNTS}", options.plugin.display());
    let figures =
        contender::weft()
            .with_qemu(&["-plugin", &plugin])
            .run(options.setting, &[&options.row], 5);
    let functions = functions(&options.elf)?;
    let text = String::from_utf8(read_file(COUNTS.as_ref())?).map_err(|error| error.to_string())?;
    let counts = by_function(&text, &functions);
    let mut per_operation = None;
    for (name, entry) in &figures {
        match entry {
            Entry::Measured(figure) => {
                println!("{name}: {:.0} instructions", figure.median);
                per_operation.get_or_insert(figure.median);
            }
            Entry::Missing { missing } => println!("{name}: {missing}"),
        }
    }
    print(&counts, per_operation.unwrap_or(0.0), options.lines);
    Ok(ExitCode::SUCCESS)
}

fn functions(elf: &std::path::Path) -> Result<Vec<(u64, String)>> {
    let bytes = read_file(elf)?;
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes)
        .map_err(|error| format!("{}: {error}", elf.display()))?;
    symbols::functions(&file)
}

/// The counts of the plugin's lines, summed by function, most first.
fn by_function(text: &str, functions: &[(u64, String)]) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<&str, u64>::new();
    for (address, count) in text.lines().filter_map(count) {
        *sums.entry(owner(address, functions)).or_default() += count;
    }
    let mut sums: Vec<_> = sums
        .into_iter()
        .map(|(name, count)| (name.to_string(), count))
        .collect();
    sums.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    sums
}

fn count(line: &str) -> Option<(u64, u64)> {
    let (address, count) = line.split_once(' ')?;
    Some((u64::from_str_radix(address, 16).ok()?, count.parse().ok()?))
}

/// The last function that is not above the address.
fn owner(address: u64, functions: &[(u64, String)]) -> &str {
    if address < KERNEL_START {
        return "(the program)";
    }
    let above = functions.partition_point(|&(start, _)| start <= address);
    above
        .checked_sub(1)
        .map_or("(unknown)", |index| &functions[index].1)
}

fn print(counts: &[(String, u64)], per_operation: f64, lines: usize) {
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    println!("\n  share  each  function");
    for (name, count) in counts.iter().take(lines) {
        let share = *count as f64 / all.max(1) as f64;
        println!(
            "{:6.1}% {:6.0}  {name}",
            share * 100.0,
            share * per_operation
        );
    }
    println!("\n{all} instructions counted; by address: {COUNTS}");
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options {
        row: String::new(),
        elf: PathBuf::new(),
        plugin: "target/debug/libinstruction_counts.so".into(),
        setting: Setting::One,
        lines: 40,
    };
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("elf") => {
                options.elf = arguments.value().map_err(|error| error.to_string())?.into()
            }
            Long("plugin") => {
                options.plugin = arguments.value().map_err(|error| error.to_string())?.into();
            }
            Long("four") => options.setting = Setting::Four,
            Long("all") => options.lines = usize::MAX,
            Value(row) => options.row = row.to_string_lossy().into_owned(),
            other => return Err(other.unexpected().to_string()),
        }
    }
    match options.row.is_empty() || options.elf.as_os_str().is_empty() {
        true => Err("usage: launch profile --elf KERNEL ROW [--four] [--all]".into()),
        false => Ok(options),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_belong_to_the_function_below() {
        let functions = [
            (1 << 63, "first".to_string()),
            ((1 << 63) + 8, "second".into()),
        ];
        let text = "8000000000000000 3\n8000000000000004 3\n800000000000000c 7\n1000 1\n";
        let counts = super::by_function(text, &functions);
        let found: Vec<_> = counts
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        assert_eq!(found, [("second", 7), ("first", 6), ("(the program)", 1)]);
    }
}

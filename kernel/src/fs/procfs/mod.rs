//! /proc: processes, the machine and settings as text.
//!
//! [`subject`] is what a `/proc/<pid>` is about, [`process`] its files, [`machine`] the files on
//! the whole machine, [`settings`] `/proc/sys`, [`weft`] what only this kernel tells.

mod areas;
mod descriptors;
pub mod load;
mod machine;
mod mounts;
pub mod network;
mod process;
mod scheduler;
mod settings;
mod stat;
mod status;
mod subject;
mod weft;

use super::node::{FileSystem, FileType, Visit};
use super::synthetic::{Directory, Made, SyntheticFs, Table, Visitor, visit_numbers};
use crate::error::{Errno, Result};
use crate::process::try_current;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use subject::Subject;

/// `PROC_SUPER_MAGIC` of statfs(2).
const MAGIC: u64 = 0x9fa0;
/// Cookies of processes come after those of the fixed names.
const FIRST_PROCESS_COOKIE: u64 = 1024;

pub fn file_system() -> Arc<dyn FileSystem> {
    SyntheticFs::new("proc", MAGIC, Root)
}

/// The names that are not processes.
const FIXED: Table = Table(&[
    ("cmdline", || Made::text(machine::command_line)),
    ("cpuinfo", || Made::text(machine::cpuinfo)),
    ("filesystems", || Made::text(machine::filesystems)),
    ("interrupts", || Made::text(machine::interrupts)),
    ("loadavg", || Made::text(load::loadavg)),
    ("meminfo", || Made::text(machine::meminfo)),
    ("mounts", || Made::link(|| Ok("self/mounts".to_string()))),
    ("net", || Made::directory(network::Network)),
    ("sched_debug", || Made::pieces(scheduler::sched_debug)),
    ("schedstat", || Made::text(scheduler::schedstat)),
    ("self", || Made::link(|| own(|_, pid| pid.to_string()))),
    ("stat", || Made::text(machine::stat)),
    ("sys", || Made::directory(settings::ROOT)),
    ("thread-self", || {
        Made::link(|| own(|tid, pid| format!("{pid}/task/{tid}")))
    }),
    ("uptime", || Made::text(machine::uptime)),
    ("version", || Made::text(machine::version)),
    ("vmstat", || Made::text(machine::vmstat)),
    ("weft", || Made::directory(weft::ROOT)),
]);

/// A text about whoever asks; kernel threads have no entry of their own to point to.
fn own(
    text: impl Fn(u32, u32) -> alloc::string::String,
) -> crate::error::Result<alloc::string::String> {
    let current = try_current().ok_or(Errno::ENOENT)?;
    Ok(text(current.tid(), current.pid()))
}

struct Root;

impl Directory for Root {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        debug_assert!(FIXED.next_cookie() < FIRST_PROCESS_COOKIE);
        if FIXED.show(from, visitor) == Visit::Continue {
            let first = from.saturating_sub(FIRST_PROCESS_COOKIE);
            let pids = subject::pids_from(u32::try_from(first).unwrap_or(u32::MAX));
            let kind = FileType::Directory;
            visit_numbers(pids, kind, FIRST_PROCESS_COOKIE, from, visitor);
        }
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        FIXED
            .find(name)
            .or_else(|| Some(process::directory(Subject::process(number(name)?)?)))
    }
}

/// A name that is a number as the kernel writes it: no sign, no zeros in front.
fn number(name: &[u8]) -> Option<u32> {
    let canonical = name
        .first()
        .is_some_and(|first| *first != b'0' || name.len() == 1);
    let digits = canonical && name.iter().all(u8::is_ascii_digit);
    digits.then(|| core::str::from_utf8(name).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn only_canonical_numbers_are_processes() {
        assert_eq!((number(b"0"), number(b"17")), (Some(0), Some(17)));
        for name in [&b""[..], b"+1", b"01", b"1x", b"99999999999", b"-1"] {
            assert_eq!(number(name), None, "{name:?}");
        }
    }
}

//! `/sys/devices/system/cpu`: which CPUs there are, which run, and the switch of each.

use super::topology::Topology;
use crate::error::{Errno, Result};
use crate::fs::node::{FileType, Visit};
use crate::fs::synthetic::{Directory, FIRST_COOKIE, Made, Table, Visitor, visit_all};
use alloc::format;
use alloc::string::ToString;
use percpu::{CpuId, CpuSet};

pub fn possible() -> CpuSet {
    CpuSet::first_n(crate::machine::get().cpus.len())
}

fn list(set: fn() -> CpuSet) -> Made {
    Made::text(move || Ok(format!("{}\n", set())))
}

const CPU_FILES: Table = Table(&[
    ("kernel_max", || {
        Made::text(|| Ok(format!("{}\n", percpu::MAX_CPUS - 1)))
    }),
    ("offline", || list(|| possible() - smp::online_cpus())),
    ("online", || list(smp::online_cpus)),
    ("possible", || list(possible)),
    ("present", || list(possible)),
]);

/// `/sys/devices/system/cpu`.
pub struct Cpus;

impl Directory for Cpus {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        if CPU_FILES.show(from, visitor) == Visit::Continue {
            let possible = possible();
            let cpus = possible
                .iter()
                .map(|cpu| (format!("cpu{cpu}"), FileType::Directory));
            visit_all(CPU_FILES.next_cookie(), cpus, from, visitor);
        }
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let cpu = || {
            let number = core::str::from_utf8(name.strip_prefix(b"cpu")?).ok()?;
            let cpu = CpuId::checked(number.parse().ok()?)?;
            (possible().contains(cpu) && cpu.to_string() == number)
                .then(|| Made::directory(Cpu(cpu)))
        };
        CPU_FILES.find(name).or_else(cpu)
    }
}

/// One CPU.
struct Cpu(CpuId);

impl Cpu {
    fn names() -> impl Iterator<Item = (&'static str, FileType)> {
        let told = crate::machine::get().topology.has_capacities;
        let capacity = told.then_some(("cpu_capacity", FileType::Regular));
        let always = [
            ("online", FileType::Regular),
            ("topology", FileType::Directory),
        ];
        always.into_iter().chain(capacity)
    }
}

impl Directory for Cpu {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        visit_all(FIRST_COOKIE, Self::names(), from, visitor);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let cpu = self.0;
        let (known, _) = Self::names().find(|(known, _)| known.as_bytes() == name)?;
        Some(match known {
            "online" => online(cpu),
            "topology" => Made::directory(Topology(cpu)),
            _ => Made::text(move || {
                let capacity = crate::machine::get().place(cpu).capacity;
                Ok(format!("{capacity}\n"))
            }),
        })
    }
}

/// 1 or 0; writing takes the CPU off or brings it back.
fn online(cpu: CpuId) -> Made {
    let read = move || Ok(format!("{}\n", u8::from(smp::online_cpus().contains(cpu))));
    Made::text(read).writable(move |text| set_online(cpu, boolean(text)?))
}

/// Truth as Linux reads it (kstrtobool).
fn boolean(text: &[u8]) -> Result<bool> {
    match text {
        [b'1' | b'y' | b'Y' | b't' | b'T', ..] | [b'o' | b'O', b'n' | b'N', ..] => Ok(true),
        [b'0' | b'n' | b'N' | b'f' | b'F', ..] | [b'o' | b'O', b'f' | b'F', ..] => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(target_os = "none")]
fn set_online(cpu: CpuId, online: bool) -> Result<()> {
    Ok(crate::hotplug::set_online(cpu, online)?)
}

#[cfg(not(target_os = "none"))]
fn set_online(_cpu: CpuId, _online: bool) -> Result<()> {
    Err(Errno::EOPNOTSUPP)
}

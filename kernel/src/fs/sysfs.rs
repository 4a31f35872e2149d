//! /sys: what programs ask about CPUs and memory.

use super::node::{FileSystem, FileType};
use super::synthetic::{Child, Directory, FIRST_COOKIE, Made, SyntheticFs, Table};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use percpu::{CpuId, CpuSet};

/// `SYSFS_MAGIC` of statfs(2).
const MAGIC: u64 = 0x6265_6572;

pub fn file_system() -> Arc<dyn FileSystem> {
    SyntheticFs::new("sysfs", MAGIC, ROOT)
}

const ROOT: Table = Table(&[
    ("class", || Made::directory(Table(&[]))),
    ("devices", || Made::directory(DEVICES)),
    ("fs", || Made::directory(Table(&[]))),
    ("kernel", || Made::directory(KERNEL)),
]);

const DEVICES: Table = Table(&[("system", || Made::directory(SYSTEM))]);

const SYSTEM: Table = Table(&[("cpu", || Made::directory(Cpus))]);

const KERNEL: Table = Table(&[("mm", || Made::directory(MEMORY))]);

const MEMORY: Table = Table(&[("transparent_hugepage", || Made::directory(HUGE_PAGES))]);

const HUGE_PAGES: Table = Table(&[
    ("enabled", || {
        Made::text(|| Ok("always madvise [never]\n".to_string()))
    }),
    ("hpage_pmd_size", || {
        Made::text(|| Ok("2097152\n".to_string()))
    }),
]);

fn possible() -> CpuSet {
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
struct Cpus;

impl Directory for Cpus {
    fn list(&self) -> Vec<Child> {
        let mut children = CPU_FILES.list();
        let first = FIRST_COOKIE + children.len() as u64;
        children.extend((first..).zip(possible().iter()).map(|(cookie, cpu)| Child {
            name: format!("cpu{cpu}").into_bytes(),
            file_type: FileType::Directory,
            cookie,
        }));
        children
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

/// One CPU: each is a core of its own in one package, as far as the device tree tells.
struct Cpu(CpuId);

impl Directory for Cpu {
    fn list(&self) -> Vec<Child> {
        let names = [
            ("online", FileType::Regular),
            ("topology", FileType::Directory),
        ];
        let child = |(cookie, (name, file_type)): (u64, (&str, FileType))| Child {
            name: name.as_bytes().to_vec(),
            file_type,
            cookie,
        };
        (FIRST_COOKIE..).zip(names).map(child).collect()
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let cpu = self.0;
        match name {
            b"online" => Some(Made::text(move || {
                Ok(format!("{}\n", u8::from(smp::online_cpus().contains(cpu))))
            })),
            b"topology" => Some(Made::directory(Topology(cpu))),
            _ => None,
        }
    }
}

const TOPOLOGY: [&str; 8] = [
    "core_cpus",
    "core_cpus_list",
    "core_id",
    "core_siblings",
    "core_siblings_list",
    "physical_package_id",
    "thread_siblings",
    "thread_siblings_list",
];

struct Topology(CpuId);

impl Directory for Topology {
    fn list(&self) -> Vec<Child> {
        let child = |(cookie, name): (u64, &str)| Child {
            name: name.as_bytes().to_vec(),
            file_type: FileType::Regular,
            cookie,
        };
        (FIRST_COOKIE..).zip(TOPOLOGY).map(child).collect()
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let cpu = self.0;
        let own = CpuSet::single(cpu);
        let text = match name {
            b"core_id" => cpu.to_string(),
            b"physical_package_id" => "0".to_string(),
            b"core_cpus" | b"thread_siblings" => format!("{own:x}"),
            b"core_cpus_list" | b"thread_siblings_list" => own.to_string(),
            b"core_siblings" => format!("{:x}", possible()),
            b"core_siblings_list" => possible().to_string(),
            _ => return None,
        };
        Some(Made::text(move || Ok(format!("{text}\n"))))
    }
}

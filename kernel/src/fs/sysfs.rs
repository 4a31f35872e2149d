//! /sys: what programs ask about CPUs and memory.

mod cpu;
mod topology;

use super::node::FileSystem;
use super::synthetic::{Made, SyntheticFs, Table};
use alloc::string::ToString;
use alloc::sync::Arc;

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

const SYSTEM: Table = Table(&[
    ("cpu", || Made::directory(cpu::Cpus)),
    ("node", || Made::directory(topology::Nodes)),
]);

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

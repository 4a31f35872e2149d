//! /sys: what programs ask about CPUs and memory.

use super::node::{FileSystem, FileType};
use super::synthetic::{Child, Directory, FIRST_COOKIE, Made, SyntheticFs, Table};
use alloc::sync::Arc;

/// `SYSFS_MAGIC` of statfs(2).
const MAGIC: u64 = 0x6265_6572;

pub fn file_system() -> Arc<dyn FileSystem> {
    SyntheticFs::new("sysfs", MAGIC, Table(&[]))
}

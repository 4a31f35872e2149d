//! /proc.
use super::node::FileSystem;
use super::synthetic::{SyntheticFs, Table};
use alloc::sync::Arc;

pub fn file_system() -> Arc<dyn FileSystem> {
    SyntheticFs::new("proc", 0x9fa0, Table(&[]))
}

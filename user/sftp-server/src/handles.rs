//! What the client has open: files, and folders that are being listed.

use crate::status::{Code, Failure};
use std::collections::BTreeMap;
use std::fs::{File, ReadDir};
use std::iter::Peekable;

/// Handles at once: well below a process's descriptors.
pub const HANDLE_LIMIT: usize = 256;

pub enum Open {
    File(File),
    Folder(Peekable<ReadDir>),
}

/// A handle's number is never used again, so that a late request cannot meet another file.
#[derive(Default)]
pub struct Handles {
    open: BTreeMap<u64, Open>,
    next: u64,
}

impl Handles {
    /// Asked before a file is opened: opening may create it.
    pub fn check_room(&self) -> Result<(), Failure> {
        match self.open.len() < HANDLE_LIMIT {
            true => Ok(()),
            false => Err(Failure::new(Code::Failure, "too many files are open")),
        }
    }

    /// The name by which the client speaks of it.
    pub fn insert(&mut self, open: Open) -> [u8; 8] {
        self.next += 1;
        self.open.insert(self.next, open);
        self.next.to_be_bytes()
    }

    pub fn file(&self, handle: &[u8]) -> Result<&File, Failure> {
        match number(handle).and_then(|number| self.open.get(&number)) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(unknown()),
        }
    }

    pub fn folder(&mut self, handle: &[u8]) -> Result<&mut Peekable<ReadDir>, Failure> {
        match number(handle).and_then(|number| self.open.get_mut(&number)) {
            Some(Open::Folder(folder)) => Ok(folder),
            _ => Err(unknown()),
        }
    }

    pub fn remove(&mut self, handle: &[u8]) -> Result<Open, Failure> {
        number(handle)
            .and_then(|number| self.open.remove(&number))
            .ok_or(unknown())
    }
}

fn number(handle: &[u8]) -> Option<u64> {
    handle.try_into().ok().map(u64::from_be_bytes)
}

fn unknown() -> Failure {
    Failure::new(Code::Failure, "no such handle")
}

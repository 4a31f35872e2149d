//! Advisory locks: records of fcntl(2) (per process and per open file description) and flock(2).

use super::file_table::FileTable;
use super::open_file::OpenFile;

/// A descriptor was closed: POSIX drops all record locks the process has on that file.
pub fn release_process(_owner: &FileTable, _file: &OpenFile) {}

/// An open file description goes away with its locks.
pub fn release_description(_file: &OpenFile) {}

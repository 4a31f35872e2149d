//! Process descriptors (pidfd_open(2)): a process by identity, readable once it has exited.

use super::Process;
use crate::error::{Errno, Result};
use crate::fs::{Fd, File, FileTable, OpenFile, OpenFlags, PollEvents, downcast};
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use smp::Observers;

struct PidFile {
    process: Arc<Process>,
}

impl File for PidFile {
    fn poll(&self) -> PollEvents {
        if self.process.is_zombie() {
            PollEvents::IN | PollEvents::RDNORM
        } else {
            PollEvents::empty()
        }
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.process.exit_observers)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("anon_inode:[pidfd]")
    }
}

/// A descriptor for `process`; always close-on-exec.
pub fn open(files: &FileTable, process: Arc<Process>, flags: OpenFlags) -> Result<Fd> {
    files.insert(
        OpenFile::new(Arc::new(PidFile { process }), OpenFlags::RDWR | flags),
        true,
    )
}

/// The process behind descriptor `fd`; `EBADF` if it is not a pidfd.
pub fn process(files: &FileTable, fd: Fd) -> Result<Arc<Process>> {
    let open = files.get(fd)?;
    let file = downcast::<PidFile>(open.file()).ok_or(Errno::EBADF)?;
    Ok(file.process.clone())
}

/// A descriptor that is taken back unless it is kept: clone may still fail after making it.
pub(super) struct Reserved {
    files: Arc<FileTable>,
    fd: Fd,
    kept: bool,
}

impl Reserved {
    pub fn new(files: Arc<FileTable>, process: &Arc<Process>) -> Result<Self> {
        let fd = open(&files, process.clone(), OpenFlags::empty())?;
        Ok(Self {
            files,
            fd,
            kept: false,
        })
    }

    pub fn fd(&self) -> Fd {
        self.fd
    }

    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.kept {
            drop(self.files.remove(self.fd));
        }
    }
}

//! Mapped memory: the pages of the file itself.

use super::Contents;
use crate::error::Errno;
use crate::fs::node::Node;
use crate::fs::tmpfs::inode::{Body, Inode};
use crate::fs::tmpfs::page;
use mm::space::{PageError, SourceIdentity};
use mm::{FrameRef, PageSource};

impl PageSource for Inode {
    fn page(&self, index: u64, _for_write: bool) -> Result<FrameRef, PageError> {
        let Body::Regular(contents) = &self.body else {
            return Err(PageError::Io);
        };
        if index >= contents.size().div_ceil(page::SIZE as u64) {
            return Err(PageError::PastEnd);
        }
        match contents.page_for_write(&self.shared, index) {
            Ok(page) => Ok(page.frame()),
            Err(Errno::ENOMEM) => Err(PageError::OutOfMemory),
            // No room left in the file system: SIGBUS, as Linux does.
            Err(_) => Err(PageError::Io),
        }
    }

    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        if let Body::Regular(contents) = &self.body {
            contents.present(first, frames);
        }
    }

    fn identity(&self) -> SourceIdentity {
        let id = Node::id(self);
        let name = self.contents().map(Contents::label).unwrap_or_default();
        SourceIdentity {
            device: (0, id.device as u32),
            inode: id.inode,
            name,
        }
    }
}

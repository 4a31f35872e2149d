//! Pages of an open file for mmap(2): they tell under which path.

use super::Opened;
use crate::fs::context::readers_root;
use alloc::string::String;
use alloc::sync::Arc;
use mm::space::{PageError, SourceIdentity};
use mm::{FrameRef, PageSource};

/// The pages of a file together with where it was opened.
pub(super) struct MappedFile {
    pub pages: Arc<dyn PageSource>,
    pub opened: Opened,
}

impl PageSource for MappedFile {
    fn page(&self, index: u64, for_write: bool) -> Result<FrameRef, PageError> {
        self.pages.page(index, for_write)
    }

    fn present(&self, first: u64, frames: &mut [Option<FrameRef>]) {
        self.pages.present(first, frames);
    }

    fn identity(&self) -> SourceIdentity {
        let identity = self.pages.identity();
        let path = self.opened.path(&readers_root());
        let name = path.map(|path| String::from_utf8_lossy(&path).into_owned());
        SourceIdentity {
            name: name.unwrap_or(identity.name),
            ..identity
        }
    }
}

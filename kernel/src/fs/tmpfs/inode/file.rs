//! An open node.

use super::Inode;
use super::body::Body;
use crate::error::Result;
use crate::fs::file::{File, IoMode};
use crate::fs::node::Node;
use crate::user_memory::{Sink, Source};
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

/// An open regular file or directory is its node: there is nothing more to keep.
impl File for Inode {
    fn read(&self, offset: u64, sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        let count = self.contents()?.read(offset, sink)?;
        if count > 0 {
            self.touch_access();
        }
        Ok(count)
    }

    fn write(&self, offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let count = self
            .contents()?
            .write(&self.shared, offset, source, mode.append)?;
        if count > 0 {
            self.touch();
            self.drop_set_id();
        }
        Ok(count)
    }

    fn node(&self) -> Option<Arc<dyn Node>> {
        Some(self.itself())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        match &self.body {
            Body::Regular(contents) => contents.label(),
            _ => String::from("directory"),
        }
    }
}

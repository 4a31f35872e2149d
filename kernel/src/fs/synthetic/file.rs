//! An open synthetic file.

use super::text::Shown;
use super::{Content, SyntheticNode};
use crate::error::{Errno, Result};
use crate::fs::file::{File, IoMode};
use crate::fs::node::Node;
use crate::user_memory::{Sink, Source};
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use smp::Mutex;

/// The longest text that one write may carry.
const MAX_WRITE: usize = 4096;

pub struct SyntheticFile {
    node: Arc<SyntheticNode>,
    shown: Mutex<Shown>,
}

impl SyntheticFile {
    pub fn new(node: Arc<SyntheticNode>) -> Self {
        Self {
            node,
            shown: Mutex::new(Shown::default()),
        }
    }
}

impl File for SyntheticFile {
    fn read(&self, offset: u64, sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        let Content::Text(make, _) = &self.node.made.content else {
            return Err(Errno::EISDIR);
        };
        let mut shown = self.shown.lock();
        let mut total = 0;
        while sink.remaining() > 0 {
            let bytes = match shown.at(offset + total as u64, &**make) {
                Ok(bytes) if !bytes.is_empty() => bytes,
                // What was read already counts; the next call fails at once.
                Err(error) if total == 0 => return Err(error),
                _ => break,
            };
            match sink.put(bytes) {
                Ok(count) => total += count,
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, _mode: IoMode) -> Result<usize> {
        let Content::Text(_, Some(write)) = &self.node.made.content else {
            return Err(Errno::EINVAL);
        };
        let mut bytes = alloc::vec![0; source.remaining().min(MAX_WRITE)];
        let count = source.take(&mut bytes)?;
        write(&bytes[..count])?;
        Ok(count)
    }

    fn node(&self) -> Option<Arc<dyn Node>> {
        Some(self.node.clone())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("synthetic")
    }
}

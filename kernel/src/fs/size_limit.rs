//! `RLIMIT_FSIZE` (setrlimit(2)): no file of its process grows past it. A call that would start
//! there gets `SIGXFSZ` and `EFBIG`, a write that would end there is cut short.

use super::node::{FileType, Node};
use crate::error::{Errno, Result};
use crate::process::{self, Resource, SigInfo, Signal, signal};
use crate::user_memory::Source;

/// Cuts a write at `offset` short at the caller's limit. Kernel threads have none.
pub fn cut(node: &dyn Node, offset: u64, source: &mut Source<'_>) -> Result<()> {
    if node.file_type() != FileType::Regular || source.remaining() == 0 {
        return Ok(());
    }
    let room = limit().saturating_sub(offset);
    if room == 0 {
        return refuse();
    }
    source.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    Ok(())
}

/// Whether the file may get this size; shrinking is always allowed.
pub fn check(node: &dyn Node, size: u64) -> Result<()> {
    if size > limit() && size > node.metadata().size {
        return refuse();
    }
    Ok(())
}

fn limit() -> u64 {
    process::try_current().map_or(u64::MAX, |current| {
        current.process().rlimit(Resource::FileSize)
    })
}

fn refuse() -> Result<()> {
    if let Some(current) = process::try_current() {
        signal::send_to_thread(current.task(), SigInfo::kernel(Signal::XFSZ))?;
    }
    Err(Errno::EFBIG)
}

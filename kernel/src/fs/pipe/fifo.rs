//! Opening a FIFO: the two sides wait for each other (fifo(7)).

use super::{Pipe, PipeEnd};
use crate::error::{Errno, Result};
use crate::fs::file::File;
use crate::fs::node::Attachment;
use crate::fs::open_file::OpenFlags;
use crate::wait::interruptible;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

/// Opens the FIFO whose node has `attachment`.
///
/// For reading it waits until a writer has opened it, for writing until a reader has; `O_NONBLOCK`
/// opens for reading at once and fails for writing (`ENXIO`) while nobody reads. `O_RDWR` never
/// waits.
pub fn open_fifo(attachment: &Attachment, flags: OpenFlags) -> Result<Arc<dyn File>> {
    let pipe = pipe_of(attachment);
    let (reads, writes) = (flags.readable(), flags.writable());
    let nonblocking = flags.contains(OpenFlags::NONBLOCK);
    if writes && !reads && nonblocking && !pipe.has_readers() {
        return Err(Errno::ENXIO);
    }
    let (readers_before, writers_before) = (
        pipe.reader_opens.load(Ordering::SeqCst),
        pipe.writer_opens.load(Ordering::SeqCst),
    );
    // Asked before the other side can see this one: it may open, write and leave before the wait.
    let (had_readers, had_writers) = (pipe.has_readers(), pipe.has_writers());
    // Dropped, and so taken back, if a signal ends the wait.
    let mut end = PipeEnd::new(&pipe, reads, writes);
    if reads {
        pipe.writable.wake_all();
    }
    if writes {
        pipe.readable.wake_all();
    }
    if reads && !writes && !nonblocking {
        let came = || pipe.writer_opens.load(Ordering::SeqCst) != writers_before;
        interruptible(&pipe.readable, None, || {
            (had_writers || came()).then_some(())
        })?;
    }
    if writes && !reads {
        let came = || pipe.reader_opens.load(Ordering::SeqCst) != readers_before;
        interruptible(&pipe.writable, None, || {
            (had_readers || came()).then_some(())
        })?;
    }
    // Whoever waited for a writer has had one; who did not wait sees no hang-up before one.
    if !nonblocking || pipe.has_writers() {
        end.writers_before = usize::MAX;
    }
    Ok(Arc::new(end))
}

/// The pipe behind the node: made by the first open, kept by the node.
fn pipe_of(attachment: &Attachment) -> Arc<Pipe> {
    let fresh = Pipe::new();
    let kept = attachment.lock().get_or_insert_with(|| fresh).clone();
    kept.downcast()
        .expect("a FIFO's node keeps nothing but its pipe")
}

//! vmsplice(2): between a pipe and memory.
//!
//! Bytes are copied, gifts too: what a program writes into its buffer later never shows in the pipe.

use super::file_at;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{FileType, IoMode, OpenFile, PollEvents, poll};
use crate::syscall::Calls;
use crate::user_memory::{Sink, Source, UserSlice, read_iovecs};
use alloc::sync::Arc;
use linux_raw_sys::general::__NR_vmsplice;

pub const CALLS: &Calls = &[(__NR_vmsplice as usize, vmsplice)];

/// `SPLICE_F_NONBLOCK`, and all flags with it: the others are hints.
const NONBLOCK: u32 = 2;
const ALL: u32 = 0xf;

fn vmsplice(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    if flags & !ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let pipe = file_at(frame, 0)?;
    let ranges = read_iovecs(frame.argument(1), frame.argument(2))?;
    if pipe.metadata().file_type != FileType::Fifo {
        return Err(Errno::EBADF);
    }
    let nonblocking = flags & NONBLOCK != 0;
    if pipe.flags().writable() {
        fill(&pipe, &ranges, nonblocking)
    } else {
        pipe.check_readable()?;
        let mode = mode(nonblocking);
        pipe.file().read(0, &mut Sink::user_vectors(&ranges), mode)
    }
}

fn mode(nonblocking: bool) -> IoMode {
    IoMode {
        nonblocking,
        append: false,
    }
}

/// Waits for room, but not until all bytes are in: who fills the pipe may be who empties it.
fn fill(pipe: &Arc<OpenFile>, ranges: &[UserSlice], nonblocking: bool) -> Result<usize> {
    let wanted = PollEvents::OUT | PollEvents::ERR;
    let is_ready = || Ok(usize::from(poll::ready(pipe, wanted).intersects(wanted)));
    loop {
        let mut source = Source::user_vectors(ranges);
        match pipe.file().write(0, &mut source, mode(true)) {
            Err(Errno::EAGAIN) if !nonblocking => {}
            result => return result,
        }
        match poll::wait_for([pipe].into_iter(), None, is_ready) {
            Err(Errno::RESTART_NO_HANDLER) => return Err(Errno::RESTART),
            result => drop(result?),
        }
    }
}

//! `/dev/schedtrace`: the rings for programs.
//!
//! Each open file follows every ring from where it stood at the open. A read returns blocks: 32
//! bytes of header, then records as they are in the ring ([`smp::trace`]); nothing new is an empty
//! read. What a slow reader missed is counted in the header. Little endian:
//!
//! ```text
//!   header   magic "WEFTRING" 8, cpu 4, count 4, lost 8, ticks per second 8
//!   record   32 bytes, `count` times
//! ```
//!
//! `start` and `start syscalls`, written, begin a recording; `stop` ends it, as does the end of
//! the file that began it.

use super::ring_of;
use crate::arch;
use crate::error::{Errno, Result};
use crate::fs::device::{self, Device};
use crate::fs::node::DeviceNumber;
use crate::fs::{File, IoMode, OpenFlags};
use crate::user_memory::{Sink, Source};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use percpu::CpuId;
use smp::Mutex;
use smp::trace::RECORD_SIZE;

/// Major number 240 is for local use (Linux devices.txt).
pub const NUMBER: DeviceNumber = DeviceNumber::new(240, 0);
const MAGIC: &[u8; 8] = b"WEFTRING";
/// Records copied out at a time.
const PIECE: usize = 256;

struct Driver;

/// An open file: the next record of each CPU.
struct Reader {
    next: Mutex<Vec<u64>>,
    has_started: AtomicBool,
}

/// Makes the device known; /dev names it.
pub fn register() {
    device::register(NUMBER, Arc::new(Driver));
}

/// Where each ring stands.
fn ends() -> Vec<u64> {
    let cpus = crate::machine::get().cpus.len();
    let end = |cpu| ring_of(CpuId::new(cpu)).map_or(0, |ring| ring.written());
    (0..cpus).map(end).collect()
}

impl Device for Driver {
    fn open(&self, _number: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        Ok(Arc::new(Reader {
            next: Mutex::new(ends()),
            has_started: AtomicBool::new(false),
        }))
    }
}

/// One block with what a CPU has to say, if it fits and there is anything.
fn block(cpu: usize, next: &mut u64, room: usize) -> Vec<u8> {
    let most = (room / RECORD_SIZE).saturating_sub(1).min(PIECE);
    let Some(ring) = ring_of(CpuId::new(cpu)).filter(|_| most > 0) else {
        return Vec::new();
    };
    let read = ring.read(*next, most);
    let lost = read.first.saturating_sub(*next);
    if read.records.is_empty() && lost == 0 {
        return Vec::new();
    }
    *next = read.first + read.records.len() as u64;
    let mut bytes = Vec::with_capacity((1 + read.records.len()) * RECORD_SIZE);
    bytes.extend(MAGIC);
    bytes.extend((cpu as u32).to_le_bytes());
    bytes.extend((read.records.len() as u32).to_le_bytes());
    bytes.extend(lost.to_le_bytes());
    bytes.extend(arch::ticks_per_second().to_le_bytes());
    bytes.extend(read.records.iter().flat_map(|record| record.to_bytes()));
    bytes
}

impl File for Reader {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        if sink.remaining() < 2 * RECORD_SIZE {
            return Err(Errno::EINVAL);
        }
        let mut next = self.next.lock();
        let mut moved = 0;
        for (cpu, next) in next.iter_mut().enumerate() {
            loop {
                let bytes = block(cpu, next, sink.remaining());
                if bytes.is_empty() {
                    break;
                }
                moved += sink.put(&bytes)?;
            }
        }
        Ok(moved)
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, _mode: IoMode) -> Result<usize> {
        let mut text = [0; 32];
        let count = source.take(&mut text)?;
        match text[..count].trim_ascii() {
            b"start" => super::start(false),
            b"start syscalls" => super::start(true),
            b"stop" => super::stop(),
            _ => return Err(Errno::EINVAL),
        }
        self.has_started
            .store(super::is_recording(), Ordering::Relaxed);
        Ok(count)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        "/dev/schedtrace".to_string()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.has_started.load(Ordering::Relaxed) {
            super::stop();
        }
    }
}

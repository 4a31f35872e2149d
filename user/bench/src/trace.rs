//! What the kernel's scheduler does during a row, by its own trace.

use crate::measure::Trouble;
use common::trace::{DEVICE, blocks};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use trace_format::Event;

/// Something that happened on a CPU at a time in nanoseconds.
#[derive(Clone, Copy)]
pub struct Happening {
    pub ns: u64,
    pub cpu: u32,
    pub event: Event,
}

/// Everything that happens while `work` runs, in order of time. It must not be more than the kernel
/// keeps: nobody reads meanwhile.
pub fn record<R>(work: impl FnOnce() -> R) -> Result<(R, Vec<Happening>), Trouble> {
    let device = OpenOptions::new().read(true).write(true).open(DEVICE);
    let mut device = device.map_err(|error| Trouble::Unsupported(format!("{DEVICE}: {error}")))?;
    device.write_all(b"start")?;
    let result = work();
    device.write_all(b"stop")?;
    Ok((result, happenings(&mut device)?))
}

fn happenings(device: &mut File) -> Result<Vec<Happening>, Trouble> {
    let mut buffer = vec![0; 1 << 20];
    let mut all = Vec::new();
    loop {
        let count = device.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        for block in blocks(&buffer[..count]).map_err(Trouble::Failed)? {
            if block.lost > 0 {
                return Err(Trouble::Failed("the trace has a gap".into()));
            }
            let cpu = block.cpu;
            let happening = |(ns, event)| Happening { ns, cpu, event };
            all.extend(block.events().map(happening));
        }
    }
    all.sort_by_key(|happening| happening.ns);
    Ok(all)
}

//! The virtio entropy source: asked once at boot; what it gives is mixed into [`crate::random`].

use super::virtio::{Buffers, Dma, Result, Slot, VERSION_1, VirtQueue};
use alloc::sync::Arc;
use bitflags::bitflags;
use core::sync::atomic::{Ordering, fence};
use smp::SpinLock;
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;

const QUEUE: u16 = 0;
const DEPTH: usize = 4;
/// Bytes asked for: two keys' worth.
const WANTED: usize = 64;

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const VERSION_1 = VERSION_1;
    }
}

struct Source {
    queue: VirtQueue<Dma, DEPTH>,
    buffers: Buffers,
    /// Kept: dropping a transport resets the device.
    _transport: MmioTransport<'static>,
}

/// Asks the device for entropy; its interrupt delivers it.
pub fn start(mut slot: Slot) -> Result<()> {
    let _ = slot.transport.begin_init(Features::all());
    let mut queue = VirtQueue::<Dma, DEPTH>::new(&mut slot.transport, QUEUE, false, false)?;
    let mut buffers = Buffers::new(1, WANTED)?;
    slot.transport.finish_init();
    // SAFETY: the buffer lives in `Source` and is looked at only after `pop_used`.
    unsafe { queue.add(&[], &mut [&mut buffers.buffer(0)[..WANTED]])? };
    fence(Ordering::SeqCst);
    let source: Arc<SpinLock<Option<Source>>> = Arc::new(SpinLock::new(None));
    let awaited = source.clone();
    slot.on_interrupt("rng", move || {
        if let Some(source) = &mut *awaited.lock() {
            source.take();
        }
    });
    slot.transport.notify(QUEUE);
    let mut found = Source {
        queue,
        buffers,
        _transport: slot.transport,
    };
    let mut shared = source.lock();
    // The interrupt may have come before there was anything to take it.
    found.take();
    *shared = Some(found);
    Ok(())
}

impl Source {
    /// Mixes in what the device delivered, if it has.
    fn take(&mut self) {
        let Some(token) = self.queue.peek_used() else {
            return;
        };
        let memory = &mut self.buffers.buffer(0)[..WANTED];
        // SAFETY: the only buffer that was ever queued.
        let Ok(length) = (unsafe { self.queue.pop_used(token, &[], &mut [memory]) }) else {
            return;
        };
        let bytes = &mut self.buffers.buffer(0)[..WANTED];
        crate::random::add_entropy(&bytes[..(length as usize).min(WANTED)]);
        bytes.fill(0);
    }
}

//! What the virtio drivers share: memory for DMA, the slots a machine has, interrupts.
//!
//! The transports and queues are virtio-drivers'. Its event-index notifications are not negotiated:
//! their comparison breaks when the index wraps, after which a queue may stall for good.

use crate::arch::aarch64::mmu;
use crate::irq;
use crate::machine::Device;
use core::ptr::NonNull;
use mm::phys_map::{self, LINEAR_BASE};
use mm::{Block, PAGE_SIZE, PhysAddr, frame};
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::{BufferDirection, Hal};

pub use virtio_drivers::Result;
pub use virtio_drivers::queue::VirtQueue;
pub use virtio_drivers::transport::DeviceType;

/// The feature bit of devices that follow virtio 1.0 or later.
pub const VERSION_1: u64 = 1 << 32;

/// Memory that devices see: contiguous frames of the linear map. Devices are cache-coherent.
pub struct Dma;

// SAFETY: blocks are contiguous, page-aligned, exclusively the caller's and zeroed; addresses are
// those of the linear map, whose translation is an addition.
unsafe impl Hal for Dma {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (u64, NonNull<u8>) {
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        let Ok(block) = frame::alloc_contiguous(order) else {
            return (0, NonNull::dangling());
        };
        let pointer = block.as_mut_ptr();
        // SAFETY: the block is ours and `size()` bytes long.
        unsafe { pointer.write_bytes(0, block.size()) };
        let (address, _) = block.into_raw();
        (
            address.0,
            NonNull::new(pointer).expect("the linear map is not at 0"),
        )
    }

    unsafe fn dma_dealloc(address: u64, _: NonNull<u8>, pages: usize) -> i32 {
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        // SAFETY: the caller gives back what `dma_alloc` gave, once.
        drop(unsafe { Block::from_raw(PhysAddr(address), order) });
        0
    }

    unsafe fn mmio_phys_to_virt(address: u64, size: usize) -> NonNull<u8> {
        NonNull::new(mmu::map_device(address, size as u64)).expect("device mappings are not at 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> u64 {
        let start = buffer.cast::<u8>().as_ptr();
        // Every buffer our drivers queue is a piece of a `Buffers`.
        assert!(
            (LINEAR_BASE..LINEAR_BASE + (1 << 47)).contains(&start.addr()),
            "not DMA memory"
        );
        phys_map::physical(start).0
    }

    unsafe fn unshare(_: u64, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// A virtio-mmio slot with a device in it.
pub struct Slot {
    pub transport: MmioTransport<'static>,
    device: Device,
    registers: NonNull<u8>,
}

impl Slot {
    /// Looks whether there is a device, legacy or modern.
    pub fn probe(device: Device) -> Option<Self> {
        let registers = mmu::map_device(device.registers.base, device.registers.size);
        let registers = NonNull::new(registers)?;
        let header = registers.cast::<VirtIOHeader>();
        // SAFETY: the device tree names a virtio-mmio register window here; it stays mapped.
        let transport = unsafe { MmioTransport::new(header, device.registers.size as usize) };
        Some(Self {
            transport: transport.ok()?,
            device,
            registers,
        })
    }

    pub fn kind(&self) -> DeviceType {
        self.transport.device_type()
    }

    /// Calls `handler` for the device's interrupts from now on; they are acknowledged first.
    pub fn on_interrupt(&self, name: &str, handler: impl Fn() + Send + Sync + 'static) {
        let line = Line(self.registers);
        irq::register(name, self.device.interrupt, move || {
            line.acknowledge();
            handler();
        });
    }
}

/// The interrupt registers of a slot. The handler uses them without the lock that its driver's
/// other state needs.
struct Line(NonNull<u8>);

// SAFETY: only used for volatile accesses to registers that any CPU may read and write.
unsafe impl Send for Line {}
// SAFETY: as above.
unsafe impl Sync for Line {}

impl Line {
    /// Virtio 1.1, 4.2.2: what is written to InterruptACK is taken off InterruptStatus.
    fn acknowledge(&self) {
        const STATUS: usize = 0x60;
        const ACKNOWLEDGE: usize = 0x64;
        // SAFETY: both registers are in the mapped window of a virtio-mmio device, in both versions.
        unsafe {
            let status = self.0.byte_add(STATUS).cast::<u32>().read_volatile();
            self.0
                .byte_add(ACKNOWLEDGE)
                .cast::<u32>()
                .write_volatile(status);
        }
    }
}

/// DMA memory cut into equal buffers, each either ours or the device's.
pub struct Buffers {
    block: Block,
    size: usize,
}

impl Buffers {
    /// `count` buffers of `size` bytes, or as many more as fit the block.
    pub fn new(count: usize, size: usize) -> Result<Self> {
        let pages = (count * size).div_ceil(PAGE_SIZE);
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        let block = frame::alloc_contiguous(order).map_err(|_| virtio_drivers::Error::DmaError)?;
        // SAFETY: the block is ours and `size()` bytes long.
        unsafe { block.as_mut_ptr().write_bytes(0, block.size()) };
        Ok(Self { block, size })
    }

    /// Buffer `index`. While the device owns it, the slice is for naming it to a queue only.
    pub fn buffer(&mut self, index: usize) -> &mut [u8] {
        assert!(
            (index + 1) * self.size <= self.block.size(),
            "no buffer {index}"
        );
        // SAFETY: inside the block, which is ours and was zeroed; `&mut self` keeps it exclusive.
        unsafe {
            let start = self.block.as_mut_ptr().add(index * self.size);
            core::slice::from_raw_parts_mut(start, self.size)
        }
    }
}

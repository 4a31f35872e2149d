//! The Arm PL011 UART (DDI 0183): polled output, interrupt-driven input.

use crate::arch::aarch64::mmu;
use crate::machine::Region;

// Register offsets (DDI 0183, table 3-1).
const DR: usize = 0x00;
const FR: usize = 0x18;
const CR: usize = 0x30;
const IMSC: usize = 0x38;
const ICR: usize = 0x44;

const FR_RECEIVE_EMPTY: u32 = 1 << 4;
const FR_TRANSMIT_FULL: u32 = 1 << 5;
const CR_ENABLE: u32 = 1 | 1 << 8 | 1 << 9;
/// A character has arrived; and, the FIFO not being full, none for a while.
const RECEIVE_INTERRUPTS: u32 = 1 << 4 | 1 << 6;

pub struct Pl011 {
    registers: *mut u8,
}

// SAFETY: device memory mapped for good. Output is serialised by the console's lock; input is
// read by the one interrupt handler.
unsafe impl Send for Pl011 {}
// SAFETY: as above.
unsafe impl Sync for Pl011 {}

impl Pl011 {
    /// Baud rate and line settings stay as the firmware left them.
    pub fn new(region: Region) -> Self {
        let uart = Self {
            registers: mmu::map_device(region.base, region.size),
        };
        uart.write(IMSC, 0);
        uart.write(CR, CR_ENABLE);
        uart
    }

    fn read(&self, register: usize) -> u32 {
        // SAFETY: mapped device memory; the offsets are the registers' named above.
        unsafe { self.registers.add(register).cast::<u32>().read_volatile() }
    }

    fn write(&self, register: usize, value: u32) {
        // SAFETY: as for `read`.
        unsafe {
            self.registers
                .add(register)
                .cast::<u32>()
                .write_volatile(value)
        }
    }

    pub fn send(&self, bytes: &[u8]) {
        for byte in bytes {
            while self.read(FR) & FR_TRANSMIT_FULL != 0 {
                percpu::spin_hint();
            }
            self.write(DR, u32::from(*byte));
        }
    }

    pub fn receive(&self) -> Option<u8> {
        if self.read(FR) & FR_RECEIVE_EMPTY != 0 {
            None
        } else {
            Some(self.read(DR) as u8)
        }
    }

    pub fn enable_receive_interrupt(&self) {
        self.write(ICR, 0x7ff);
        self.write(IMSC, RECEIVE_INTERRUPTS);
    }

    pub fn acknowledge_receive(&self) {
        self.write(ICR, RECEIVE_INTERRUPTS);
    }
}

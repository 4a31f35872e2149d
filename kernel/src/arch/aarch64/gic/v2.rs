//! GICv2 (Arm IHI 0048B): at most eight CPUs, memory-mapped CPU interfaces.
//!
//! Our own, because `arm-gic`'s version 2 half does not route shared interrupts, clobbers
//! neighbouring priorities and needs `&mut` to acknowledge.

use super::{Acknowledged, FIRST_SPI};
use crate::arch::aarch64::mmu;
use crate::machine::Region;
use arm_gic::Trigger;
use core::sync::atomic::{AtomicU8, Ordering};
use percpu::CpuId;
use smp::SpinLock;

// Distributor registers, byte offsets (IHI 0048B, table 4-1).
const GICD_CTLR: usize = 0x000;
const GICD_TYPER: usize = 0x004;
const GICD_ISENABLER: usize = 0x100;
const GICD_ICENABLER: usize = 0x180;
const GICD_IPRIORITYR: usize = 0x400;
const GICD_ITARGETSR: usize = 0x800;
const GICD_ICFGR: usize = 0xc00;
const GICD_SGIR: usize = 0xf00;
// CPU interface registers (table 4-2).
const GICC_CTLR: usize = 0x00;
const GICC_PMR: usize = 0x04;
const GICC_IAR: usize = 0x0c;
const GICC_EOIR: usize = 0x10;

const PRIORITY: u8 = 0x80;
/// GICD_SGIR.TargetListFilter: all CPU interfaces but the sender's.
const TO_ALL_OTHERS: u32 = 1 << 24;

/// A mapped register window.
#[derive(Clone, Copy)]
struct Window(*mut u8);

impl Window {
    fn read(self, offset: usize) -> u32 {
        // SAFETY: the window is device memory mapped for good; offsets are the named registers'.
        unsafe { self.0.add(offset).cast::<u32>().read_volatile() }
    }

    fn write(self, offset: usize, value: u32) {
        // SAFETY: as for `read`.
        unsafe { self.0.add(offset).cast::<u32>().write_volatile(value) }
    }

    /// Priority and target registers are byte-accessible.
    fn write_byte(self, offset: usize, value: u8) {
        // SAFETY: as for `read`.
        unsafe { self.0.add(offset).write_volatile(value) }
    }
}

pub struct GicV2 {
    distributor: Window,
    cpu_interface: Window,
    /// Serialises read-modify-write of shared configuration registers.
    configuration: SpinLock<()>,
    /// Each logical CPU's bit in target lists, learnt from its banked GICD_ITARGETSR0.
    targets: [AtomicU8; 8],
}

// SAFETY: the windows are device memory mapped for good; shared registers are written under
// `configuration`, the others are banked per CPU or write-one.
unsafe impl Send for GicV2 {}
// SAFETY: as above.
unsafe impl Sync for GicV2 {}

impl GicV2 {
    pub fn new(distributor: Region, cpu_interface: Region) -> Self {
        let gic = Self {
            distributor: Window(mmu::map_device(distributor.base, distributor.size)),
            cpu_interface: Window(mmu::map_device(cpu_interface.base, cpu_interface.size)),
            configuration: SpinLock::new(()),
            targets: [const { AtomicU8::new(0) }; 8],
        };
        let lines = 32 * ((gic.distributor.read(GICD_TYPER) as usize & 0x1f) + 1);
        gic.distributor.write(GICD_CTLR, 0);
        for block in FIRST_SPI as usize / 32..lines / 32 {
            gic.distributor.write(GICD_ICENABLER + 4 * block, u32::MAX);
        }
        gic.distributor.write(GICD_CTLR, 1);
        gic
    }

    pub fn init_cpu(&self) {
        let own = self.distributor.read(GICD_ITARGETSR) as u8;
        self.targets[percpu::cpu_id().index()].store(own, Ordering::Release);
        for id in 0..FIRST_SPI as usize {
            self.distributor.write_byte(GICD_IPRIORITYR + id, PRIORITY);
        }
        // SGIs on, PPIs off until a driver enables them.
        self.distributor.write(GICD_ICENABLER, 0xffff_0000);
        self.distributor.write(GICD_ISENABLER, 0x0000_ffff);
        self.cpu_interface.write(GICC_PMR, 0xff);
        self.cpu_interface.write(GICC_CTLR, 1);
    }

    pub fn leave_cpu(&self) {
        self.distributor.write(GICD_ICENABLER, 0xffff_0000);
        self.cpu_interface.write(GICC_CTLR, 0);
    }

    fn target_bit(&self, cpu: CpuId) -> u8 {
        self.targets
            .get(cpu.index())
            .map_or(0, |bit| bit.load(Ordering::Acquire))
    }

    pub fn send_sgi(&self, target: CpuId, sgi: u8) {
        let list = u32::from(self.target_bit(target)) << 16;
        self.distributor.write(GICD_SGIR, list | u32::from(sgi));
    }

    pub fn send_sgi_others(&self, sgi: u8) {
        self.distributor
            .write(GICD_SGIR, TO_ALL_OTHERS | u32::from(sgi));
    }

    pub fn acknowledge(&self) -> Option<Acknowledged> {
        let interrupt = Acknowledged(self.cpu_interface.read(GICC_IAR));
        (interrupt.intid() < 1020).then_some(interrupt)
    }

    pub fn end(&self, interrupt: Acknowledged) {
        self.cpu_interface.write(GICC_EOIR, interrupt.0);
    }

    pub fn enable(&self, intid: u32, trigger: Trigger, target: CpuId) {
        let id = intid as usize;
        let _configuration = self.configuration.lock();
        self.distributor.write_byte(GICD_IPRIORITYR + id, PRIORITY);
        self.set_trigger(id, trigger);
        if intid >= FIRST_SPI {
            self.distributor
                .write_byte(GICD_ITARGETSR + id, self.target_bit(target));
        }
        self.distributor
            .write(GICD_ISENABLER + 4 * (id / 32), 1 << (id % 32));
    }

    pub fn route(&self, intid: u32, target: CpuId) {
        let _configuration = self.configuration.lock();
        let register = GICD_ITARGETSR + intid as usize;
        self.distributor
            .write_byte(register, self.target_bit(target));
    }

    fn set_trigger(&self, id: usize, trigger: Trigger) {
        let register = GICD_ICFGR + 4 * (id / 16);
        let edge = 2u32 << (2 * (id % 16));
        let others = self.distributor.read(register) & !edge;
        let own = if trigger == Trigger::Edge { edge } else { 0 };
        self.distributor.write(register, others | own);
    }

    pub fn disable(&self, intid: u32) {
        let id = intid as usize;
        self.distributor
            .write(GICD_ICENABLER + 4 * (id / 32), 1 << (id % 32));
    }
}

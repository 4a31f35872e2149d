//! GICv3 through `arm-gic`: redistributors are found by affinity, one or more regions of them.

use super::{Acknowledged, FIRST_SPI};
use crate::arch::aarch64::{cpu, mmu};
use crate::machine::Region;
use alloc::vec::Vec;
use arm_gic::gicv3::registers::{Gicd, GicrSgi};
use arm_gic::gicv3::{
    GicCpuInterface, GicDistributor, GicRedistributor, GicRedistributorIterator, Group, SgiTarget,
    SgiTargetGroup,
};
use arm_gic::{IntId, InterruptGroup, Trigger, UniqueMmioPointer};
use core::ptr::NonNull;
use percpu::CpuId;
use smp::SpinLock;

/// Non-secure priority of every interrupt: one level, no nesting.
const PRIORITY: u8 = 0x80;

pub struct GicV3 {
    distributor: SpinLock<GicDistributor<'static>>,
    /// The first redistributor of each region the device tree names.
    redistributors: Vec<NonNull<GicrSgi>>,
}

// SAFETY: the redistributor pointers are device memory mapped for good; a CPU touches its own
// frame only, with IRQs masked.
unsafe impl Send for GicV3 {}
// SAFETY: as above.
unsafe impl Sync for GicV3 {}

fn intid(raw: u32) -> IntId {
    IntId::try_from(raw).expect("interrupt ids come from the device tree or from the controller")
}

fn mapped<T>(region: Region) -> NonNull<T> {
    NonNull::new(mmu::map_device(region.base, region.size).cast())
        .expect("device windows are not null")
}

impl GicV3 {
    pub fn new(distributor: Region, redistributors: &[Region]) -> Self {
        // SAFETY: the device tree says that the distributor's registers are here, and only this
        // driver maps them.
        let registers = unsafe { UniqueMmioPointer::new(mapped::<Gicd>(distributor)) };
        let mut distributor = GicDistributor::new(registers);
        distributor.configure_default_settings();
        distributor.enable_affinity_routing_non_secure(true);
        distributor.enable_group1_non_secure(true);
        Self {
            distributor: SpinLock::new(distributor),
            redistributors: redistributors
                .iter()
                .map(|region| mapped(*region))
                .collect(),
        }
    }

    pub fn init_cpu(&self) {
        GicCpuInterface::enable_system_register_el1();
        let mut own = self.own_redistributor();
        // An awake redistributor answers with an error, which is what is wanted.
        let _ = own.mark_core_awake();
        own.configure_default_settings();
        for sgi in 0..16 {
            own.enable_interrupt(IntId::sgi(sgi), true)
                .expect("SGIs exist");
        }
        GicCpuInterface::set_priority_mask(0xff);
        GicCpuInterface::enable_group1(true);
        // SAFETY: PMR and IGRPEN1 must take effect before interrupts are unmasked (Arm ARM,
        // "Synchronization requirements for AArch64 System registers").
        unsafe { core::arch::asm!("isb", options(nostack, preserves_flags)) };
    }

    pub fn leave_cpu(&self) {
        let mut own = self.own_redistributor();
        for ppi in 0..16 {
            own.enable_interrupt(IntId::ppi(ppi), false)
                .expect("PPIs exist");
        }
        GicCpuInterface::enable_group1(false);
    }

    /// The redistributor whose GICR_TYPER carries this CPU's affinity.
    fn own_redistributor(&self) -> GicRedistributor<'static> {
        let affinity = cpu::affinity();
        self.redistributors
            .iter()
            // SAFETY: each pointer starts a mapped region of redistributors that ends with the
            // one marked Last; only the frame of this CPU is written.
            .filter_map(|first| unsafe { GicRedistributorIterator::new(*first) }.ok())
            .flatten()
            .find(|frame| frame.typer().core_mpidr() == affinity)
            .expect("every running CPU has a redistributor")
    }

    pub fn send_sgi(&self, target: CpuId, sgi: u8) {
        let [affinity3, affinity2, affinity1, affinity0] = cpu::affinity_of(target);
        let target = SgiTarget::List {
            affinity3,
            affinity2,
            affinity1,
            target_list: 1 << (affinity0 & 0xf),
        };
        Self::send(target, sgi);
    }

    pub fn send_sgi_others(&self, sgi: u8) {
        Self::send(SgiTarget::All, sgi);
    }

    fn send(target: SgiTarget, sgi: u8) {
        GicCpuInterface::send_sgi(
            IntId::sgi(u32::from(sgi)),
            target,
            SgiTargetGroup::CurrentGroup1,
        )
        .expect("SGI ids are below 16");
        // SAFETY: completes the system register write before what follows, a `wfi` included.
        unsafe { core::arch::asm!("isb", options(nostack, preserves_flags)) };
    }

    pub fn acknowledge(&self) -> Option<Acknowledged> {
        GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1)
            .map(|id| Acknowledged(id.raw_value()))
            .filter(|interrupt| interrupt.intid() < 1020)
    }

    pub fn end(&self, interrupt: Acknowledged) {
        GicCpuInterface::end_interrupt(intid(interrupt.0), InterruptGroup::Group1);
    }

    pub fn enable(&self, raw: u32, trigger: Trigger, target: CpuId) {
        let id = intid(raw);
        let settings = if raw < FIRST_SPI {
            self.enable_private(id, trigger)
        } else {
            self.enable_shared(id, trigger, cpu::mpidr_of(target))
        };
        settings.expect("interrupt ids come from the device tree");
    }

    fn enable_private(&self, id: IntId, trigger: Trigger) -> Result<(), arm_gic::gicv3::GicError> {
        let mut own = self.own_redistributor();
        own.set_group(id, Group::Group1NS)?;
        own.set_interrupt_priority(id, PRIORITY)?;
        own.set_trigger(id, trigger)?;
        own.enable_interrupt(id, true)
    }

    fn enable_shared(
        &self,
        id: IntId,
        trigger: Trigger,
        mpidr: u64,
    ) -> Result<(), arm_gic::gicv3::GicError> {
        let mut distributor = self.distributor.lock();
        distributor.set_group(id, Group::Group1NS)?;
        distributor.set_interrupt_priority(id, PRIORITY)?;
        distributor.set_trigger(id, trigger)?;
        distributor.set_routing(id, Some(mpidr))?;
        distributor.enable_interrupt(id, true)
    }

    pub fn route(&self, raw: u32, target: CpuId) {
        let mut distributor = self.distributor.lock();
        distributor
            .set_routing(intid(raw), Some(cpu::mpidr_of(target)))
            .expect("the interrupt was enabled before");
    }

    pub fn disable(&self, raw: u32) {
        let settings = if raw < FIRST_SPI {
            self.own_redistributor().enable_interrupt(intid(raw), false)
        } else {
            self.distributor.lock().enable_interrupt(intid(raw), false)
        };
        settings.expect("interrupt ids come from the device tree");
    }
}

//! Starting the other CPUs: what a CPU needs before its first Rust line, and PSCI CPU_ON.

use super::{cpu, mmu, psci, stack};
use crate::machine;
use aarch64_cpu::registers::{Readable, TTBR1_EL1};
use alloc::boxed::Box;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use mm::kernel_space::Stack;
use percpu::{CpuId, cpu_local};

/// What `boot.S` reads, MMU off, on the CPU being started.
#[repr(C)]
pub struct SecondaryContext {
    pub stack: usize,
    /// Its logical number, x0 of `weft_boot_secondary`.
    pub cpu: usize,
    /// Physical address of the kernel's table (TTBR1).
    pub kernel_table: u64,
}

/// Why a CPU stays off.
#[derive(Debug)]
pub enum StartError {
    /// Its enable-method is not PSCI.
    NoMethod,
    OutOfMemory,
    Firmware(psci::Error),
}

impl From<mm::OutOfMemory> for StartError {
    fn from(_: mm::OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// Makes the per-CPU area and overflow stack of a CPU that never ran.
fn prepare(cpu: CpuId) -> Result<(), StartError> {
    if !percpu::is_present(cpu) {
        let order = percpu::area_size()
            .div_ceil(mm::PAGE_SIZE)
            .next_power_of_two()
            .ilog2();
        let area = mm::frame::alloc_contiguous(order as usize)?;
        let base = area.as_mut_ptr();
        area.into_raw();
        // SAFETY: the block is large enough, never freed, and the CPU is off.
        unsafe { percpu::init_area(cpu, base) };
        stack::init_overflow(cpu)?;
    }
    Ok(())
}

/// Asks the firmware to start `cpu`, which then goes through `boot.S` to `weft_boot_secondary`.
/// One caller at a time per CPU.
pub fn start(cpu: CpuId) -> Result<(), StartError> {
    let node = &machine::get().cpus[cpu.index()];
    if !node.psci {
        return Err(StartError::NoMethod);
    }
    prepare(cpu)?;
    let context = mm::phys_map::physical(context_of(cpu)?.cast::<u8>()).as_u64();
    psci::cpu_on(node.mpidr, mmu::secondary_entry(), context).map_err(StartError::Firmware)
}

cpu_local! {
    /// What the CPU starts from, each time: made once.
    static CONTEXT: AtomicPtr<SecondaryContext> = AtomicPtr::new(ptr::null_mut());
}

/// The CPU's starting point. Its stack is its own for good: the idle thread's.
fn context_of(cpu: CpuId) -> Result<*const SecondaryContext, StartError> {
    let known = CONTEXT.remote(cpu).load(Ordering::Acquire);
    if !known.is_null() {
        return Ok(known);
    }
    let stack = Stack::new()?;
    let context = Box::leak(Box::new(SecondaryContext {
        stack: stack.top().as_usize(),
        cpu: cpu.index(),
        kernel_table: kernel_table(),
    }));
    core::mem::forget(stack);
    let pointer = ptr::from_mut(context);
    cpu::clean_to_memory(pointer.cast_const().cast(), size_of::<SecondaryContext>());
    CONTEXT.remote(cpu).store(pointer, Ordering::Release);
    Ok(pointer)
}

fn kernel_table() -> u64 {
    const ADDRESS: u64 = 0x0000_ffff_ffff_fffe;
    TTBR1_EL1.get() & ADDRESS
}

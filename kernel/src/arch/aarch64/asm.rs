//! The assembly files; offsets and constants come from the Rust items they mirror.

use super::mmu;
use super::secondary::SecondaryContext;
use super::stack::{OVERFLOW_STACK_TOP, SAVED_SIZE, STACK_SHIFT};
use crate::arch::{FpRegisters, TrapFrame};
use crate::process::exec::vdso::ClockPage;
use core::arch::global_asm;
use core::mem::offset_of;

global_asm!(
    include_str!("boot.S"),
    CONTEXT_STACK = const offset_of!(SecondaryContext, stack),
    CONTEXT_TTBR1 = const offset_of!(SecondaryContext, kernel_table),
    MAIR = const mm::page_table::MAIR,
    TCR = const mmu::TCR,
    SCTLR = const mmu::SCTLR,
);

global_asm!(
    include_str!("vectors.S"),
    FRAME_SIZE = const size_of::<TrapFrame>(),
    X = const offset_of!(TrapFrame, x),
    SP = const offset_of!(TrapFrame, sp),
    PC = const offset_of!(TrapFrame, pc),
    ESR = const offset_of!(TrapFrame, esr),
    STACK_SHIFT = const STACK_SHIFT,
    OVERFLOW_STACK_TOP = sym OVERFLOW_STACK_TOP,
);

global_asm!(include_str!("switch.S"), SAVED_SIZE = const SAVED_SIZE);
global_asm!(include_str!("usercopy.S"));
global_asm!(include_str!("memory.S"));
global_asm!(
    include_str!("vdso.S"),
    NS_PER_TICK = const offset_of!(ClockPage, ns_per_tick),
    REAL_OFFSET_NS = const offset_of!(ClockPage, real_offset_ns),
);
global_asm!(
    include_str!("fp.S"),
    FPSR = const offset_of!(FpRegisters, fpsr),
    FPCR = const offset_of!(FpRegisters, fpcr),
);

//! This CPU: who it is, what it can do, how it waits.
//!
//! Features are read from the ID registers of every CPU that starts; what one of them lacks, user
//! space is not promised (HWCAP).

use super::psci;
use crate::machine;
use aarch64_cpu::asm::{barrier, wfi};
use aarch64_cpu::registers::{
    CNTKCTL_EL1, ID_AA64ISAR0_EL1, ID_AA64ISAR1_EL1, ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1,
    ID_AA64MMFR2_EL1, ID_AA64PFR0_EL1, MPIDR_EL1, Readable, Writeable,
};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use percpu::CpuId;

/// The affinity fields of MPIDR_EL1.
const AFFINITY: u64 = 0xff_00ff_ffff;

/// This CPU's MPIDR affinity.
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & AFFINITY
}

/// The MPIDR affinity of a logical CPU.
pub fn mpidr_of(cpu: CpuId) -> u64 {
    machine::get().mpidr(cpu)
}

/// The affinity of a logical CPU as its four fields, Aff3 first.
pub fn affinity_of(cpu: CpuId) -> [u8; 4] {
    let mpidr = mpidr_of(cpu);
    [mpidr >> 32, mpidr >> 16, mpidr >> 8, mpidr].map(|field| field as u8)
}

/// HWCAP words, as in the auxiliary vector (getauxval(3)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    pub hwcap: u64,
    pub hwcap2: u64,
}

static HWCAP: AtomicU64 = AtomicU64::new(u64::MAX);
static HWCAP2: AtomicU64 = AtomicU64::new(u64::MAX);
static ASID_BITS: AtomicU32 = AtomicU32::new(16);
static PAN: AtomicBool = AtomicBool::new(false);

/// What every CPU started so far has.
pub fn features() -> Features {
    Features {
        hwcap: HWCAP.load(Ordering::Relaxed),
        hwcap2: HWCAP2.load(Ordering::Relaxed),
    }
}

pub fn asid_bits() -> u32 {
    ASID_BITS.load(Ordering::Relaxed)
}

/// Whether PSTATE.PAN exists. Boot enables it per CPU; a machine has it on all of them.
pub fn has_pan() -> bool {
    PAN.load(Ordering::Relaxed)
}

/// Sets up the running CPU beyond what `boot.S` needed to: EL0's view of counters, features.
pub fn init() {
    let own = read_features();
    HWCAP.fetch_and(own.hwcap, Ordering::Relaxed);
    HWCAP2.fetch_and(own.hwcap2, Ordering::Relaxed);
    let asid_bits = if ID_AA64MMFR0_EL1.get() >> 4 & 0xf == 2 {
        16
    } else {
        8
    };
    ASID_BITS.fetch_min(asid_bits, Ordering::Relaxed);
    PAN.store(ID_AA64MMFR1_EL1.get() >> 20 & 0xf != 0, Ordering::Relaxed);
    // EL0 reads the virtual counter; it has no other access to timers.
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    barrier::isb(barrier::SY);
}

/// One HWCAP bit: a 4-bit field of an ID register that must reach a value.
struct Capability {
    shift: u32,
    at_least: u64,
    bit: u32,
}

const fn capability(shift: u32, at_least: u64, bit: u32) -> Capability {
    Capability {
        shift,
        at_least,
        bit,
    }
}

/// ID_AA64ISAR0_EL1 to HWCAP (Linux, Documentation/arch/arm64/elf_hwcaps.rst).
const ISAR0: &[Capability] = &[
    capability(4, 1, 3),   // AES
    capability(4, 2, 4),   // PMULL
    capability(8, 1, 5),   // SHA1
    capability(12, 1, 6),  // SHA2
    capability(12, 2, 21), // SHA512
    capability(16, 1, 7),  // CRC32
    capability(20, 2, 8),  // ATOMICS
    capability(28, 1, 12), // ASIMDRDM
    capability(32, 1, 17), // SHA3
    capability(36, 1, 18), // SM3
    capability(40, 1, 19), // SM4
    capability(44, 1, 20), // ASIMDDP
    capability(48, 1, 23), // ASIMDFHM
    capability(52, 1, 27), // FLAGM
];

/// ID_AA64ISAR1_EL1 to HWCAP.
const ISAR1: &[Capability] = &[
    capability(0, 1, 16),  // DCPOP
    capability(12, 1, 13), // JSCVT
    capability(16, 1, 14), // FCMA
    capability(20, 1, 15), // LRCPC
    capability(20, 2, 26), // ILRCPC
    capability(36, 1, 29), // SB
];

/// ID_AA64ISAR0_EL1 and ID_AA64ISAR1_EL1 to HWCAP2.
const ISAR0_2: &[Capability] = &[capability(52, 2, 7), capability(60, 1, 16)]; // FLAGM2, RNG
const ISAR1_2: &[Capability] = &[
    capability(0, 2, 0),   // DCPODP
    capability(32, 1, 8),  // FRINT
    capability(44, 1, 14), // BF16
    capability(52, 1, 13), // I8MM
];

fn select(register: u64, table: &[Capability]) -> u64 {
    let present = |entry: &&Capability| register >> entry.shift & 0xf >= entry.at_least;
    table
        .iter()
        .filter(present)
        .fold(0, |bits, entry| bits | 1 << entry.bit)
}

fn read_features() -> Features {
    const FP_ASIMD: u64 = 0b11;
    const FPHP_ASIMDHP: u64 = 0b11 << 9;
    let (isar0, isar1) = (ID_AA64ISAR0_EL1.get(), ID_AA64ISAR1_EL1.get());
    let pfr0 = ID_AA64PFR0_EL1.get();
    // FP and AdvSIMD: 0 plain, 1 with half precision, 0xf none; they come together.
    let floating = match pfr0 >> 16 & 0xf {
        0 => FP_ASIMD,
        1 => FP_ASIMD | FPHP_ASIMDHP,
        _ => 0,
    };
    let timing = select(pfr0, &[capability(48, 1, 24)]); // DIT
    let unaligned = select(ID_AA64MMFR2_EL1.get(), &[capability(32, 1, 25)]); // USCAT
    Features {
        hwcap: floating | timing | unaligned | select(isar0, ISAR0) | select(isar1, ISAR1),
        hwcap2: select(isar0, ISAR0_2) | select(isar1, ISAR1_2),
    }
}

/// Waits for an interrupt, which may be masked: it stays pending.
pub fn wait_for_interrupt() {
    // Stores are complete before: another CPU may wait for them.
    barrier::dsb(barrier::SY);
    wfi();
}

/// The same deeper, in the firmware's state `parameter`; false if it refuses.
pub fn suspend(parameter: u32) -> bool {
    barrier::dsb(barrier::SY);
    psci::suspend(parameter)
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    percpu::irq::mask_for_good();
    loop {
        wait_for_interrupt();
    }
}

/// Lets instruction fetch on every CPU see what was written to `start..start + length`.
pub fn sync_instructions(start: *const u8, length: usize) {
    let line_sizes = cache_type();
    let data_line = 4usize << (line_sizes >> 16 & 0xf);
    let instruction_line = 4usize << (line_sizes & 0xf);
    for_each_line(start.addr(), length, data_line, |line| {
        // SAFETY: cleaning a mapped line changes no value.
        unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
    });
    barrier::dsb(barrier::ISH);
    for_each_line(start.addr(), length, instruction_line, |line| {
        // SAFETY: instruction lines are fetched again when needed.
        unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
    });
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}

/// Writes `start..start + length` back to memory, for a CPU whose caches are still off.
pub fn clean_to_memory(start: *const u8, length: usize) {
    let line_size = 4usize << (cache_type() >> 16 & 0xf);
    for_each_line(start.addr(), length, line_size, |line| {
        // SAFETY: cleaning a mapped line changes no value.
        unsafe { asm!("dc cvac, {}", in(reg) line, options(nostack, preserves_flags)) };
    });
    barrier::dsb(barrier::SY);
}

/// CTR_EL0, which `aarch64-cpu` does not have.
fn cache_type() -> u64 {
    let value: u64;
    // SAFETY: reading an identification register has no effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn for_each_line(start: usize, length: usize, line_size: usize, mut action: impl FnMut(usize)) {
    let mut line = start & !(line_size - 1);
    while line < start + length {
        action(line);
        line += line_size;
    }
}

/// A context synchronization event: unmasked interrupts are taken here at the latest.
pub fn synchronize() {
    barrier::isb(barrier::SY);
}

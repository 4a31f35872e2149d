//! The PL031 real-time clock (Arm DDI 0224): seconds since 1970, read once at boot.

use crate::arch::aarch64::mmu;
use crate::machine::Region;
use crate::time;

/// Sets the real clock from the RTC's data register, which is its first.
pub fn set_clock(registers: Region) {
    let data = mmu::map_device(registers.base, registers.size).cast::<u32>();
    // SAFETY: the device tree names a PL031 here; RTCDR is a readable 32-bit register at offset 0.
    let seconds = unsafe { data.read_volatile() };
    time::set_realtime_ns(u64::from(seconds) * time::NANOSECONDS);
}

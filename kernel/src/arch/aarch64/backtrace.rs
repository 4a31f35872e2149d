//! Walking the chain of frame records (AAPCS64 6.4.6): x29 points to the caller's {x29, x30}.
//!
//! Every address is checked before it is read, so that a broken chain ends the walk instead of
//! faulting again in the middle of a panic.

use crate::arch::TrapFrame;
use core::arch::asm;
use core::mem::offset_of;

unsafe extern "C" {
    fn weft_kernel_synchronous_return();
    fn weft_kernel_irq_return();
}

const MAX_FRAMES: usize = 48;

/// Length of a call instruction: the return address minus this is the call.
const CALL: u64 = 4;

/// The frame record of the function this is inlined into.
#[inline(always)]
pub fn own_record() -> u64 {
    let record: u64;
    // SAFETY: reads the frame pointer.
    unsafe { asm!("mov {}, x29", out(reg) record, options(nomem, nostack, preserves_flags)) };
    record
}

/// Calls `visit` with the call instruction in each caller of this function, innermost first.
pub fn here(visit: impl FnMut(u64)) {
    walk(own_record(), visit);
}

/// As [`here`], for another CPU that has stopped and left its frame record.
pub fn from_record(record: u64, visit: impl FnMut(u64)) {
    walk(record, visit);
}

/// Calls `visit` with the interrupted instruction and the calls that led to its function.
pub fn of_frame(frame: &TrapFrame, mut visit: impl FnMut(u64)) {
    visit(frame.pc);
    if !frame.from_user() {
        walk(frame.x[29], visit);
    }
}

fn walk(mut record: u64, mut visit: impl FnMut(u64)) {
    for _ in 0..MAX_FRAMES {
        let Some([next, return_address]) = read_record(record) else {
            return;
        };
        if return_address == 0 {
            return;
        }
        visit(return_address - CALL);
        if is_exception_return(return_address)
            && let Some(pc) = interrupted_pc(next)
        {
            visit(pc);
        }
        // The chain of one stack goes up; an overflow stack's continues elsewhere.
        if next == record {
            return;
        }
        record = next;
    }
}

fn is_exception_return(address: u64) -> bool {
    let labels = [
        weft_kernel_synchronous_return as *const (),
        weft_kernel_irq_return as *const (),
    ];
    labels.iter().any(|label| label.addr() as u64 == address)
}

/// The vectors' frame record is the x29, x30 of a trap frame; the interrupted PC is beside it.
fn interrupted_pc(record: u64) -> Option<u64> {
    let frame = record.checked_sub((offset_of!(TrapFrame, x) + 29 * 8) as u64)?;
    let [pc, _] = read_record(frame + offset_of!(TrapFrame, pc) as u64)?;
    Some(pc)
}

/// Reads two words, if `address` is mapped kernel memory (asked of the MMU, not assumed).
fn read_record(address: u64) -> Option<[u64; 2]> {
    if !address.is_multiple_of(8) || !is_readable(address) || !is_readable(address + 8) {
        return None;
    }
    // SAFETY: the MMU translates both words for reading.
    Some(unsafe {
        core::ptr::with_exposed_provenance::<[u64; 2]>(address as usize).read_volatile()
    })
}

/// Whether the kernel may read `address`: AT S1E1R, then PAR_EL1.F. IRQs are masked, for a switch
/// does not keep PAR_EL1.
pub fn is_readable(address: u64) -> bool {
    let _masked = percpu::irq::mask();
    const KERNEL_HALF: u64 = 0xffff << 48;
    let outcome: u64;
    // SAFETY: a translation without an access; the result register is nobody's.
    unsafe {
        asm!("at s1e1r, {}", "isb", "mrs {}, par_el1", in(reg) address, out(reg) outcome, options(nostack, preserves_flags))
    };
    address >= KERNEL_HALF && outcome & 1 == 0
}

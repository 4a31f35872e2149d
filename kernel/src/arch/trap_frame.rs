//! The registers of a thread that entered the kernel, as the vectors lay them out on its stack.

/// Everything an exception may change, plus why it happened.
///
/// `vectors.S` takes its offsets from this type (`offset_of!`); the stack pointer points at it, so
/// place and size are multiples of 16.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapFrame {
    pub x: [u64; 31],
    /// SP_EL0 for an exception from user mode; the interrupted SP for one from the kernel.
    pub sp: u64,
    /// ELR_EL1: where the exception returns to.
    pub pc: u64,
    /// SPSR_EL1.
    pub pstate: u64,
    /// ESR_EL1 and FAR_EL1 as the vector found them; nothing restores them.
    pub esr: u64,
    pub far: u64,
}

/// The PSTATE bits that user space may choose: condition flags, and SSBS/DIT/TCO left out.
const USER_PSTATE: u64 = 0xf000_0000;

impl TrapFrame {
    /// A frame that starts user code at `pc` with stack `sp`, everything else zero.
    pub fn user(pc: u64, sp: u64) -> Self {
        Self {
            pc,
            sp,
            ..Self::default()
        }
    }

    /// Whether the exception is `svc` (Arm ARM D17.2.37: ESR's exception class).
    #[inline(always)]
    pub fn is_system_call(&self) -> bool {
        const SVC64: u64 = 0x15;
        self.esr >> 26 == SVC64
    }

    /// The system call's number (x8).
    pub fn number(&self) -> usize {
        self.x[8] as usize
    }

    /// The `index`th system-call argument (x0 to x5).
    pub fn argument(&self, index: usize) -> usize {
        self.x[index] as usize
    }

    pub fn set_result(&mut self, value: usize) {
        self.x[0] = value as u64;
    }

    /// Whether the exception came from user mode (EL0).
    pub fn from_user(&self) -> bool {
        self.pstate & 0b1111 == 0
    }

    /// Takes flags from user space (sigreturn, ptrace): never a mode or a mask bit.
    pub fn set_user_pstate(&mut self, pstate: u64) {
        self.pstate = pstate & USER_PSTATE;
    }
}

/// The FP/SIMD registers, in the order of `struct user_fpsimd_state` (Linux).
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FpRegisters {
    pub v: [u128; 32],
    pub fpsr: u32,
    pub fpcr: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_flags_cannot_raise_privilege() {
        let mut frame = TrapFrame::user(0x1000, 0x2000);
        frame.set_user_pstate(u64::MAX);
        assert!(frame.from_user());
        assert_eq!(frame.pstate, 0xf000_0000);
    }
}

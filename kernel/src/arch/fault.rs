//! What an exception was about: the syndrome (ESR_EL1, Arm ARM D24.2.40) in words.

/// ESR_EL1 and FAR_EL1 of one exception, captured before anything could overwrite them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub esr: u64,
    pub far: u64,
}

/// Exception classes the kernel tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultClass {
    SystemCall,
    /// FP/SIMD, which is shut (CPACR_EL1).
    FpAccess,
    InstructionAbort,
    DataAbort,
    PcAlignment,
    SpAlignment,
    FloatingPoint,
    Breakpoint,
    SingleStep,
    Watchpoint,
    /// `brk` from user code.
    BreakInstruction,
    /// MSR, MRS or a system instruction that is not for EL0.
    SystemRegister,
    /// Undefined instructions and everything else.
    Undefined,
}

impl Fault {
    pub fn class(self) -> FaultClass {
        match self.esr >> 26 & 0x3f {
            0x07 => FaultClass::FpAccess,
            0x15 => FaultClass::SystemCall,
            0x18 => FaultClass::SystemRegister,
            0x20 | 0x21 => FaultClass::InstructionAbort,
            0x24 | 0x25 => FaultClass::DataAbort,
            0x22 => FaultClass::PcAlignment,
            0x26 => FaultClass::SpAlignment,
            0x28 | 0x2c => FaultClass::FloatingPoint,
            0x30 | 0x31 => FaultClass::Breakpoint,
            0x32 | 0x33 => FaultClass::SingleStep,
            0x34 | 0x35 => FaultClass::Watchpoint,
            0x3c => FaultClass::BreakInstruction,
            _ => FaultClass::Undefined,
        }
    }

    /// The address that faulted, without its tag: the top byte of a user address, which loads and
    /// stores ignore (TCR_EL1.TBI0) but FAR_EL1 keeps.
    pub fn address(self) -> usize {
        let address = self.far as usize;
        if address & 1 << 55 == 0 {
            address & ((1 << 56) - 1)
        } else {
            address
        }
    }

    /// Whether the access was a write. A cache maintenance instruction counts as a read: the
    /// architecture reports it as a write, but it needs no write permission.
    pub fn is_write(self) -> bool {
        const WNR: u64 = 1 << 6;
        const CACHE_MAINTENANCE: u64 = 1 << 8;
        self.class() == FaultClass::DataAbort
            && self.esr & WNR != 0
            && self.esr & CACHE_MAINTENANCE == 0
    }

    pub fn is_execute(self) -> bool {
        self.class() == FaultClass::InstructionAbort
    }

    /// A missing translation or a missing access flag: a page may be brought in.
    pub fn is_translation(self) -> bool {
        matches!(self.esr & 0x3c, 0x04 | 0x08)
    }

    /// A present page that does not allow the access (copy-on-write, or a real violation).
    pub fn is_permission(self) -> bool {
        self.esr & 0x3c == 0x0c
    }

    /// An unaligned access that the memory type or the instruction does not allow.
    pub fn is_alignment(self) -> bool {
        self.esr & 0x3f == 0x21
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_real_syndromes() {
        let write = Fault {
            esr: 0x9200_0047,
            far: 0,
        };
        assert_eq!(write.class(), FaultClass::DataAbort);
        assert!(write.is_write() && write.is_translation() && !write.is_permission());
        let fetch = Fault {
            esr: 0x8200_000f,
            far: 0,
        };
        assert!(fetch.is_execute() && fetch.is_permission());
        assert_eq!(
            Fault {
                esr: 0x5600_0000,
                far: 0
            }
            .class(),
            FaultClass::SystemCall
        );
    }

    #[test]
    fn tags_are_not_part_of_an_address() {
        let address = |far| Fault { esr: 0, far }.address();
        assert_eq!(address(0xab00_1234_5678_9abc), 0x1234_5678_9abc);
        assert_eq!(address(0xffff_8000_0000_1000), 0xffff_8000_0000_1000);
    }
}

//! What the compiler made of the kernel, instruction by instruction (Arm ARM C4.1).
//!
//! The kernel runs on every AArch64 CPU from v8.0 on, so its atomics are LL/SC loops: LSE, which a
//! Cortex-A72 lacks, would have to be chosen at run time, at the cost of a call or a patch for
//! each. Programs may use LSE where the ID registers offer it.

use super::report::Report;
use crate::Result;
use elf::{ElfBytes, abi::SHF_EXECINSTR, endian::LittleEndian};

const WFI: u32 = 0xd503_207f;
const ERET: u32 = 0xd69f_03e0;

pub fn all(report: &mut Report) {
    let kernel = std::env::var("KERNEL_ELF")
        .unwrap_or_else(|_| "target/aarch64-unknown-none-softfloat/kernel/weft".into());
    let code = match crate::read_file(kernel.as_ref()).and_then(|bytes| instructions(&bytes)) {
        Ok(code) => code,
        Err(why) => return report.record("kernel has code", Err(why)),
    };
    report.test("atomics need no LSE", || nowhere(&code, &[], is_lse));
    report.test("no wfi after unmasking interrupts", || {
        nowhere(&code, &[WFI], unmasks_interrupts)
    });
    report.test("no eret after unmasking interrupts", || {
        nowhere(&code, &[ERET], unmasks_interrupts)
    });
}

/// The executable sections: address and instructions of each.
fn instructions(bytes: &[u8]) -> Result<Vec<(u64, Vec<u32>)>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|error| error.to_string())?;
    let sections = file.section_headers().ok_or("no section headers")?;
    let code = sections
        .iter()
        .filter(|section| section.sh_flags & u64::from(SHF_EXECINSTR) != 0);
    code.map(|section| {
        let (bytes, _) = file
            .section_data(&section)
            .map_err(|error| error.to_string())?;
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        Ok((section.sh_addr, bytes.chunks_exact(4).map(word).collect()))
    })
    .collect()
}

/// Fails where `found` holds for an instruction; with `before`, only shortly before one of those,
/// which there must be.
fn nowhere(code: &[(u64, Vec<u32>)], before: &[u32], found: fn(u32) -> bool) -> Result<()> {
    const SHORTLY: usize = 8;
    let mut anchors = 0;
    for (start, words) in code {
        for (index, &word) in words.iter().enumerate() {
            let anchor = before.is_empty() || before.contains(&word);
            anchors += usize::from(anchor);
            let first = if before.is_empty() {
                index
            } else {
                index.saturating_sub(SHORTLY)
            };
            if anchor && let Some(&bad) = words[first..=index].iter().find(|&&word| found(word)) {
                return Err(format!(
                    "{bad:#x} at or before {:#x}",
                    start + 4 * index as u64
                ));
            }
        }
    }
    if anchors == 0 {
        Err("nothing to look at".into())
    } else {
        Ok(())
    }
}

/// FEAT_LSE: atomic memory operations and compare-and-swap (and what later versions put beside).
fn is_lse(word: u32) -> bool {
    let memory_operation = word & 0x3f20_0c00 == 0x3820_0000;
    let compare_and_swap = word & 0x3fa0_7c00 == 0x08a0_7c00;
    let pair = word & 0xbfa0_7c00 == 0x0820_7c00;
    memory_operation || compare_and_swap || pair
}

/// `msr daifclr, #n`.
fn unmasks_interrupts(word: u32) -> bool {
    word & 0xffff_f0ff == 0xd503_40ff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lse_is_told_from_the_rest() {
        // ldadd, swpal, ldapr, casal, casp.
        for word in [
            0xb820_0041,
            0xb8e0_8041,
            0xb8bf_c041,
            0x88e0_fc41,
            0x4820_7c82,
        ] {
            assert!(is_lse(word), "{word:#x}");
        }
        // stxr, ldaxr, stlxp, ldr (register), ldur, stlr, add.
        for word in [
            0x8803_7c41,
            0x885f_fc41,
            0x8823_8c41,
            0xb862_6820,
            0xb840_1020,
            0x889f_fc41,
            0x0b01_0000,
        ] {
            assert!(!is_lse(word), "{word:#x}");
        }
    }

    #[test]
    fn the_fault_is_found() {
        let unmask = 0xd503_42ff;
        let code = |words: &[u32]| vec![(0x1000, words.to_vec())];
        assert!(
            nowhere(
                &code(&[unmask, 0x0b01_0000, WFI]),
                &[WFI],
                unmasks_interrupts
            )
            .is_err()
        );
        assert!(nowhere(&code(&[WFI, unmask]), &[WFI], unmasks_interrupts).is_ok());
        assert!(
            nowhere(&code(&[unmask]), &[WFI], unmasks_interrupts).is_err(),
            "no wfi at all"
        );
    }
}

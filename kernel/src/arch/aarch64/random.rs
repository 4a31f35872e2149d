//! The processor's random number generator (FEAT_RNG), where there is one.

use core::arch::asm;

/// A word from RNDR; `None` if this CPU has no generator, or it has nothing to give now.
pub fn random_word() -> Option<u64> {
    let features: u64;
    // SAFETY: reading an identification register has no effect.
    unsafe {
        asm!("mrs {}, id_aa64isar0_el1", out(reg) features, options(nomem, nostack, preserves_flags))
    };
    if features >> 60 == 0 {
        return None;
    }
    let (word, given): (u64, u64);
    // SAFETY: the feature is there. RNDR (S3_3_C2_C4_0) sets Z when it has failed.
    unsafe {
        asm!("mrs {}, s3_3_c2_c4_0", "cset {}, ne", out(reg) word, out(reg) given, options(nomem, nostack))
    };
    (given != 0).then_some(word)
}

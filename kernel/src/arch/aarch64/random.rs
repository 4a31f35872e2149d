//! The processor's random number generator (FEAT_RNG), where there is one.

use aarch64_cpu::asm::random::ArmRng;

/// A word from RNDR; `None` if this CPU has no generator, or it has nothing to give now.
pub fn random_word() -> Option<u64> {
    ArmRng::new()?.rndr()
}

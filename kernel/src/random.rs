//! Random numbers for getrandom(2), /dev/urandom, address layout and hash seeds.
//!
//! ChaCha20, keyed anew from its own output and whatever entropy arrives: the RNDR instruction and
//! the timer's jitter at first use, a hardware generator's bytes later ([`add_entropy`]).

use crate::arch;
use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use smp::SpinLock;

const SEED_SIZE: usize = 32;
/// How often the clock is read for its jitter at first use.
const JITTER_READS: usize = 256;

static GENERATOR: SpinLock<Option<ChaCha20Rng>> = SpinLock::new(None);

/// Fills `bytes` with random ones. Any context.
pub fn fill(bytes: &mut [u8]) {
    // In pieces: the lock masks interrupts.
    for piece in bytes.chunks_mut(256) {
        GENERATOR.lock().get_or_insert_with(first).fill_bytes(piece);
    }
}

pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Mixes `bytes` in. They need not be good: a bad source takes nothing away.
pub fn add_entropy(bytes: &[u8]) {
    let mut generator = GENERATOR.lock();
    let own = generator.get_or_insert_with(first);
    for piece in bytes.chunks(SEED_SIZE) {
        let mut seed = [0; SEED_SIZE];
        own.fill_bytes(&mut seed);
        seed.iter_mut()
            .zip(piece)
            .for_each(|(own, new)| *own ^= new);
        *own = ChaCha20Rng::from_seed(seed);
    }
}

/// The first key: from the processor's generator if it has one, and jitter.
fn first() -> ChaCha20Rng {
    let mut seed = [0u64; SEED_SIZE / 8];
    for index in 0..JITTER_READS {
        let word = &mut seed[index % (SEED_SIZE / 8)];
        let fresh = arch::random_word().unwrap_or(0) ^ arch::now_ns();
        *word = (word.rotate_left(7) ^ fresh).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let mut bytes = [0; SEED_SIZE];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(seed) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha20Rng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_never_repeats() {
        let mut seen: Vec<u64> = (0..1000).map(|_| u64()).collect();
        add_entropy(b"something");
        seen.extend((0..1000).map(|_| u64()));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 2000);
    }

    #[test]
    fn every_byte_is_filled() {
        let mut all = [0u8; 1000];
        for _ in 0..4 {
            let mut bytes = [0; 1000];
            fill(&mut bytes);
            all.iter_mut()
                .zip(bytes)
                .for_each(|(all, byte)| *all |= byte);
        }
        assert!(all.iter().filter(|byte| **byte == 0).count() < 10);
    }
}

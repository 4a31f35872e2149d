//! The scheduler's protocol under shuttle: 4 to 8 CPUs do random things in random schedules.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p smp --release --test shuttle`. Where loom tries every
//! schedule of two or three CPUs, shuttle tries many of a whole machine; it takes all atomics for
//! sequentially consistent, so it searches the protocol and says nothing about orderings.
//! A failure names its seed; `WEFT_SEED=seed` runs that search alone.
#![cfg(shuttle)]

mod chaos;
mod machine;
mod search;

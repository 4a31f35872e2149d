//! Model checking: every interleaving and every allowed reordering of two or three threads.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p smp --release --test loom`. Each model also has
//! mutants, faults switched on by name, that must make it fail.
#![cfg(loom)]

mod blocking;
mod groups;
mod handing_on;
mod harness;
mod inheritance;
mod machine;
mod offline;
mod parameters;
mod scheduler;
mod telling;
mod timers;
mod trace;

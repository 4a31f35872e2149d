//! A virtual machine for schedulers: the real one of `smp`, and others to compare it with.
//!
//! Discrete events, virtual nanoseconds, one host thread per machine, the same digits for the
//! same seed. Layers, each using only those above it:
//! * [`random`], [`histogram`], [`calendar`], [`costs`]: numbers;
//! * [`hardware`]: clocks, timers, interrupts between CPUs, what an action costs;
//! * [`policy`]: what a scheduler is to the machine; the real one and its rivals;
//! * [`workload`]: what threads do and what comes from outside;
//! * [`machine`]: CPUs that run threads under a policy, and what is measured meanwhile;
//! * [`experiment`], [`plot`], [`report`], [`gallery`]: many machines, bands over seeds, pictures;
//! * [`check`]: the same threads as a guest's, figure by figure.
#![cfg(not(loom))]

pub mod calendar;
pub mod check;
pub mod costs;
pub mod experiment;
pub mod gallery;
pub mod hardware;
pub mod histogram;
pub mod machine;
pub mod matrix;
pub mod measure;
pub mod plot;
pub mod policy;
pub mod random;
pub mod report;
pub mod workload;

//! The hardware as a short list of names; what is behind them is one architecture's business.
//!
//! `aarch64` is the machine; `host` lets the portable part of the kernel be tested on the
//! developer's computer.
//!
//! - [`TrapFrame`]: the user registers, saved whole at every entry from user mode.
//! - [`Fault`]: what an exception was about (ESR and FAR, captured in the vector).
//! - [`UserState`]: what the trap frame leaves out and a switch must carry: FP/SIMD and TLS.
//! - [`usercopy`]: the only instructions that touch user memory.
//! - [`enter_user_mode`]: a new user thread's first step.
//! - [`vdso`]: the kernel's code for user mode.
//! - [`features`]: HWCAP bits that every CPU has. [`now_ns`]: monotonic time.

mod fault;
mod trap_frame;

pub use fault::{Fault, FaultClass};
pub use trap_frame::{FpRegisters, TrapFrame};

#[cfg(target_os = "none")]
pub mod aarch64;
#[cfg(target_os = "none")]
pub use aarch64::{
    control::{end, interrupt_cpu, request_barrier},
    cpu::{Features, features},
    exception::enter_user_mode,
    random::random_word,
    stack::{owner, owner_of, set_owner},
    timer::{frequency as ticks_per_second, now_ns, ns_per_tick, ticks, ticks_at, ticks_to_ns},
    user_state::{FpState, UserState},
    usercopy, vdso,
};

#[cfg(not(target_os = "none"))]
pub mod host;
#[cfg(not(target_os = "none"))]
pub use host::{
    Features, FpState, UserState, end, enter_user_mode, features, interrupt_cpu, now_ns,
    ns_per_tick, owner, random_word, request_barrier, ticks, ticks_at, ticks_per_second,
    ticks_to_ns, usercopy, vdso,
};

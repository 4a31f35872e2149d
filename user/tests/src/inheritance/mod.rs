//! Futexes and mutexes that inherit priorities: FUTEX_LOCK_PI and its kin, PTHREAD_PRIO_INHERIT.

pub mod calls;
pub mod mutex;
pub mod order;
pub mod word;

//! Policies, priorities and niceness: what sched(7) promises, and the errors.

pub mod attributes;
pub mod calls;
pub mod order;
pub mod policies;
pub mod rights;
pub mod share;

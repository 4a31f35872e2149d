//! Sockets between programs of one machine.

pub mod internet;
pub mod unix;

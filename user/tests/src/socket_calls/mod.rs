//! The finer points of the socket calls.

mod calls;
pub mod connections;
pub mod errors;
pub mod messages;
pub mod options;
pub mod unix;
pub mod waiting;

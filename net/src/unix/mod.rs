//! UNIX-domain sockets (unix(7)): streams, datagrams and sequenced packets between processes of
//! this machine, with open files and credentials travelling beside the bytes.
//!
//! - [`Queue`]: messages on their way to one endpoint.
//! - [`Names`]: the table of bound names.
//! - [`UnixSocket`]: an endpoint; it owns the queue it receives from, its peer fills it.

mod endpoint;
mod names;
mod queue;

pub use endpoint::UnixSocket;
pub use names::Names;

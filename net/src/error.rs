//! What can go wrong with a socket operation; the kernel gives each its errno.

/// Why a socket operation failed. As wide as a count of bytes: a result of either travels in two
/// registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Error {
    /// Nothing to do right now: wait for [`Readiness`](crate::Readiness) and try again.
    WouldBlock,
    /// The connection attempt goes on in the background.
    InProgress,
    /// A connection attempt is already going on.
    AlreadyConnecting,
    ConnectionRefused,
    ConnectionReset,
    ConnectionAborted,
    TimedOut,
    NotConnected,
    AlreadyConnected,
    /// Sending on a connection that is shut down: `EPIPE`, and `SIGPIPE` unless suppressed.
    BrokenPipe,
    AddressInUse,
    AddressNotAvailable,
    NetworkUnreachable,
    HostUnreachable,
    HostDown,
    /// The own machine is cut off.
    Isolated,
    /// The other machine does not speak the protocol.
    ProtocolUnreachable,
    MessageTooLong,
    InvalidArgument,
    NotSupported,
    DestinationRequired,
    /// A buffer or table is full, or memory is short.
    NoBuffers,
    AccessDenied,
    /// The receiver talks to somebody else only.
    NotPermitted,
    /// A user buffer could not be read or written.
    Fault,
    /// The address belongs to another family.
    WrongFamily,
    /// The peer is a socket of another type.
    WrongType,
    /// No socket of that name.
    NotFound,
}

pub type Result<T, E = Error> = core::result::Result<T, E>;

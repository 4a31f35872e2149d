//! Errors of the `net` crate as errno values.

use crate::error::Errno;
use net::Error;

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        match error {
            Error::WouldBlock => Errno::EAGAIN,
            Error::InProgress => Errno::EINPROGRESS,
            Error::AlreadyConnecting => Errno::EALREADY,
            Error::ConnectionRefused => Errno::ECONNREFUSED,
            Error::ConnectionReset => Errno::ECONNRESET,
            Error::ConnectionAborted => Errno::ECONNABORTED,
            Error::TimedOut => Errno::ETIMEDOUT,
            Error::NotConnected => Errno::ENOTCONN,
            Error::AlreadyConnected => Errno::EISCONN,
            Error::BrokenPipe => Errno::EPIPE,
            Error::AddressInUse => Errno::EADDRINUSE,
            Error::AddressNotAvailable => Errno::EADDRNOTAVAIL,
            Error::NetworkUnreachable => Errno::ENETUNREACH,
            Error::HostUnreachable => Errno::EHOSTUNREACH,
            Error::HostDown => Errno::EHOSTDOWN,
            Error::Isolated => Errno::ENONET,
            Error::ProtocolUnreachable => Errno::ENOPROTOOPT,
            Error::MessageTooLong => Errno::EMSGSIZE,
            Error::InvalidArgument => Errno::EINVAL,
            Error::NotSupported => Errno::EOPNOTSUPP,
            Error::DestinationRequired => Errno::EDESTADDRREQ,
            Error::NoBuffers => Errno::ENOBUFS,
            Error::AccessDenied => Errno::EACCES,
            Error::NotPermitted => Errno::EPERM,
            Error::Fault => Errno::EFAULT,
            Error::WrongFamily => Errno::EAFNOSUPPORT,
            Error::WrongType => Errno::EPROTOTYPE,
            Error::NotFound => Errno::ENOENT,
        }
    }
}

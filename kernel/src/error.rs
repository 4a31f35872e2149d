//! Errors at the system-call boundary: Linux errno values, named once.
//!
//! Subsystems with richer failures keep their own error enums and convert here.

use core::fmt;
use linux_raw_sys::errno;
use mm::OutOfMemory;
use mm::space::SpaceError;

/// A Linux error number (errno(3)), positive. As wide as what calls return, so that a
/// `Result<usize>` travels in two registers; with a narrow one it would go through memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(u64);

/// What every fallible kernel operation that user space can see returns.
pub type Result<T, E = Errno> = core::result::Result<T, E>;

macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(pub const $name: Errno = Errno(errno::$name as u64);)*

            /// The symbolic name, as in errno(3).
            pub fn name(self) -> &'static str {
                match self {
                    $(Errno::$name => stringify!($name),)*
                    Errno::RESTART => "ERESTARTSYS",
                    Errno::RESTART_ALWAYS => "ERESTARTNOINTR",
                    Errno::RESTART_NO_HANDLER => "ERESTARTNOHAND",
                    Errno::RESTART_BLOCK => "ERESTART_RESTARTBLOCK",
                    _ => "E?",
                }
            }
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENODATA ETIME EPROTO EOVERFLOW EBADMSG ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE
    ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE
    EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN
    ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE
    ECANCELED EOWNERDEAD ENOTRECOVERABLE ENONET
}

impl Errno {
    /// A wait that a signal ended and that may be restarted (ERESTARTSYS): the signal code turns
    /// it into `EINTR` or a restarted call; user space never sees it.
    pub const RESTART: Errno = Errno(512);

    /// As [`RESTART`](Self::RESTART), but restarted only if no handler ran, whatever `SA_RESTART`
    /// says (ERESTARTNOHAND): sigsuspend, ppoll, pselect...
    pub const RESTART_NO_HANDLER: Errno = Errno(514);

    /// A wait that a signal ended and that begins anew in any case (ERESTARTNOINTR).
    pub const RESTART_ALWAYS: Errno = Errno(513);

    /// As `RESTART_NO_HANDLER`, going on by restart_syscall(2) (ERESTART_RESTARTBLOCK); made by
    /// `process::restart_with`.
    pub const RESTART_BLOCK: Errno = Errno(516);

    /// Whether it is one of the restart codes: a signal ended a wait.
    pub fn is_restart(self) -> bool {
        matches!(
            self,
            Self::RESTART | Self::RESTART_ALWAYS | Self::RESTART_NO_HANDLER | Self::RESTART_BLOCK
        )
    }

    /// The value as system calls return it: negative in a register.
    pub fn as_return(self) -> usize {
        (self.0 as isize).wrapping_neg() as usize
    }

    pub fn code(self) -> u16 {
        self.0 as u16
    }
}

impl From<SpaceError> for Errno {
    fn from(error: SpaceError) -> Self {
        match error {
            SpaceError::Invalid => Self::EINVAL,
            SpaceError::NoMemory => Self::ENOMEM,
            SpaceError::Exists => Self::EEXIST,
            SpaceError::Denied => Self::EACCES,
            SpaceError::NotMapped => Self::EFAULT,
            SpaceError::Io => Self::EIO,
        }
    }
}

impl From<OutOfMemory> for Errno {
    fn from(_: OutOfMemory) -> Self {
        Self::ENOMEM
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_are_negative_errno() {
        assert_eq!(Errno::ENOENT.as_return() as isize, -2);
        assert_eq!(Errno::ENOSYS.name(), "ENOSYS");
    }
}

//! Flags of open(2).

use bitflags::bitflags;

bitflags! {
    /// Flags of open(2), with the AArch64 values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct OpenFlags: u32 {
        const WRONLY = 0o1;
        const RDWR = 0o2;
        const CREAT = 0o100;
        const EXCL = 0o200;
        const NOCTTY = 0o400;
        const TRUNC = 0o1000;
        const APPEND = 0o2000;
        const NONBLOCK = 0o4000;
        const DSYNC = 0o10000;
        const ASYNC = 0o20000;
        const DIRECTORY = 0o40000;
        const NOFOLLOW = 0o100000;
        const DIRECT = 0o200000;
        const LARGEFILE = 0o400000;
        const NOATIME = 0o1000000;
        const CLOEXEC = 0o2000000;
        const SYNC = 0o4000000;
        const PATH = 0o10000000;
        const TMPFILE = 0o20000000;
    }
}

impl OpenFlags {
    /// Reading only: the absence of `WRONLY` and `RDWR`.
    pub const RDONLY: OpenFlags = OpenFlags::empty();
    /// What fcntl(F_SETFL) may change.
    pub(super) const CHANGEABLE: OpenFlags = Self::APPEND
        .union(Self::NONBLOCK)
        .union(Self::DIRECT)
        .union(Self::NOATIME);
    /// What matters to open(2) alone and F_GETFL does not show.
    pub(super) const CREATION: OpenFlags = Self::CREAT
        .union(Self::EXCL)
        .union(Self::NOCTTY)
        .union(Self::TRUNC)
        .union(Self::CLOEXEC);

    /// Whether reads are allowed.
    pub fn readable(self) -> bool {
        !self.intersects(OpenFlags::WRONLY | OpenFlags::PATH)
    }

    /// Whether writes are allowed.
    pub fn writable(self) -> bool {
        self.intersects(OpenFlags::WRONLY | OpenFlags::RDWR) && !self.contains(OpenFlags::PATH)
    }
}

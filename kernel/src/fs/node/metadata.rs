//! What stat(2) tells of a node.

/// The kind of a node; the values are those of `S_IFMT >> 12`, which are also `DT_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FileType {
    /// Event files and the like, which have no type of their own.
    Anonymous = 0,
    Fifo = 1,
    CharDevice = 2,
    Directory = 4,
    BlockDevice = 6,
    Regular = 8,
    Symlink = 10,
    Socket = 12,
}

impl FileType {
    /// The type as the upper bits of `st_mode`.
    pub fn mode_bits(self) -> u32 {
        (self as u32) << 12
    }
}

/// A device's major and minor number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct DeviceNumber {
    pub major: u32,
    pub minor: u32,
}

impl DeviceNumber {
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// As `st_rdev` and `mknod` carry it.
    pub fn encode(self) -> u64 {
        let (major, minor) = (u64::from(self.major), u64::from(self.minor));
        (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
    }

    pub fn decode(number: u64) -> Self {
        let minor = (number & 0xff) | ((number >> 12) & 0xfff00);
        Self {
            major: ((number >> 8) & 0xfff) as u32,
            minor: minor as u32,
        }
    }
}

/// Names a node in the whole system: no two live nodes share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeId {
    /// The file system instance (`st_dev`).
    pub device: u64,
    /// The inode number in it (`st_ino`).
    pub inode: u64,
}

/// A point in real time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// What stat(2) and statx(2) tell.
#[derive(Clone, Debug)]
pub struct Metadata {
    pub id: NodeId,
    pub file_type: FileType,
    /// The lower twelve bits of `st_mode`.
    pub permissions: u16,
    pub links: u32,
    pub uid: u32,
    pub gid: u32,
    /// For device nodes.
    pub device: DeviceNumber,
    pub size: u64,
    /// In units of 512 bytes.
    pub blocks: u64,
    pub block_size: u32,
    pub accessed: Timestamp,
    pub modified: Timestamp,
    pub changed: Timestamp,
    pub born: Timestamp,
}

impl Metadata {
    /// `st_mode`.
    pub fn mode(&self) -> u32 {
        self.file_type.mode_bits() | u32::from(self.permissions)
    }
}

/// The part of it that says who may do what.
#[derive(Clone, Copy, Debug)]
pub struct Protection {
    pub file_type: FileType,
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
}

impl From<&Metadata> for Protection {
    fn from(metadata: &Metadata) -> Self {
        Self {
            file_type: metadata.file_type,
            permissions: metadata.permissions,
            uid: metadata.uid,
            gid: metadata.gid,
        }
    }
}

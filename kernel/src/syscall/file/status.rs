//! What files are: stat, statx, statfs, access, fsync.

use super::{
    AT_EACCESS, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, Target, check_flags, file_at,
    place_at, real_file_at, target_at,
};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::node::Timestamp;
use crate::fs::permission::Access;
use crate::fs::{Caller, Location, Metadata, mount};
use crate::process::credentials::{Capabilities, Credentials};
use crate::syscall::Calls;
use crate::user_memory::{UserPtr, plain};
use alloc::sync::Arc;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_statfs as usize, statfs),
    (__NR_fstatfs as usize, fstatfs),
    (__NR_faccessat as usize, faccessat),
    (__NR_newfstatat as usize, newfstatat),
    (__NR_fstat as usize, fstat),
    (__NR_sync as usize, sync),
    (__NR_fsync as usize, fsync),
    (__NR_fdatasync as usize, fsync),
    (__NR_sync_file_range as usize, sync_file_range),
    (__NR_fadvise64 as usize, fadvise64),
    (__NR_syncfs as usize, fsync),
    (__NR_statx as usize, statx),
    (__NR_faccessat2 as usize, faccessat2),
];

/// `struct stat` of the generic 64-bit ABI.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Stat {
    device: u64,
    inode: u64,
    mode: u32,
    links: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    padding: u64,
    size: i64,
    block_size: i32,
    padding2: i32,
    blocks: i64,
    /// Access, modification, change: seconds and nanoseconds each.
    times: [(i64, u64); 3],
    unused: [u32; 2],
}
plain!(Stat);
const _: () = assert!(size_of::<Stat>() == 128);

impl Stat {
    fn new(metadata: &Metadata) -> Self {
        let time = |at: Timestamp| (at.seconds, u64::from(at.nanoseconds));
        Self {
            device: metadata.id.device,
            inode: metadata.id.inode,
            mode: metadata.mode(),
            links: metadata.links,
            uid: metadata.uid,
            gid: metadata.gid,
            rdev: metadata.device.encode(),
            size: metadata.size as i64,
            block_size: metadata.block_size as i32,
            blocks: metadata.blocks as i64,
            times: [
                time(metadata.accessed),
                time(metadata.modified),
                time(metadata.changed),
            ],
            ..Self::default()
        }
    }
}

fn metadata(target: &Target) -> Metadata {
    match target {
        Target::Place(place) => place.node.metadata(),
        Target::File(file) => file.metadata(),
    }
}

fn fstat(frame: &mut TrapFrame) -> Result<usize> {
    let file = file_at(frame, 0)?;
    UserPtr::new(frame.argument(1))
        .write(Stat::new(&file.metadata()))
        .map(|()| 0)
}

fn newfstatat(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)?;
    let target = target_at(&Caller::current(), frame, 0, flags)?;
    UserPtr::new(frame.argument(2))
        .write(Stat::new(&metadata(&target)))
        .map(|()| 0)
}

/// `struct statx_timestamp`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct StatxTime {
    seconds: i64,
    nanoseconds: u32,
    padding: i32,
}

impl StatxTime {
    fn new(at: Timestamp) -> Self {
        Self {
            seconds: at.seconds,
            nanoseconds: at.nanoseconds,
            padding: 0,
        }
    }
}

/// `struct statx`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Statx {
    mask: u32,
    block_size: u32,
    attributes: u64,
    links: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    padding: u16,
    inode: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    accessed: StatxTime,
    born: StatxTime,
    changed: StatxTime,
    modified: StatxTime,
    rdev: [u32; 2],
    device: [u32; 2],
    mount_id: u64,
    direct_io: [u32; 2],
    spare: [u64; 12],
}
plain!(Statx);
const _: () = assert!(size_of::<Statx>() == 256);

/// STATX_BASIC_STATS | STATX_BTIME, and STATX_MNT_ID.
const STATX_KNOWN: u32 = 0xfff;
const STATX_MOUNT: u32 = 0x1000;
const STATX_RESERVED: u32 = 0x8000_0000;

fn statx(frame: &mut TrapFrame) -> Result<usize> {
    /// AT_STATX_FORCE_SYNC and AT_STATX_DONT_SYNC: nothing here is remote.
    const SYNC_TYPE: u32 = 0x6000;
    let (flags, mask) = (frame.argument(2) as u32, frame.argument(3) as u32);
    check_flags(
        flags,
        AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | SYNC_TYPE,
    )?;
    if flags & SYNC_TYPE == SYNC_TYPE || mask & STATX_RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let target = target_at(&Caller::current(), frame, 0, flags)?;
    let metadata = metadata(&target);
    let split = |number: u64| [(number >> 8) as u32 & 0xfff, (number & 0xff) as u32];
    let mut out = Statx {
        mask: STATX_KNOWN,
        block_size: metadata.block_size,
        links: metadata.links,
        uid: metadata.uid,
        gid: metadata.gid,
        mode: metadata.mode() as u16,
        inode: metadata.id.inode,
        size: metadata.size,
        blocks: metadata.blocks,
        accessed: StatxTime::new(metadata.accessed),
        born: StatxTime::new(metadata.born),
        changed: StatxTime::new(metadata.changed),
        modified: StatxTime::new(metadata.modified),
        rdev: [metadata.device.major, metadata.device.minor],
        device: split(metadata.id.device),
        ..Statx::default()
    };
    if let Target::Place(place) = &target {
        out.mask |= STATX_MOUNT;
        out.mount_id = u64::from(place.mount.id);
    }
    UserPtr::new(frame.argument(4)).write(out).map(|()| 0)
}

/// `struct statfs` of the generic 64-bit ABI.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Statfs {
    magic: u64,
    block_size: u64,
    blocks: u64,
    free: u64,
    available: u64,
    inodes: u64,
    free_inodes: u64,
    id: [u32; 2],
    name_length: u64,
    fragment_size: u64,
    flags: u64,
    spare: [u64; 4],
}
plain!(Statfs);
const _: () = assert!(size_of::<Statfs>() == 120);

impl Statfs {
    fn new(place: &Location) -> Self {
        const VALID: u64 = 0x20;
        let space = place.mount.file_system.space();
        Self {
            magic: space.magic,
            block_size: space.block_size,
            blocks: space.blocks,
            free: space.free_blocks,
            available: space.free_blocks,
            inodes: space.inodes,
            free_inodes: space.free_inodes,
            id: [place.node.id().device as u32, 0],
            name_length: crate::fs::node::NAME_MAX as u64,
            fragment_size: space.block_size,
            flags: VALID | u64::from(place.mount.flags().bits()),
            spare: [0; 4],
        }
    }
}

fn statfs(frame: &mut TrapFrame) -> Result<usize> {
    let path = super::path_at(frame, 0)?;
    let place = Caller::current().find(None, &path, true)?;
    UserPtr::new(frame.argument(1))
        .write(Statfs::new(&place))
        .map(|()| 0)
}

fn fstatfs(frame: &mut TrapFrame) -> Result<usize> {
    let file = file_at(frame, 0)?;
    let place = match file.opened() {
        Some(opened) => opened.place.clone(),
        // Pipes and sockets have file systems of their own on Linux; the root stands for them.
        None => mount::root(),
    };
    UserPtr::new(frame.argument(1))
        .write(Statfs::new(&place))
        .map(|()| 0)
}

fn faccessat(frame: &mut TrapFrame) -> Result<usize> {
    access(frame, 0)
}

fn faccessat2(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH)?;
    access(frame, flags)
}

fn access(frame: &TrapFrame, flags: u32) -> Result<usize> {
    let wanted = Access::from_bits(frame.argument(2) as u16).ok_or(Errno::EINVAL)?;
    let mut caller = Caller::current();
    if flags & AT_EACCESS == 0 {
        caller.credentials = Arc::new(with_real_ids(&caller.credentials));
    }
    let place = place_at(&caller, frame, 0, flags)?;
    caller.access(&place, wanted).map(|()| 0)
}

/// access(2) asks for the real ids, not the effective ones.
fn with_real_ids(credentials: &Credentials) -> Credentials {
    let effective = if credentials.uid == 0 {
        credentials.permitted
    } else {
        Capabilities::empty()
    };
    Credentials {
        fsuid: credentials.uid,
        fsgid: credentials.gid,
        effective,
        ..credentials.clone()
    }
}

/// Nothing is cached that would have to be written anywhere.
fn sync(_frame: &mut TrapFrame) -> Result<usize> {
    Ok(0)
}

/// fsync, fdatasync, syncfs: memory-backed files have nothing to write back; what is not a file
/// cannot be synced.
fn fsync(frame: &mut TrapFrame) -> Result<usize> {
    let file = real_file_at(frame, 0)?;
    if file.opened().is_some() {
        Ok(0)
    } else {
        Err(Errno::EINVAL)
    }
}

fn sync_file_range(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    check_flags(flags, 7)?;
    let file = real_file_at(frame, 0)?;
    file.check_seekable().map(|()| 0)
}

/// Advice about access patterns: correct advice changes nothing for files in memory.
fn fadvise64(frame: &mut TrapFrame) -> Result<usize> {
    const LAST_ADVICE: usize = 5;
    let file = real_file_at(frame, 0)?;
    file.check_seekable()?;
    if frame.argument(3) > LAST_ADVICE {
        Err(Errno::EINVAL)
    } else {
        Ok(0)
    }
}

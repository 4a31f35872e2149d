//! /dev: the devices without hardware, the nodes of all devices, and devpts.

use super::caller::Caller;
use super::device::{self, Device};
use super::file::{File, IoMode, PollEvents};
use super::node::{DeviceNumber, FileSystem, FileType, NewNode, Visit};
use super::open_file::OpenFlags;
use super::synthetic::{
    Directory, FIRST_COOKIE, Made, SyntheticFs, Visitor, visit_all, visit_numbers,
};
use crate::error::{Errno, Result};
use crate::tty;
use crate::user_memory::{Sink, Source};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::any::Any;

/// `DEVPTS_SUPER_MAGIC` of statfs(2).
const DEVPTS_MAGIC: u64 = 0x1cd1;
/// Major number of pseudo-terminal slaves (Linux devices.txt).
const PTS_MAJOR: u32 = 136;
/// The group `tty`, which may write to terminals (wall(1)); login servers insist on it.
pub const TTY_GROUP: u32 = 5;
const PTMX: DeviceNumber = DeviceNumber::new(5, 2);
/// Random bytes are made and copied out in pieces of this size.
const PIECE: usize = 256;

/// The devices of major number 1 (Linux devices.txt).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Null = 3,
    Zero = 5,
    Full = 7,
    Random = 8,
    Urandom = 9,
    KernelLog = 11,
}

impl Memory {
    const ALL: [(Memory, &'static str, u16); 6] = [
        (Memory::Null, "null", 0o666),
        (Memory::Zero, "zero", 0o666),
        (Memory::Full, "full", 0o666),
        (Memory::Random, "random", 0o666),
        (Memory::Urandom, "urandom", 0o666),
        (Memory::KernelLog, "kmsg", 0o644),
    ];

    fn number(self) -> DeviceNumber {
        DeviceNumber::new(1, self as u32)
    }
}

/// Registers the drivers that have no hardware to wait for.
pub fn register() {
    for (memory, _, _) in Memory::ALL {
        device::register(memory.number(), Arc::new(memory));
    }
    device::register(tty::TTY_DEVICE, Arc::new(Terminals));
    device::register(tty::console::DEVICE, Arc::new(Terminals));
    device::register(PTMX, Arc::new(Terminals));
    crate::trace::register();
    device::register_range(
        DeviceNumber::new(PTS_MAJOR, 0),
        1 << 20,
        Arc::new(Terminals),
    );
}

/// Fills /dev, which is mounted.
pub fn populate() -> Result<()> {
    let caller = Caller::kernel();
    let node = |name: &str, number, permissions| {
        let path = [b"/dev/", name.as_bytes()].concat();
        caller
            .make(None, &path, NewNode::CharDevice(number), permissions)
            .map(|_| ())
    };
    for (memory, name, permissions) in Memory::ALL {
        node(name, memory.number(), permissions)?;
    }
    node("tty", tty::TTY_DEVICE, 0o666)?;
    node("console", tty::console::DEVICE, 0o600)?;
    node("ptmx", PTMX, 0o666)?;
    node("schedtrace", crate::trace::NUMBER, 0o600)?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let path = [b"/dev/", name.as_bytes()].concat();
        caller.make(None, &path, NewNode::Symlink(target.as_bytes()), 0o777)?;
    }
    caller.make(None, b"/dev/pts", NewNode::Directory, 0o755)?;
    caller.make(None, b"/dev/shm", NewNode::Directory, 0o1777)?;
    Ok(())
}

struct Terminals;

impl Device for Terminals {
    fn open(&self, number: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn File>> {
        let no_controlling = flags.contains(OpenFlags::NOCTTY);
        match number {
            tty::TTY_DEVICE => tty::open_controlling(),
            tty::console::DEVICE => tty::console::open(),
            PTMX => tty::pty::open_master(),
            DeviceNumber {
                major: PTS_MAJOR,
                minor,
            } => tty::pty::open_slave(minor, no_controlling),
            _ => Err(Errno::ENXIO),
        }
    }
}

impl Device for Memory {
    fn open(&self, _number: DeviceNumber, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        Ok(Arc::new(*self))
    }
}

impl File for Memory {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        match self {
            Memory::Null => Ok(0),
            Memory::Zero | Memory::Full => sink.put_zeros(sink.remaining()),
            Memory::Random | Memory::Urandom => read_random(sink),
            // Linux's records are not offered; told so, dmesg asks syslog(2).
            Memory::KernelLog => Err(Errno::EINVAL),
        }
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, _mode: IoMode) -> Result<usize> {
        match self {
            Memory::Full => Err(Errno::ENOSPC),
            Memory::KernelLog => write_log(source),
            _ => discard(source),
        }
    }

    fn poll(&self) -> PollEvents {
        PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM
    }

    fn seekable(&self) -> bool {
        true
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        let known = Memory::ALL.iter().find(|(memory, ..)| memory == self);
        String::from("/dev/") + known.map_or("", |(_, name, _)| name)
    }
}

/// Takes everything without looking: a bad address is no error, as on Linux.
fn discard(source: &mut Source<'_>) -> Result<usize> {
    let count = source.remaining();
    *source = Source::Kernel(&[]);
    Ok(count)
}

fn read_random(sink: &mut Sink<'_>) -> Result<usize> {
    let mut moved = 0;
    while sink.remaining() > 0 {
        let mut piece = [0; PIECE];
        let piece = &mut piece[..PIECE.min(sink.remaining())];
        crate::random::fill(piece);
        match sink.put(piece) {
            Ok(count) if count == piece.len() => moved += count,
            Ok(count) => return Ok(moved + count),
            Err(error) if moved == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(moved)
}

/// A line for the kernel log from a program; `<N>` in front is its priority.
fn write_log(source: &mut Source<'_>) -> Result<usize> {
    let mut bytes = alloc::vec![0; source.remaining().min(1024)];
    let count = source.take(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes[..count]);
    let line = text
        .split_once('>')
        .filter(|(head, _)| head.starts_with('<'))
        .map_or(&*text, |(_, line)| line);
    log::info!("{}", line.trim_end());
    Ok(count)
}

/// The file system of /dev/pts: a node for each pseudo-terminal that is open.
pub fn devpts() -> Arc<dyn FileSystem> {
    SyntheticFs::new("devpts", DEVPTS_MAGIC, Slaves)
}

struct Slaves;

impl Directory for Slaves {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        let kind = FileType::CharDevice;
        if visit_all(FIRST_COOKIE, [("ptmx", kind)], from, visitor) == Visit::Continue {
            visit_numbers(tty::pty::indices(), kind, FIRST_COOKIE + 1, from, visitor);
        }
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        if name == b"ptmx" {
            return Some(Made::device(PTMX, 0o666));
        }
        let index: u32 = core::str::from_utf8(name).ok()?.parse().ok()?;
        let canonical = index.to_string().as_bytes() == name;
        let ownership = tty::pty::ownership(index).filter(|_| canonical)?;
        Some(Made::device(tty::pty::device(index), 0).kept_in(ownership))
    }
}

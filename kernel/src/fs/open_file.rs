//! Open file descriptions: what open(2) makes and dup(2), fork(2) and `SCM_RIGHTS` share.

mod flags;
mod mapped;

use super::Fd;
use super::epoll::Watchers;
use super::file::{File, IoMode, PollEvents};
use super::mount::{Location, MountFlags};
use super::node::{DeviceNumber, FileType, Metadata, Node, NodeId};
use super::signalled::{Owner, Signalled};
use crate::error::{Errno, Result};
use crate::user_memory::{Sink, Source};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use mapped::MappedFile;
use mm::PageSource;
use smp::Mutex;
use spin::Once;

pub use flags::OpenFlags;

/// Where a file was opened: its directory and name in it, to tell its path later.
#[derive(Clone)]
pub struct Opened {
    pub place: Location,
    /// `None` for a directory (it can tell itself) and for nodes without a name.
    pub entry: Option<(Location, Vec<u8>)>,
}

impl Opened {
    /// The path from `root`, or from the root of the tree if it is not below `root`.
    fn path(&self, root: &Location) -> Result<Vec<u8>> {
        let Some((directory, name)) = &self.entry else {
            return self.place.path(root);
        };
        let mut path = directory.path(root).unwrap_or_default();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if self.place.node.metadata().links == 0 {
            path.extend_from_slice(b" (deleted)");
        }
        Ok(path)
    }
}

/// The device number (`st_dev`) of files without an inode.
const ANONYMOUS_DEVICE: u64 = 0xf;
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

/// An open file description (POSIX): a file, the offset and the status flags.
pub struct OpenFile {
    file: Arc<dyn File>,
    /// What the file says of itself, asked once.
    seekable: bool,
    opened: Option<Opened>,
    flags: AtomicU32,
    /// Tells open files apart, in this boot.
    serial: u64,
    /// Held while a call moves it, so that two readers never get the same bytes.
    offset: Mutex<u64>,
    /// The epolls that watch it.
    watchers: Watchers,
    /// Who is told by a signal, once somebody is.
    signalled: Once<Arc<Signalled>>,
}

impl OpenFile {
    /// For files without a path: pipes, sockets, event files.
    pub fn new(file: Arc<dyn File>, flags: OpenFlags) -> Arc<Self> {
        Self::with_place(file, flags, None)
    }

    pub fn with_place(file: Arc<dyn File>, flags: OpenFlags, opened: Option<Opened>) -> Arc<Self> {
        let flags = AtomicU32::new((flags - OpenFlags::CREATION).bits());
        let serial = NEXT_SERIAL.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            seekable: file.seekable(),
            file,
            opened,
            flags,
            serial,
            offset: Mutex::new(0),
            watchers: Watchers::new(),
            signalled: Once::new(),
        })
    }

    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    pub fn signalled(&self) -> &Arc<Signalled> {
        self.signalled.call_once(Signalled::new)
    }

    pub fn try_signalled(&self) -> Option<&Arc<Signalled>> {
        self.signalled.get()
    }

    /// Who gets its signals.
    pub fn owner(&self) -> Owner {
        self.try_signalled().map_or(Owner::Nobody, |it| it.owner())
    }

    /// `O_ASYNC` on or off; `ENOTTY` where the file tells nobody.
    pub fn set_signalled(&self, fd: Fd, on: bool) -> Result<()> {
        let flag = OpenFlags::ASYNC.bits();
        if !on {
            if let Some(signalled) = self.try_signalled() {
                signalled.end(&self.file, || {
                    self.flags.fetch_and(!flag, Ordering::Relaxed);
                });
            }
            return Ok(());
        }
        if !self.file.signals() {
            return Err(Errno::ENOTTY);
        }
        let told = (self.told_by_signals(), fd);
        self.signalled().begin(&self.file, told, || {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        })
    }

    fn told_by_signals(&self) -> PollEvents {
        let flags = self.flags();
        let mut told = PollEvents::empty();
        let read = PollEvents::IN | PollEvents::RDNORM | PollEvents::PRI | PollEvents::HUP;
        let write = PollEvents::OUT | PollEvents::WRNORM | PollEvents::ERR;
        told.set(read, flags.readable());
        told.set(write, flags.writable());
        told
    }

    /// Where it was opened; `None` for pipes and the like.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// The node, for calls on it (fstat, fchdir, mmap...).
    pub fn node(&self) -> Option<Arc<dyn Node>> {
        match &self.opened {
            Some(opened) => Some(opened.place.node.clone()),
            None => self.file.node(),
        }
    }

    /// Tells this open file apart from all others, in this boot.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// fstat(2).
    pub fn metadata(&self) -> Metadata {
        self.node()
            .map_or_else(|| self.anonymous_metadata(), |node| node.metadata())
    }

    fn anonymous_metadata(&self) -> Metadata {
        let now = super::clock::now();
        Metadata {
            id: NodeId {
                device: ANONYMOUS_DEVICE,
                inode: self.serial,
            },
            file_type: self.file.file_type(),
            permissions: 0o600,
            links: 1,
            uid: 0,
            gid: 0,
            device: DeviceNumber::default(),
            size: 0,
            blocks: 0,
            block_size: 4096,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        }
    }

    /// Whether execve(2) heeds the set-id bits of this program.
    pub fn may_set_id(&self) -> bool {
        let forbids = |opened: &Opened| opened.place.mount.flags().contains(MountFlags::NO_SET_ID);
        !self.opened.as_ref().is_some_and(forbids)
    }

    /// Its path seen from `root`, as /proc/<pid>/fd/N shows it: a removed file is marked so.
    pub fn path(&self, root: &Location) -> Vec<u8> {
        let Some(opened) = &self.opened else {
            return self.file.describe().into_bytes();
        };
        let path = opened.path(root);
        path.unwrap_or_else(|_| self.file.describe().into_bytes())
    }

    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// fcntl(F_SETFL): only the changeable flags change.
    pub fn set_flags(&self, flags: OpenFlags) {
        let wanted = (flags & OpenFlags::CHANGEABLE).bits();
        let change = |flags: u32| Some(flags & !OpenFlags::CHANGEABLE.bits() | wanted);
        // `O_ASYNC` may change meanwhile, and stays as it is.
        let (order, reload) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.flags.fetch_update(order, reload, change);
    }

    /// The mode of one call, from the status flags.
    pub fn mode(&self) -> IoMode {
        let flags = self.flags();
        IoMode {
            nonblocking: flags.contains(OpenFlags::NONBLOCK),
            append: flags.contains(OpenFlags::APPEND),
        }
    }

    /// read(2): at the offset, which moves on.
    #[inline]
    pub fn read(&self, sink: &mut Sink<'_>) -> Result<usize> {
        self.check_readable()?;
        match self.seekable {
            true => self.read_on(sink),
            false => self.file.read(0, sink, self.mode()),
        }
    }

    fn read_on(&self, sink: &mut Sink<'_>) -> Result<usize> {
        let mut offset = self.offset.lock();
        let count = self.file.read(*offset, sink, self.mode())?;
        *offset += count as u64;
        Ok(count)
    }

    /// write(2): at the offset, which moves on; `O_APPEND` goes to the end first.
    #[inline]
    pub fn write(&self, source: &mut Source<'_>) -> Result<usize> {
        self.check_writable()?;
        let mode = self.mode();
        match self.seekable {
            true => self.write_on(source, mode),
            false => self.file.write(0, source, mode),
        }
    }

    fn write_on(&self, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let mut offset = self.offset.lock();
        self.keep_size_limit(*offset, source)?;
        let count = self.file.write(*offset, source, mode)?;
        *offset = match self.node() {
            Some(node) if mode.append => node.metadata().size,
            _ => *offset + count as u64,
        };
        Ok(count)
    }

    /// pread(2).
    pub fn read_at(&self, offset: u64, sink: &mut Sink<'_>) -> Result<usize> {
        self.check_readable()?;
        self.check_seekable()?;
        self.file.read(offset, sink, self.mode())
    }

    /// pwrite(2); appends when `O_APPEND` is set, as Linux does.
    pub fn write_at(&self, offset: u64, source: &mut Source<'_>) -> Result<usize> {
        self.check_writable()?;
        self.check_seekable()?;
        self.keep_size_limit(offset, source)?;
        self.file.write(offset, source, self.mode())
    }

    fn keep_size_limit(&self, offset: u64, source: &mut Source<'_>) -> Result<()> {
        let Some(node) = self.node() else {
            return Ok(());
        };
        let at = if self.mode().append {
            node.metadata().size
        } else {
            offset
        };
        super::size_limit::cut(&*node, at, source)
    }

    /// The offset, locked: lseek(2), getdents64(2) and sendfile(2) move it.
    pub fn with_offset<R>(&self, action: impl FnOnce(&mut u64) -> Result<R>) -> Result<R> {
        action(&mut self.offset.lock())
    }

    /// What /proc shows as position.
    pub fn offset(&self) -> u64 {
        *self.offset.lock()
    }

    pub fn check_readable(&self) -> Result<()> {
        if self.flags().readable() {
            Ok(())
        } else {
            Err(Errno::EBADF)
        }
    }

    pub fn check_writable(&self) -> Result<()> {
        if self.flags().writable() {
            Ok(())
        } else {
            Err(Errno::EBADF)
        }
    }

    pub fn check_seekable(&self) -> Result<()> {
        if self.seekable {
            Ok(())
        } else {
            Err(Errno::ESPIPE)
        }
    }

    /// Its pages for mmap(2), under its path; `None` where it cannot be mapped (`ENODEV`).
    pub fn page_source(&self) -> Option<Arc<dyn PageSource>> {
        let pages = self.node()?.page_source()?;
        Some(match self.opened.clone() {
            Some(opened) => Arc::new(MappedFile { pages, opened }),
            None => pages,
        })
    }

    /// The directory it is, for `*at` calls and getdents64.
    pub fn directory(&self) -> Result<&Location> {
        let opened = self.opened.as_ref().ok_or(Errno::ENOTDIR)?;
        if opened.place.node.file_type() == FileType::Directory {
            Ok(&opened.place)
        } else {
            Err(Errno::ENOTDIR)
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        super::lock::release_description(self);
        self.watchers.release(&self.file);
        if let Some(signalled) = self.signalled.get() {
            signalled.end(&self.file, || {});
        }
    }
}

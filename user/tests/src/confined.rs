//! What a process sees whose root is not the machine's (chroot(2)). Needs root.

use crate::harness::{Failure, Folder, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, chroot};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

pub const TESTS: &[Test] = &[
    ("confined.links", links),
    ("confined.maps", maps),
    ("confined.mounts", mounts),
    ("confined.outside", outside),
];

/// /proc, to be looked into from a root that has none.
struct Proc(OwnedFd);

impl Proc {
    fn new() -> Result<Self, Failure> {
        Ok(Self(open("/proc", OFlag::O_DIRECTORY, Mode::empty())?))
    }

    fn link(&self, path: &str) -> Result<String, Failure> {
        Ok(readlinkat(&self.0, path)?.to_string_lossy().into_owned())
    }

    fn text(&self, path: &str) -> Result<String, Failure> {
        let mut text = String::new();
        File::from(openat(&self.0, path, OFlag::O_RDONLY, Mode::empty())?)
            .read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Runs `look` in a child whose root is a new folder with the file `in/a` in it.
fn confined(look: impl FnOnce(&Proc) -> Outcome) -> Outcome {
    let folder = Folder::new()?;
    std::fs::create_dir(folder.path("in"))?;
    std::fs::write(folder.path("in/a"), [1; 4096])?;
    let path = folder.0.canonicalize()?;
    let looker = child(|| {
        status_of((|| {
            let proc = Proc::new()?;
            chroot(&path)?;
            look(&proc)
        })())
    })?;
    succeeds(looker)
}

fn links() -> Outcome {
    confined(|proc| {
        chdir("/in")?;
        let file = File::open("a")?;
        ensure_eq!(
            proc.link(&format!("self/fd/{}", file.as_raw_fd()))?,
            "/in/a"
        );
        ensure_eq!(proc.link("self/cwd")?, "/in");
        ensure_eq!(proc.link("self/root")?, "/");
        std::fs::remove_file("a")?;
        let removed = proc.link(&format!("self/fd/{}", file.as_raw_fd()))?;
        ensure_eq!(removed, "/in/a (deleted)");
        Ok(())
    })
}

fn maps() -> Outcome {
    confined(|proc| {
        let file = File::open("/in/a")?;
        let (rights, length) = (libc::PROT_READ, 4096);
        let (kind, fd) = (libc::MAP_PRIVATE, file.as_raw_fd());
        // SAFETY: new memory, which nobody uses.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), length, rights, kind, fd, 0) };
        ensure!(at != libc::MAP_FAILED);
        let maps = proc.text("self/maps")?;
        ensure!(maps.lines().any(|line| line.ends_with(" /in/a")));
        Ok(())
    })
}

/// None is below a root that is a folder.
fn mounts() -> Outcome {
    confined(|proc| {
        ensure_eq!(proc.text("self/mounts")?, "");
        ensure_eq!(proc.text("self/mountinfo")?, "");
        Ok(())
    })
}

/// What is not below the root has its path from the machine's.
fn outside() -> Outcome {
    let outer = std::env::temp_dir().canonicalize()?;
    chdir(&outer)?;
    confined(|proc| {
        let expected = outer.to_string_lossy();
        ensure_eq!(proc.link("self/cwd")?, expected);
        let mut buffer = [0_u8; 4096];
        // SAFETY: the kernel writes no more than the length it is told.
        let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
        let length = Errno::result(length)? as usize;
        let told = std::ffi::OsStr::from_bytes(&buffer[..length - 1]).to_string_lossy();
        ensure_eq!(told, format!("(unreachable){expected}"));
        Ok(())
    })
}

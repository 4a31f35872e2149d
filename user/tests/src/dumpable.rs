//! Who may look into whose process (prctl(2), `PR_SET_DUMPABLE`). Needs root, which becomes
//! somebody else.

use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use crate::programs;
use nix::errno::Errno;
use nix::sys::prctl::{get_dumpable, set_dumpable};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, pause, pipe, read, setuid, write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

pub const TESTS: &[Test] = &[
    ("dumpable.set_and_inherited", set_and_inherited),
    ("dumpable.ends_with_the_user", ends_with_the_user),
    ("dumpable.owner_of_files", owner_of_files),
    ("dumpable.keeps_others_out", keeps_others_out),
    ("dumpable.own_descriptors_stay", own_descriptors_stay),
];

const SOMEBODY: u32 = 60_123;

fn set_and_inherited() -> Outcome {
    set_dumpable(true)?;
    ensure!(get_dumpable()?);
    // SAFETY: takes numbers.
    let set_two = Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 2, 0, 0, 0) });
    ensure_eq!(set_two, Err(Errno::EINVAL));
    set_dumpable(false)?;
    ensure!(!get_dumpable()?);
    succeeds(child(|| i32::from(get_dumpable() != Ok(false)))?)
}

/// A new user hides the process; a new program shows it again.
fn ends_with_the_user() -> Outcome {
    let unprivileged = child(|| {
        status_of((|| {
            ensure!(get_dumpable()?);
            setuid(Uid::from_raw(SOMEBODY))?;
            ensure!(!get_dumpable()?);
            let told = programs::command("dumpable").output()?.stdout;
            ensure_eq!(told, b"true\n");
            Ok(())
        })())
    })?;
    succeeds(unprivileged)
}

/// A process of somebody's, gone with the value.
struct Stranger(Pid);

impl Stranger {
    fn new(dumpable: bool) -> Result<Self, Failure> {
        let (ready, tell) = pipe()?;
        let stranger = child(|| {
            let become_somebody = || {
                setuid(Uid::from_raw(SOMEBODY))?;
                set_dumpable(dumpable)?;
                write(&tell, b".")
            };
            match become_somebody() {
                Ok(_) => loop {
                    pause();
                },
                Err(_) => 1,
            }
        })?;
        drop(tell);
        let stranger = Self(stranger);
        ensure_eq!(read(&ready, &mut [0])?, 1);
        Ok(stranger)
    }

    fn path(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.0).into()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

fn owner_of_files() -> Outcome {
    for dumpable in [true, false] {
        let stranger = Stranger::new(dumpable)?;
        let owner = if dumpable { SOMEBODY } else { 0 };
        for name in ["environ", "fd", "oom_score_adj", "status"] {
            let uid = std::fs::metadata(stranger.path(name))?.uid();
            ensure!(uid == owner, "{name} of uid {uid}, dumpable {dumpable}");
        }
        for name in ["", "task"] {
            ensure_eq!(std::fs::metadata(stranger.path(name))?.uid(), SOMEBODY);
        }
    }
    Ok(())
}

/// What another process of the same user sees of one that it may look into, and of one that not.
fn keeps_others_out() -> Outcome {
    let (open, hidden) = (Stranger::new(true)?, Stranger::new(false)?);
    let peer = child(|| {
        status_of((|| {
            setuid(Uid::from_raw(SOMEBODY))?;
            std::fs::read_link(open.path("cwd"))?;
            std::fs::read_link(open.path("fd/0"))?;
            std::fs::read(open.path("environ"))?;
            let refused = Some(libc::EACCES);
            for name in ["cwd", "exe", "root", "fd/0"] {
                let error = std::fs::read_link(hidden.path(name)).err();
                ensure!(error.is_some_and(|error| error.raw_os_error() == refused));
            }
            let environment = std::fs::read(hidden.path("environ")).err();
            ensure!(environment.is_some_and(|error| error.raw_os_error() == refused));
            ensure_eq!(memory_of(hidden.0), Err(Errno::EPERM));
            std::fs::read(hidden.path("status"))?;
            Ok(())
        })())
    })?;
    succeeds(peer)
}

/// Reads a byte of another process, which may lie nowhere.
fn memory_of(process: Pid) -> nix::Result<usize> {
    let mut byte = [0];
    let local = [std::io::IoSliceMut::new(&mut byte)];
    let remote = nix::sys::uio::RemoteIoVec {
        base: 0x1000,
        len: 1,
    };
    nix::sys::uio::process_vm_readv(process, &mut { local }, &[remote])
}

/// A process that hides from others still sees its own descriptors and names its own threads.
fn own_descriptors_stay() -> Outcome {
    let hidden = child(|| {
        status_of((|| {
            setuid(Uid::from_raw(SOMEBODY))?;
            ensure!(!get_dumpable()?);
            ensure!(std::fs::read_dir("/proc/self/fd")?.count() > 0);
            std::fs::read_link("/proc/self/fd/0")?;
            std::fs::write("/proc/thread-self/comm", "hidden")?;
            ensure_eq!(std::fs::read_to_string("/proc/self/comm")?, "hidden\n");
            let refused = |error: std::io::Error| error.raw_os_error() == Some(libc::EACCES);
            ensure!(std::fs::read("/proc/self/environ").is_err_and(refused));
            ensure!(std::fs::write("/proc/self/comm", "seen").is_err_and(refused));
            Ok(())
        })())
    })?;
    succeeds(hidden)
}

//! The files of `/proc/<pid>` and `/proc/<pid>/task/<tid>`.

use super::subject::Subject;
use super::{areas, descriptors, mounts, number, numbered, stat, status};
use crate::error::{Errno, Result};
use crate::fs::node::{FileType, Link};
use crate::fs::synthetic::{Child, Content, Directory, FIRST_COOKIE, Made};
use crate::fs::{Location, OpenFile, mount};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

type Make = fn(Subject) -> Made;

/// The directory of a process or thread.
pub fn directory(subject: Subject) -> Made {
    let (uid, gid) = subject.owner();
    Made::directory(Entries(subject)).owned_by(uid, gid)
}

/// The names below every process and thread; the flag says that threads have it, too.
const NAMES: &[(&str, bool, Make)] = &[
    ("cgroup", true, |_| Made::text(|| Ok("0::/\n".to_string()))),
    ("cmdline", true, |subject| {
        Made::bytes(move || Ok(image(&subject, |image| image.command_line.clone())))
    }),
    ("comm", true, comm),
    ("cwd", true, |subject| {
        place_link(subject, working_directory)
    }),
    ("environ", true, |subject| {
        Made::bytes(move || {
            subject.check_inspect()?;
            Ok(image(&subject, |image| image.environment.clone()))
        })
        .with_permissions(0o400)
    }),
    ("auxv", true, |subject| {
        Made::bytes(move || Ok(image(&subject, |image| image.auxiliary.clone())))
            .with_permissions(0o400)
    }),
    ("exe", true, exe),
    ("fd", true, |subject| {
        Made::directory(descriptors::Links(subject)).with_permissions(0o500)
    }),
    ("fdinfo", true, |subject| {
        Made::directory(descriptors::Infos(subject)).with_permissions(0o500)
    }),
    ("limits", true, |subject| {
        Made::text(move || status::limits(&subject))
    }),
    ("maps", true, |subject| {
        Made::text(move || areas::maps(&subject))
    }),
    ("mountinfo", true, |subject| {
        Made::text(move || mounts::mountinfo(&subject))
    }),
    ("mounts", true, |subject| {
        Made::text(move || mounts::mounts(&subject))
    }),
    ("oom_score", true, |_| Made::text(|| Ok("0\n".to_string()))),
    ("oom_score_adj", true, |_| {
        Made::text(|| Ok("0\n".to_string()))
    }),
    ("root", true, |subject| place_link(subject, root)),
    ("sched", true, |subject| {
        Made::text(move || status::sched(&subject))
    }),
    ("schedstat", true, |subject| {
        Made::text(move || status::schedstat(&subject))
    }),
    ("smaps", true, |subject| {
        Made::text(move || areas::smaps(&subject))
    }),
    ("stat", true, |subject| {
        Made::text(move || stat::stat(&subject))
    }),
    ("statm", true, |subject| {
        Made::text(move || stat::statm(&subject))
    }),
    ("status", true, |subject| {
        Made::text(move || status::status(&subject))
    }),
    ("task", false, |subject| Made::directory(Threads(subject))),
];

struct Entries(Subject);

impl Entries {
    fn make(&self, make: Make) -> Made {
        let (uid, gid) = self.0.owner();
        make(self.0.clone()).owned_by(uid, gid)
    }
}

impl Directory for Entries {
    fn list(&self) -> Vec<Child> {
        let shown = NAMES
            .iter()
            .filter(|(_, in_threads, _)| *in_threads || !self.0.one_thread);
        (FIRST_COOKIE..)
            .zip(shown)
            .map(|(cookie, (name, _, make))| {
                let file_type = match self.make(*make).content {
                    Content::Directory(_) => FileType::Directory,
                    Content::Link(..) => FileType::Symlink,
                    _ => FileType::Regular,
                };
                Child {
                    name: name.as_bytes().to_vec(),
                    file_type,
                    cookie,
                }
            })
            .collect()
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let found = NAMES.iter().find(|(known, ..)| known.as_bytes() == name);
        let (_, in_threads, make) = found?;
        (*in_threads || !self.0.one_thread).then(|| self.make(*make))
    }
}

/// `/proc/<pid>/task`.
struct Threads(Subject);

impl Directory for Threads {
    fn list(&self) -> Vec<Child> {
        let mut threads = self.0.threads();
        threads.sort_unstable_by_key(|thread| thread.id);
        threads
            .iter()
            .map(|thread| numbered(thread.id, FileType::Directory))
            .collect()
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let tid = number(name)?;
        self.0
            .threads()
            .into_iter()
            .find(|thread| thread.id == tid)
            .map(directory)
    }
}

/// Something of the program's image; empty for kernel threads.
fn image(subject: &Subject, part: impl Fn(&crate::process::Image) -> Vec<u8>) -> Vec<u8> {
    subject
        .process
        .as_ref()
        .filter(|_| subject.task.is_some())
        .map(|process| part(&process.image()))
        .unwrap_or_default()
}

/// The name; a process may change those of its own threads.
fn comm(subject: Subject) -> Made {
    let writer = subject.clone();
    Made::text(move || Ok(format!("{}\n", subject.name()))).writable(move |name| {
        const LENGTH: usize = 15;
        let own = crate::process::try_current().map(|current| current.pid());
        let task = writer.living()?;
        if own != Some(task.process().pid()) {
            return Err(Errno::EINVAL);
        }
        let end = name
            .iter()
            .position(|&byte| byte == b'\n' || byte == 0)
            .unwrap_or(name.len());
        task.thread()
            .set_name(&String::from_utf8_lossy(&name[..end.min(LENGTH)]));
        crate::trace::renamed(task.thread());
        Ok(())
    })
}

fn working_directory(subject: &Subject) -> Result<Location> {
    Ok(subject
        .living()?
        .fs_of()
        .ok_or(Errno::ENOENT)?
        .working_directory())
}

fn root(subject: &Subject) -> Result<Location> {
    Ok(subject.living()?.fs_of().ok_or(Errno::ENOENT)?.root())
}

fn executable(subject: &Subject) -> Result<Arc<OpenFile>> {
    let task = subject.task.as_ref().ok_or(Errno::ENOENT)?;
    task.process()
        .image()
        .executable
        .clone()
        .ok_or(Errno::ENOENT)
}

/// A link straight to the program's file.
fn exe(subject: Subject) -> Made {
    let reader = subject.clone();
    let follow = move || {
        subject.check_inspect()?;
        Ok(Link::Open(executable(&subject)?))
    };
    Made::magic_link(follow, move || {
        reader.check_inspect()?;
        Ok(executable(&reader)?.path(&mount::root()))
    })
}

/// A link straight to a directory.
fn place_link(subject: Subject, place: fn(&Subject) -> Result<Location>) -> Made {
    let reader = subject.clone();
    let follow = move || {
        subject.check_inspect()?;
        Ok(Link::Place(place(&subject)?))
    };
    Made::magic_link(follow, move || {
        reader.check_inspect()?;
        place(&reader)?.path(&mount::root())
    })
}

//! The files of `/proc/<pid>` and `/proc/<pid>/task/<tid>`.

use super::subject::Subject;
use super::{areas, descriptors, mounts, number, stat, status};
use crate::error::{Errno, Result};
use crate::fs::context::readers_root;
use crate::fs::node::{FileType, Link};
use crate::fs::synthetic::{Directory, FIRST_COOKIE, Made, Visitor, visit_all, visit_numbers};
use crate::fs::{Location, OpenFile};
use crate::process::{Capabilities, Image, current, oom};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

type Make = fn(Subject) -> Made;

/// The directory of a process or thread.
pub fn directory(subject: Subject) -> Made {
    let entries = Made::directory(Entries(subject.clone()));
    subject.owning(entries)
}

/// The names below every process and thread; the flag says that threads have it, too.
const NAMES: &[(&str, bool, Make)] = &[
    ("cgroup", true, |_| Made::text(|| Ok("0::/\n".to_string()))),
    ("cmdline", true, |subject| {
        Made::pieces(move |from, text| {
            image(&subject).map_or(Ok(None), |image| text.push_part(&image.command_line, from))
        })
    }),
    ("comm", true, comm),
    ("cwd", true, |subject| {
        place_link(subject, working_directory)
    }),
    ("environ", true, |subject| {
        Made::pieces(move |from, text| {
            let image = image(&subject);
            subject.check_inspect()?;
            image.map_or(Ok(None), |image| text.push_part(&image.environment, from))
        })
        .with_permissions(0o400)
    }),
    ("auxv", true, |subject| {
        Made::pieces(move |from, text| {
            let image = image(&subject);
            subject.check_inspect()?;
            image.map_or(Ok(None), |image| text.push_part(&image.auxiliary, from))
        })
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
        Made::pieces(move |from, text| areas::maps(&subject, from, text))
    }),
    ("mountinfo", true, |subject| {
        Made::text(move || mounts::mountinfo(&subject))
    }),
    ("mounts", true, |subject| {
        Made::text(move || mounts::mounts(&subject))
    }),
    ("oom_score", true, oom_score),
    ("oom_score_adj", true, oom_score_adj),
    ("root", true, |subject| place_link(subject, root)),
    ("sched", true, |subject| {
        Made::text(move || status::sched(&subject))
    }),
    ("schedstat", true, |subject| {
        Made::text(move || status::schedstat(&subject))
    }),
    ("smaps", true, |subject| {
        Made::pieces(move |from, text| areas::smaps(&subject, from, text))
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
    fn make(&self, name: &str, make: Make) -> Made {
        let file = make(self.0.clone());
        match name {
            // Whatever a process has given up, it may still use these of its own.
            "fd" if self.0.is_own() => self.0.owning_itself(file),
            "comm" if self.0.one_thread && self.0.is_own() => self.0.owning_itself(file),
            _ => self.0.owning(file),
        }
    }
}

impl Directory for Entries {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        let shown = NAMES
            .iter()
            .filter(|(_, in_threads, _)| *in_threads || !self.0.one_thread);
        let children = shown.map(|(name, _, make)| (name, self.make(name, *make).file_type()));
        visit_all(FIRST_COOKIE, children, from, visitor);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let found = NAMES.iter().find(|(known, ..)| known.as_bytes() == name);
        let (name, in_threads, make) = found?;
        (*in_threads || !self.0.one_thread).then(|| self.make(name, *make))
    }
}

/// `/proc/<pid>/task`.
struct Threads(Subject);

impl Directory for Threads {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        let mut tids = self.0.tids()?;
        tids.sort_unstable();
        visit_numbers(
            tids.into_iter(),
            FileType::Directory,
            FIRST_COOKIE,
            from,
            visitor,
        );
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let tid = number(name)?;
        self.0.thread(tid).map(directory)
    }
}

/// The program's image; `None` for kernel threads and zombies.
fn image(subject: &Subject) -> Option<Arc<Image>> {
    let process = subject.process.as_ref()?;
    subject.task.is_some().then(|| process.image())
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

/// How likely it is to go when memory runs out.
fn oom_score(subject: Subject) -> Made {
    Made::text(move || {
        let process = subject.process.as_deref();
        Ok(format!("{}\n", process.map_or(0, oom::shown_score)))
    })
}

fn oom_score_adj(subject: Subject) -> Made {
    let writer = subject.clone();
    let read = move || {
        let process = subject.process.as_ref();
        let adjustment = process.map_or(0, |process| process.oom.adjustment());
        Ok(format!("{adjustment}\n"))
    };
    Made::text(read).writable(move |text| {
        let text = core::str::from_utf8(text.trim_ascii()).map_err(|_| Errno::EINVAL)?;
        let adjustment = text.parse().map_err(|_| Errno::EINVAL)?;
        let privileged = current().credentials().has(Capabilities::SYS_RESOURCE);
        let process = writer.process.as_ref().ok_or(Errno::ESRCH)?;
        process.oom.adjust(adjustment, privileged)
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
        Ok(executable(&reader)?.path(&readers_root()))
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
        place(&reader)?.path(&readers_root())
    })
}

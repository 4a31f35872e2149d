//! `/proc/<pid>/fd` and `/proc/<pid>/fdinfo`.

use super::number;
use super::subject::Subject;
use crate::error::{Errno, Result};
use crate::fs::context::readers_root;
use crate::fs::node::{FileType, Link};
use crate::fs::synthetic::{Directory, FIRST_COOKIE, Made, Visitor, visit_numbers};
use crate::fs::{Fd, FileTable, OpenFile};
use alloc::format;
use alloc::sync::Arc;

fn table(subject: &Subject) -> Result<Arc<FileTable>> {
    subject.check_inspect()?;
    subject
        .task
        .as_ref()
        .and_then(|task| task.files_of())
        .ok_or(Errno::ENOENT)
}

fn visit(
    subject: &Subject,
    file_type: FileType,
    from: u64,
    visitor: &mut Visitor<'_>,
) -> Result<()> {
    let table = table(subject)?;
    let first = from.saturating_sub(FIRST_COOKIE);
    let fds = table.descriptors(Fd::try_from(first).unwrap_or(Fd::MAX));
    visit_numbers(fds, file_type, FIRST_COOKIE, from, visitor);
    Ok(())
}

fn find(subject: &Subject, name: &[u8]) -> Option<(Fd, Arc<OpenFile>)> {
    let fd = number(name)?;
    Some((fd, table(subject).ok()?.get(fd).ok()?))
}

/// Links to the open files.
pub struct Links(pub Subject);

impl Directory for Links {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        visit(&self.0, FileType::Symlink, from, visitor)
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let (fd, file) = find(&self.0, name)?;
        let flags = file.flags();
        let access = (u16::from(flags.readable()) * 0o500) | (u16::from(flags.writable()) * 0o300);
        let (follower, reader) = (self.0.clone(), self.0.clone());
        // Looked up anew when used: the link does not keep the file open.
        let follow = move || {
            Ok(Link::Open(
                table(&follower)?.get(fd).map_err(|_| Errno::ENOENT)?,
            ))
        };
        let text = move || {
            Ok(table(&reader)?
                .get(fd)
                .map_err(|_| Errno::ENOENT)?
                .path(&readers_root()))
        };
        let link = Made::magic_link(follow, text).with_permissions(access);
        Some(self.0.owning(link))
    }
}

/// Offsets and flags of the open files.
pub struct Infos(pub Subject);

impl Directory for Infos {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        visit(&self.0, FileType::Regular, from, visitor)
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let (fd, _) = find(&self.0, name)?;
        let subject = self.0.clone();
        let text = move || {
            let file = table(&subject)?.get(fd).map_err(|_| Errno::ENOENT)?;
            let mount = file.opened().map_or(0, |opened| opened.place.mount.id);
            let (offset, flags, inode) =
                (file.offset(), file.flags().bits(), file.metadata().id.inode);
            Ok(format!(
                "pos:\t{offset}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{inode}\n"
            ))
        };
        Some(self.0.owning(Made::text(text).with_permissions(0o400)))
    }
}

//! Path walking: from a path to a place, across symbolic links and mount points
//! (path_resolution(7)).

use super::caller::Caller;
use super::mount::{Location, PATH_MAX};
use super::node::{FileType, Link, NAME_MAX, Node};
use super::open_file::OpenFile;
use super::permission::{Access, check};
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How many symbolic links one walk follows (MAXSYMLINKS).
const MAX_LINKS: usize = 40;

/// How a walk treats links and borders (openat2(2)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Follow a symbolic link in the last component.
    pub follow: bool,
    pub no_symlinks: bool,
    pub no_magic_links: bool,
    pub no_crossing: bool,
    pub beneath: bool,
}

impl Rules {
    pub const FOLLOW: Rules = Rules {
        follow: true,
        no_symlinks: false,
        no_magic_links: false,
        no_crossing: false,
        beneath: false,
    };
    pub const NO_FOLLOW: Rules = Rules {
        follow: false,
        ..Rules::FOLLOW
    };
}

/// Where a path led.
pub struct Resolved {
    /// The directory that holds (or would hold) the last component.
    pub parent: Location,
    /// The last component; empty where it is no name (`/`, `.`, `..`, a magic link).
    pub name: Vec<u8>,
    /// What is there; `None` if nothing.
    pub place: Option<Location>,
    /// The path ended in a slash: only a directory will do.
    pub wants_directory: bool,
    /// It ended at a magic link to an open file.
    pub open: Option<Arc<OpenFile>>,
}

impl Resolved {
    /// What is there, or `ENOENT`; `ENOTDIR` if the path's end asks for a directory.
    pub fn existing(&self) -> Result<Location> {
        let place = self.place.clone().ok_or(Errno::ENOENT)?;
        if self.wants_directory && place.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        Ok(place)
    }
}

/// Walks `path` from `base` (the working directory if `None`).
pub fn resolve(
    caller: &Caller,
    base: Option<&Location>,
    path: &[u8],
    rules: Rules,
) -> Result<Resolved> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let start = base.unwrap_or(&caller.working_directory).clone();
    let floor = start.clone();
    let mut walk = Walk {
        caller,
        rules,
        floor,
        parent: start.clone(),
        here: start,
        name: Vec::new(),
        links: 0,
    };
    walk.run(path.to_vec())
}

struct Walk<'a> {
    caller: &'a Caller,
    rules: Rules,
    /// Where the walk began, for `beneath`.
    floor: Location,
    here: Location,
    /// Where `name` was looked up last.
    parent: Location,
    name: Vec<u8>,
    links: usize,
}

enum Step {
    Moved,
    /// Go on with this text instead of the rest.
    Text(Vec<u8>),
    Missing,
    Open(Arc<OpenFile>),
}

impl Walk<'_> {
    fn run(&mut self, mut path: Vec<u8>) -> Result<Resolved> {
        let mut at = 0;
        self.enter_root_if_absolute(&path)?;
        loop {
            at += path[at..].iter().take_while(|&&byte| byte == b'/').count();
            if at == path.len() {
                return Ok(self.done(Some(self.here.clone()), &path, None));
            }
            let end = path[at..]
                .iter()
                .position(|&byte| byte == b'/')
                .map_or(path.len(), |length| at + length);
            let last = path[end..].iter().all(|&byte| byte == b'/');
            let plain_end = last && end == path.len();
            match self.step(&path[at..end], !plain_end || self.rules.follow)? {
                Step::Moved => at = end,
                Step::Text(mut text) => {
                    text.extend_from_slice(&path[end..]);
                    if text.len() >= PATH_MAX {
                        return Err(Errno::ENAMETOOLONG);
                    }
                    self.enter_root_if_absolute(&text)?;
                    (path, at) = (text, 0);
                }
                Step::Missing if last => return Ok(self.done(None, &path, None)),
                Step::Missing => return Err(Errno::ENOENT),
                Step::Open(file) if last => return Ok(self.done(None, &path, Some(file))),
                Step::Open(_) => return Err(Errno::ENOTDIR),
            }
        }
    }

    /// One component; `follow` says whether a symbolic link is followed.
    fn step(&mut self, name: &[u8], follow: bool) -> Result<Step> {
        if self.here.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        check(
            &self.caller.credentials,
            &self.here.node.metadata(),
            Access::EXECUTE,
        )?;
        self.name.clear();
        match name {
            b"." => return Ok(Step::Moved),
            b".." => return self.climb(),
            _ if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        self.parent = self.here.clone();
        self.name.extend_from_slice(name);
        let node = match self.here.node.lookup(name) {
            Err(Errno::ENOENT) => return Ok(Step::Missing),
            other => other?,
        };
        if follow && node.file_type() == FileType::Symlink {
            return self.follow(&*node);
        }
        self.arrive(self.here.with_node(node).cross())
    }

    fn follow(&mut self, link: &dyn Node) -> Result<Step> {
        self.links += 1;
        if self.links > MAX_LINKS || self.rules.no_symlinks {
            return Err(Errno::ELOOP);
        }
        let target = link.follow()?;
        if self.rules.no_magic_links && !matches!(target, Link::Path(_)) {
            return Err(Errno::ELOOP);
        }
        match target {
            Link::Path(text) if text.is_empty() => Err(Errno::ENOENT),
            Link::Path(text) => Ok(Step::Text(text)),
            Link::Place(place) => {
                self.name.clear();
                self.arrive(place)
            }
            Link::Open(file) => match file.opened() {
                Some(opened) => {
                    self.name.clear();
                    if let Some((directory, name)) = &opened.entry {
                        (self.parent, self.name) = (directory.clone(), name.clone());
                    }
                    self.arrive(opened.place.clone())
                }
                // A pipe, a socket: it is in no tree.
                None => Ok(Step::Open(file)),
            },
        }
    }

    fn climb(&mut self) -> Result<Step> {
        if self.rules.beneath && self.here.same(&self.floor) {
            return Err(Errno::EXDEV);
        }
        let above = self.here.parent(&self.caller.root).cross();
        self.arrive(above)
    }

    fn arrive(&mut self, place: Location) -> Result<Step> {
        if self.rules.no_crossing && place.mount.id != self.floor.mount.id {
            return Err(Errno::EXDEV);
        }
        self.here = place;
        Ok(Step::Moved)
    }

    fn enter_root_if_absolute(&mut self, path: &[u8]) -> Result<()> {
        if path.first() != Some(&b'/') {
            return Ok(());
        }
        if self.rules.beneath {
            return Err(Errno::EXDEV);
        }
        self.name.clear();
        self.arrive(self.caller.root.clone()).map(|_| ())
    }

    fn done(
        &mut self,
        place: Option<Location>,
        path: &[u8],
        open: Option<Arc<OpenFile>>,
    ) -> Resolved {
        let name = core::mem::take(&mut self.name);
        let parent = if name.is_empty() {
            self.here.clone()
        } else {
            self.parent.clone()
        };
        Resolved {
            parent,
            name,
            place,
            wants_directory: path.last() == Some(&b'/'),
            open,
        }
    }
}

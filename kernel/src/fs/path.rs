//! Path walking: from a path to a place, across symbolic links and mount points
//! (path_resolution(7)).

use super::caller::Caller;
use super::mount::{Location, PATH_MAX};
use super::node::{FileType, Link, NAME_MAX, Node};
use super::open_file::OpenFile;
use super::permission::{Access, check};
use crate::error::{Errno, Result};
use alloc::borrow::Cow;
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

    /// Whether a link in the last component is followed is all there is to say.
    pub fn following(follow: bool) -> Rules {
        Rules {
            follow,
            ..Rules::FOLLOW
        }
    }
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
    pub fn existing(&self) -> Result<&Location> {
        let place = self.place.as_ref().ok_or(Errno::ENOENT)?;
        if self.wants_directory && place.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        Ok(place)
    }

    /// The same for callers who want no more than that.
    pub fn into_existing(self) -> Result<Location> {
        self.existing()?;
        self.place.ok_or(Errno::ENOENT)
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
    let floor = base.unwrap_or(&caller.places.working_directory);
    let start = rules.root_of(path, caller, floor)?.unwrap_or(floor);
    let walk = Walk {
        caller,
        rules,
        floor,
        here: start.clone(),
        parent: None,
        name: Vec::new(),
        links: 0,
    };
    walk.run(path)
}

impl Rules {
    /// The root, where an absolute path starts.
    fn root_of<'a>(
        &self,
        path: &[u8],
        caller: &'a Caller,
        floor: &Location,
    ) -> Result<Option<&'a Location>> {
        if path.first() != Some(&b'/') {
            return Ok(None);
        }
        if self.beneath || self.no_crossing && caller.places.root.mount.id != floor.mount.id {
            return Err(Errno::EXDEV);
        }
        Ok(Some(&caller.places.root))
    }
}

struct Walk<'a> {
    caller: &'a Caller,
    rules: Rules,
    /// Where the walk began, for `beneath`.
    floor: &'a Location,
    here: Location,
    /// The directory in which `here` was found under a name.
    parent: Option<Location>,
    /// The last component, if it is a name.
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
    fn run(mut self, path: &[u8]) -> Result<Resolved> {
        let (mut path, mut at) = (Cow::Borrowed(path), 0);
        loop {
            at += path[at..].iter().take_while(|&&byte| byte == b'/').count();
            if at == path.len() {
                return Ok(self.found(&path));
            }
            let end = path[at..]
                .iter()
                .position(|&byte| byte == b'/')
                .map_or(path.len(), |length| at + length);
            let last = path[end..].iter().all(|&byte| byte == b'/');
            let plain_end = last && end == path.len();
            self.name.clear();
            self.parent = None;
            if last {
                self.name.extend_from_slice(&path[at..end]);
            }
            match self.step(&path[at..end], !plain_end || self.rules.follow)? {
                Step::Moved => at = end,
                Step::Text(mut text) => {
                    text.extend_from_slice(&path[end..]);
                    if text.len() >= PATH_MAX {
                        return Err(Errno::ENAMETOOLONG);
                    }
                    self.name.clear();
                    if let Some(root) = self.rules.root_of(&text, self.caller, self.floor)? {
                        self.here = root.clone();
                    }
                    (path, at) = (Cow::Owned(text), 0);
                }
                Step::Missing if last => return Ok(self.nowhere(&path, None)),
                Step::Missing => return Err(Errno::ENOENT),
                Step::Open(file) if last => return Ok(self.nowhere(&path, Some(file))),
                Step::Open(_) => return Err(Errno::ENOTDIR),
            }
        }
    }

    /// One component; `follow` says whether a symbolic link is followed.
    fn step(&mut self, name: &[u8], follow: bool) -> Result<Step> {
        let directory = self.here.node.protection();
        if directory.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        check(&self.caller.credentials, directory, Access::EXECUTE)?;
        match name {
            b"." => {
                self.name.clear();
                return Ok(Step::Moved);
            }
            b".." => return self.climb(),
            _ if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let node = match self.here.node.lookup(name) {
            Err(Errno::ENOENT) => return Ok(Step::Missing),
            other => other?,
        };
        if follow && node.file_type() == FileType::Symlink {
            return self.follow(&*node);
        }
        let above = self.arrive(self.here.with_node(node).cross())?;
        self.parent = Some(above);
        Ok(Step::Moved)
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
            Link::Place(place) => self.jump(place),
            Link::Open(file) => match file.opened() {
                Some(opened) => {
                    let step = self.jump(opened.place.clone());
                    if let Some((directory, name)) = &opened.entry {
                        (self.parent, self.name) = (Some(directory.clone()), name.clone());
                    }
                    step
                }
                // A pipe, a socket: it is in no tree.
                None => Ok(Step::Open(file)),
            },
        }
    }

    fn climb(&mut self) -> Result<Step> {
        if self.rules.beneath && self.here.same(self.floor) {
            return Err(Errno::EXDEV);
        }
        self.jump(self.here.parent(&self.caller.places.root).cross())
    }

    /// Goes to a place that no name in a directory led to.
    fn jump(&mut self, place: Location) -> Result<Step> {
        self.name.clear();
        self.arrive(place).map(|_| Step::Moved)
    }

    /// Goes to `place`; gives where the walk was before.
    fn arrive(&mut self, place: Location) -> Result<Location> {
        if self.rules.no_crossing && place.mount.id != self.floor.mount.id {
            return Err(Errno::EXDEV);
        }
        Ok(core::mem::replace(&mut self.here, place))
    }

    /// The path ends here.
    fn found(self, path: &[u8]) -> Resolved {
        Resolved {
            parent: self.parent.unwrap_or_else(|| self.here.clone()),
            name: self.name,
            place: Some(self.here),
            wants_directory: wants_directory(path),
            open: None,
        }
    }

    /// Nothing of that name is here, or nothing that has a place.
    fn nowhere(self, path: &[u8], open: Option<Arc<OpenFile>>) -> Resolved {
        Resolved {
            parent: self.here,
            name: self.name,
            place: None,
            wants_directory: wants_directory(path),
            open,
        }
    }
}

fn wants_directory(path: &[u8]) -> bool {
    path.last() == Some(&b'/')
}

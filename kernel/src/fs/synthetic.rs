//! Nodes that exist only while somebody looks: what procfs, sysfs and devpts are made of.
//!
//! A [`Directory`] lists and finds its children when asked; a [`Made`] says what a child is. A
//! node's number is a hash of its path, so it is the same each time it is looked up. What programs
//! can make long is neither listed nor written in one piece: [`Directory::visit`], [`Made::pieces`].

mod file;
mod node;
mod text;

pub use node::{SyntheticFs, SyntheticNode};
pub use text::Text;

use super::node::{DeviceNumber, FileType, Link, Visit};
use crate::error::Result;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use smp::SpinLock;
use text::MakePiece;

/// The first cookie of a listing that is not `.` or `..`.
pub const FIRST_COOKIE: u64 = 2;

/// One name in a listing.
#[derive(Clone, Copy)]
pub struct Child<'a> {
    pub name: &'a [u8],
    pub file_type: FileType,
    /// Its place in the listing, ascending and from [`FIRST_COOKIE`] on; keeps to the name.
    pub cookie: u64,
}

/// Is shown one child after the other, until it has enough.
pub type Visitor<'a> = dyn FnMut(Child<'_>) -> Visit + 'a;

/// A directory whose entries are made up when asked for.
pub trait Directory: Send + Sync {
    /// Shows the children from place `from` on. Allocates nothing that grows with their number.
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()>;
    fn find(&self, name: &[u8]) -> Option<Made>;
}

/// Shows what is in a short list, from place `from` on, numbered in its order; whether there is
/// room for more.
pub fn visit_all(
    first: u64,
    children: impl IntoIterator<Item = (impl AsRef<[u8]>, FileType)>,
    from: u64,
    visitor: &mut Visitor<'_>,
) -> Visit {
    let numbered = (first..)
        .zip(children)
        .filter(|(cookie, _)| *cookie >= from);
    for (cookie, (name, file_type)) in numbered {
        let child = Child {
            name: name.as_ref(),
            file_type,
            cookie,
        };
        if visitor(child) == Visit::Full {
            return Visit::Full;
        }
    }
    Visit::Continue
}

/// Shows children whose names are numbers, ascending and from place `from` on.
pub fn visit_numbers(
    numbers: impl Iterator<Item = u32>,
    file_type: FileType,
    first: u64,
    from: u64,
    visitor: &mut Visitor<'_>,
) -> Visit {
    for number in numbers {
        let (cookie, name) = (first + u64::from(number), number.to_string());
        let child = Child {
            name: name.as_bytes(),
            file_type,
            cookie,
        };
        if cookie >= from && visitor(child) == Visit::Full {
            return Visit::Full;
        }
    }
    Visit::Continue
}

type ReadText = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;
type WriteText = Box<dyn Fn(&[u8]) -> Result<()> + Send + Sync>;
type FollowLink = Box<dyn Fn() -> Result<Link> + Send + Sync>;

/// What a node is.
pub enum Content {
    Directory(Box<dyn Directory>),
    Text(Box<MakePiece>, Option<WriteText>),
    /// Where it leads, and what readlink(2) tells.
    Link(FollowLink, ReadText),
    Device(DeviceNumber),
}

/// Whose a node is, and what others may do with it.
#[derive(Clone, Copy)]
pub struct Ownership {
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
}

/// A node as its directory describes it.
pub struct Made {
    pub content: Content,
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
    /// Takes the place of the three where chmod(2) and chown(2) may change them.
    kept: Option<Arc<SpinLock<Ownership>>>,
}

impl Made {
    fn new(content: Content, permissions: u16) -> Self {
        Self {
            content,
            permissions,
            uid: 0,
            gid: 0,
            kept: None,
        }
    }

    pub fn directory(directory: impl Directory + 'static) -> Self {
        Self::new(Content::Directory(Box::new(directory)), 0o555)
    }

    /// A file with this text, made anew for each reading.
    pub fn text(text: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        Self::bytes(move || text().map(String::into_bytes))
    }

    pub fn bytes(read: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::pieces(move |_, text| {
            *text = read()?.into();
            Ok(None)
        })
    }

    /// A file whose length is the programs' choice: `make` writes from a place on until the text
    /// is full, and says where it goes on. The first place is 0.
    pub fn pieces(
        make: impl Fn(u64, &mut Text) -> Result<Option<u64>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Content::Text(Box::new(make), None), 0o444)
    }

    /// A symbolic link with this text.
    pub fn link(text: impl Fn() -> Result<String> + Send + Sync + Clone + 'static) -> Self {
        let follow = text.clone();
        Self::magic_link(
            move || Ok(Link::Path(follow()?.into_bytes())),
            move || Ok(text()?.into_bytes()),
        )
    }

    /// A link that leads elsewhere than its text says.
    pub fn magic_link(
        follow: impl Fn() -> Result<Link> + Send + Sync + 'static,
        text: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Content::Link(Box::new(follow), Box::new(text)), 0o777)
    }

    pub fn device(number: DeviceNumber, permissions: u16) -> Self {
        Self::new(Content::Device(number), permissions)
    }

    /// Its owner and permissions are what is kept there, and may be changed.
    pub fn kept_in(mut self, ownership: Arc<SpinLock<Ownership>>) -> Self {
        self.kept = Some(ownership);
        self
    }

    fn ownership(&self) -> Ownership {
        let described = Ownership {
            permissions: self.permissions,
            uid: self.uid,
            gid: self.gid,
        };
        self.kept.as_ref().map_or(described, |kept| *kept.lock())
    }

    /// Makes a text file writable for its owner.
    pub fn writable(mut self, write: impl Fn(&[u8]) -> Result<()> + Send + Sync + 'static) -> Self {
        if let Content::Text(_, slot) = &mut self.content {
            *slot = Some(Box::new(write));
        }
        self.permissions |= 0o200;
        self
    }

    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub fn with_permissions(mut self, permissions: u16) -> Self {
        self.permissions = permissions;
        self
    }

    pub fn file_type(&self) -> FileType {
        match self.content {
            Content::Directory(_) => FileType::Directory,
            Content::Text(..) => FileType::Regular,
            Content::Link(..) => FileType::Symlink,
            Content::Device(_) => FileType::CharDevice,
        }
    }
}

/// A name and how its node is made.
type Row = (&'static str, fn() -> Made);

/// A directory with fixed names.
pub struct Table(pub &'static [Row]);

impl Table {
    /// As [`Directory::visit`]; whether there is room for more.
    pub fn show(&self, from: u64, visitor: &mut Visitor<'_>) -> Visit {
        let children = self.0.iter();
        let children = children.map(|(name, make)| (name, make().file_type()));
        visit_all(FIRST_COOKIE, children, from, visitor)
    }

    /// The place behind its last name.
    pub fn next_cookie(&self) -> u64 {
        FIRST_COOKIE + self.0.len() as u64
    }
}

impl Directory for Table {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        self.show(from, visitor);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        self.0
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, make)| make())
    }
}

//! One area: a run of pages with the same protection, flags and backing.

use super::types::{Access, Backing, Label, MapFlags, Prot};
use crate::addr::{PAGE_SHIFT, PhysAddr};
use crate::page_table::{Entry, Rights};
use alloc::sync::Arc;

#[derive(Clone)]
pub struct Area {
    pub end: usize,
    pub prot: Prot,
    pub flags: MapFlags,
    /// Of the area's first page.
    pub backing: Backing,
    pub label: Label,
}

impl Area {
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.flags.contains(MapFlags::SHARED)
    }

    #[inline]
    pub fn allows(&self, access: Access) -> bool {
        self.prot.allows(access)
    }

    /// What fills the page `bytes` after the start.
    pub fn backing_at(&self, bytes: usize) -> Backing {
        match &self.backing {
            Backing::Anonymous => Backing::Anonymous,
            Backing::Source { source, first } => Backing::Source {
                source: source.clone(),
                first: first + (bytes >> PAGE_SHIFT) as u64,
            },
            Backing::Physical(address) => Backing::Physical(PhysAddr(address.0 + bytes as u64)),
        }
    }

    /// The rights that `entry`, whose frame has `shares`, may have at once. A write that is held
    /// back is granted by the fault it causes, after a copy or a word to the source.
    pub fn rights_for(&self, entry: Entry, shares: impl FnOnce() -> u32) -> Rights {
        let rights = self.prot.rights();
        let writable = match &self.backing {
            Backing::Physical(_) => true,
            _ if self.is_shared() => entry.is_writable(),
            _ => entry.is_counted() && shares() == 1,
        };
        if writable { rights } else { rights.read_only() }
    }

    /// Whether `next`, which starts where this area (from `start`) ends, can be one with it.
    pub fn joins(&self, start: usize, next: &Area) -> bool {
        let alike = self.prot == next.prot && self.flags == next.flags && self.label == next.label;
        alike
            && match (&self.backing, &next.backing) {
                (Backing::Anonymous, Backing::Anonymous) => {
                    !self.flags.contains(MapFlags::GROWS_DOWN)
                }
                (
                    Backing::Source { source, first },
                    Backing::Source {
                        source: other,
                        first: then,
                    },
                ) => {
                    let pages = ((self.end - start) >> PAGE_SHIFT) as u64;
                    Arc::ptr_eq(source, other) && first + pages == *then
                }
                _ => false,
            }
    }
}

//! Going through the enabled nodes, their registers translated to CPU physical addresses.

use super::interrupt;
use crate::machine::{Device, Region};
use alloc::string::String;
use alloc::vec::Vec;
use dtoolkit::Node;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::{NodeStandard, Status};

/// An enabled node, its registers as CPU physical addresses.
#[derive(Clone)]
pub(super) struct Found<'a> {
    pub node: FdtNode<'a>,
    pub path: String,
    pub registers: Vec<Region>,
}

impl Found<'_> {
    pub fn device(&self) -> Option<Device> {
        Some(Device {
            registers: *self.registers.first()?,
            interrupt: interrupt(self.node, 0)?,
        })
    }
}

/// All enabled nodes of the tree, parents first.
pub(super) struct Walk<'a>(Vec<Found<'a>>);

impl<'a> Walk<'a> {
    pub fn new(tree: Fdt<'a>) -> Self {
        let mut walk = Self(Vec::new());
        walk.visit(tree.root(), "", &|address| Some(address));
        walk
    }

    /// Collects the children of `parent`; `translate` turns its bus addresses into the CPU's.
    fn visit(&mut self, parent: FdtNode<'a>, path: &str, translate: &dyn Fn(u64) -> Option<u64>) {
        for node in parent.children() {
            if !matches!(node.status(), Ok(Status::Okay)) {
                continue;
            }
            let path = alloc::format!("{path}/{}", node.name());
            let registers = windows(node, translate);
            self.0.push(Found {
                node,
                path: path.clone(),
                registers,
            });
            let ranges = ranges(node);
            self.visit(node, &path, &|address| {
                translate(through(ranges.as_deref()?, address)?)
            });
        }
    }

    pub fn all<'w>(&'w self, compatible: &'w [&str]) -> impl Iterator<Item = &'w Found<'a>> {
        self.0
            .iter()
            .filter(|found| compatible.iter().any(|name| found.node.is_compatible(name)))
    }

    pub fn find(&self, compatible: &[&str]) -> Option<Found<'a>> {
        self.all(compatible).next().cloned()
    }
}

/// One entry of `ranges`: child addresses from `child` on appear at `parent` on.
struct Range {
    child: u64,
    parent: u64,
    size: u64,
}

/// The bus windows of `node`; `None` when its children are not addressable from the parent.
fn ranges(node: FdtNode<'_>) -> Option<Vec<Range>> {
    let entries = node.ranges().ok()??;
    let convert = |entry: dtoolkit::standard::Range<'_>| {
        Some(Range {
            child: entry.child_bus_address().ok()?,
            parent: entry.parent_bus_address().ok()?,
            size: entry.length().ok()?,
        })
    };
    // Windows with three-cell child addresses (PCI) do not convert; nothing below them is used.
    Some(entries.filter_map(convert).collect())
}

/// Maps a child address through the windows; an empty list is the identity (DT spec 2.3.8).
fn through(ranges: &[Range], address: u64) -> Option<u64> {
    if ranges.is_empty() {
        return Some(address);
    }
    let range = ranges
        .iter()
        .find(|range| address.wrapping_sub(range.child) < range.size)?;
    Some(address - range.child + range.parent)
}

fn windows(node: FdtNode<'_>, translate: &dyn Fn(u64) -> Option<u64>) -> Vec<Region> {
    let Ok(Some(entries)) = node.reg() else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            Some(Region {
                base: translate(entry.address().ok()?)?,
                size: entry.size().ok()?,
            })
        })
        .collect()
}

//! From the flattened device tree to a [`Machine`] (Devicetree Specification 0.4, and the Linux
//! bindings of the devices named here).

mod walk;

use super::idle_states;
use super::topology::Topology;
use super::{Conduit, CpuNode, Device, Gic, GicVersion, Interrupt, Machine, Region, Trigger};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::{NodeStandard, Status};
use dtoolkit::{Node, Property};
use walk::{Found, Walk};

/// What the tree lacks or says wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    NotADeviceTree,
    Malformed(String),
    TooManyRegions,
    NoMemory,
    NoCpus,
    NoInterruptController,
    NoTimer,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADeviceTree => f.write_str("device tree: not one"),
            Self::TooManyRegions => f.write_str("device tree: too many memory regions"),
            Self::Malformed(why) => write!(f, "device tree: {why}"),
            Self::NoMemory => f.write_str("device tree: no memory node"),
            Self::NoCpus => f.write_str("device tree: no CPU node"),
            Self::NoInterruptController => f.write_str("device tree: no GICv2 or GICv3"),
            Self::NoTimer => f.write_str("device tree: no Arm generic timer"),
        }
    }
}

/// The affinity fields of MPIDR_EL1; the `reg` of a CPU node holds nothing else.
const AFFINITY: u64 = 0xff_00ff_ffff;

impl Machine {
    /// Reads the flattened device tree in `blob`.
    pub fn parse(blob: &[u8]) -> Result<Machine, ParseError> {
        let tree = Fdt::new(blob).map_err(|error| ParseError::Malformed(error.to_string()))?;
        let walk = Walk::new(tree);
        let controller = walk.find(GICS).ok_or(ParseError::NoInterruptController)?;
        let chosen = tree.root().child("chosen");
        Ok(Machine {
            model: text(tree.root(), "model"),
            memory: memory(tree).collect(),
            reserved: reserved(tree).collect(),
            cpus: cpus(tree).collect(),
            topology: Topology::parse(tree),
            idle_states: idle_states::parse(tree),
            gic: Gic {
                version: gic(&controller)?,
            },
            psci: psci(&walk),
            timer: timer(&walk)?,
            uart: uart(&walk, chosen),
            rtc: walk
                .find(&["arm,pl031"])
                .and_then(|node| node.registers.first().copied()),
            virtio: walk
                .all(&["virtio,mmio"])
                .filter_map(Found::device)
                .collect(),
            initrd: initrd(tree),
            command_line: chosen
                .map(|node| text(node, "bootargs"))
                .unwrap_or_default(),
            seed: chosen.map(seed).unwrap_or_default(),
        })
    }
}

/// The GICs this kernel drives, version 3 first.
const GICS: &[&str] = &[
    "arm,gic-v3",
    "arm,gic-400",
    "arm,cortex-a15-gic",
    "arm,cortex-a7-gic",
    "arm,gic-v2",
];

/// The big-endian cells of a property.
pub(super) fn cells(node: FdtNode<'_>, name: &str) -> Vec<u32> {
    let Some(property) = node.property(name) else {
        return Vec::new();
    };
    let (words, _) = property.value().as_chunks::<4>();
    words.iter().map(|word| u32::from_be_bytes(*word)).collect()
}

fn text(node: FdtNode<'_>, name: &str) -> String {
    string(node, name).to_string()
}

/// The `index`th interrupt of a node whose parent is the GIC: three cells, kind, number, flags
/// (Linux binding arm,gic; a GICv3 may have a fourth cell, which only multi-affinity PPIs use).
fn interrupt(node: FdtNode<'_>, index: usize) -> Option<Interrupt> {
    const SPI: u32 = 0;
    const EDGE_FLAGS: u32 = 0b11;
    let list = cells(node, "interrupts");
    let [kind, number, flags] = *list.get(index * 3..index * 3 + 3)? else {
        return None;
    };
    Some(Interrupt {
        intid: number + if kind == SPI { 32 } else { 16 },
        trigger: if flags & EDGE_FLAGS != 0 {
            Trigger::Edge
        } else {
            Trigger::Level
        },
    })
}

// The functions down to `initrd` work without a heap: see `memory_map`.

/// RAM: every memory node that is not disabled (as secure memory is, to us).
pub(super) fn memory(tree: Fdt<'_>) -> impl Iterator<Item = Region> {
    let usable = |node: &FdtNode<'_>| matches!(node.status(), Ok(Status::Okay));
    let nodes = tree
        .root()
        .children()
        .filter(|node| is_of_type(*node, "memory"));
    nodes
        .filter(usable)
        .flat_map(own_windows)
        .filter(|region| region.size > 0)
}

/// The memory reservation block and the fixed children of /reserved-memory.
pub(super) fn reserved(tree: Fdt<'_>) -> impl Iterator<Item = Region> {
    let block = tree.memory_reservations().map(|entry| Region {
        base: entry.address(),
        size: entry.size(),
    });
    let nodes = tree
        .root()
        .child("reserved-memory")
        .into_iter()
        .flat_map(|parent| parent.children());
    block
        .chain(nodes.flat_map(own_windows))
        .filter(|region| region.size > 0)
}

/// The registers of a node whose parent's addresses are the CPU's.
fn own_windows(node: FdtNode<'_>) -> impl Iterator<Item = Region> {
    let entries = node.reg().ok().flatten().into_iter().flatten();
    entries.filter_map(|entry| {
        Some(Region {
            base: entry.address().ok()?,
            size: entry.size().ok()?,
        })
    })
}

pub(super) fn cpus(tree: Fdt<'_>) -> impl Iterator<Item = CpuNode> {
    cpu_nodes(tree).filter_map(cpu)
}

/// The nodes of the CPUs that are there, in order of logical number.
pub(super) fn cpu_nodes(tree: Fdt<'_>) -> impl Iterator<Item = FdtNode<'_>> {
    let parent = tree.root().child("cpus");
    let nodes = parent.into_iter().flat_map(|parent| parent.children());
    nodes.filter(|node| is_of_type(*node, "cpu") && cpu(*node).is_some())
}

fn is_of_type(node: FdtNode<'_>, kind: &str) -> bool {
    string(node, "device_type") == kind
}

/// A CPU that is there or may be started ("disabled" means waiting for its `enable-method`).
fn cpu(node: FdtNode<'_>) -> Option<CpuNode> {
    if matches!(node.status(), Ok(Status::Fail) | Err(_)) {
        return None;
    }
    let mpidr = number(node, "reg")? & AFFINITY;
    Some(CpuNode {
        mpidr,
        psci: string(node, "enable-method") == "psci",
    })
}

/// The initial RAM file system; its bounds have one or two cells, as the boot loader likes.
pub(super) fn initrd(tree: Fdt<'_>) -> Option<Region> {
    let chosen = tree.root().child("chosen")?;
    let (start, end) = (
        number(chosen, "linux,initrd-start")?,
        number(chosen, "linux,initrd-end")?,
    );
    (end > start).then(|| Region {
        base: start,
        size: end - start,
    })
}

/// A property of one or two cells.
fn number(node: FdtNode<'_>, name: &str) -> Option<u64> {
    let property = node.property(name)?;
    let (words, _) = property.value().as_chunks::<4>();
    let cells = words
        .iter()
        .map(|word| u64::from(u32::from_be_bytes(*word)));
    (!words.is_empty()).then(|| cells.fold(0, |value, cell| value << 32 | cell))
}

pub(super) fn string<'a>(node: FdtNode<'a>, name: &str) -> &'a str {
    let Some(property) = node.property(name) else {
        return "";
    };
    property.value_as::<&'a str>().unwrap_or_default()
}

fn gic(controller: &Found<'_>) -> Result<GicVersion, ParseError> {
    let too_few = || ParseError::Malformed("the interrupt controller lacks registers".to_string());
    let [distributor, second, ..] = controller.registers[..] else {
        return Err(too_few());
    };
    if !controller.node.is_compatible("arm,gic-v3") {
        return Ok(GicVersion::V2 {
            distributor,
            cpu_interface: second,
        });
    }
    let count = cells(controller.node, "#redistributor-regions")
        .first()
        .map_or(1, |count| *count as usize);
    let redistributors = controller
        .registers
        .get(1..1 + count)
        .ok_or_else(too_few)?
        .to_vec();
    Ok(GicVersion::V3 {
        distributor,
        redistributors,
    })
}

fn psci(walk: &Walk<'_>) -> Option<Conduit> {
    let node = walk.find(&["arm,psci-1.0", "arm,psci-0.2"])?.node;
    match text(node, "method").as_str() {
        "hvc" => Some(Conduit::Hvc),
        "smc" => Some(Conduit::Smc),
        _ => None,
    }
}

/// The virtual timer is the third interrupt (Linux binding arm,arch_timer).
fn timer(walk: &Walk<'_>) -> Result<Interrupt, ParseError> {
    const VIRTUAL: usize = 2;
    let node = walk
        .find(&["arm,armv8-timer", "arm,armv7-timer"])
        .ok_or(ParseError::NoTimer)?
        .node;
    interrupt(node, VIRTUAL).ok_or(ParseError::NoTimer)
}

/// The PL011 that /chosen names as the console, or the first one.
fn uart(walk: &Walk<'_>, chosen: Option<FdtNode<'_>>) -> Option<Device> {
    const PL011: &[&str] = &["arm,pl011", "arm,sbsa-uart"];
    let stdout = chosen
        .map(|node| text(node, "stdout-path"))
        .unwrap_or_default();
    let stdout = stdout.split(':').next().unwrap_or_default();
    let named = walk.all(PL011).find(|found| found.path == stdout);
    named.or_else(|| walk.all(PL011).next())?.device()
}

fn seed(chosen: FdtNode<'_>) -> Vec<u8> {
    chosen
        .property("rng-seed")
        .map(|property| property.value().to_vec())
        .unwrap_or_default()
}

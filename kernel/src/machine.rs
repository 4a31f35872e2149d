//! The machine as its device tree describes it, read once at boot ([`Machine::parse`]).
//!
//! Nothing about a board is hard-coded elsewhere: memory, CPUs, the interrupt controller, the
//! PSCI conduit, timers and devices all come from here. Logical CPU numbers follow the order of
//! the device tree's CPU nodes.

mod device_tree;
mod idle_states;
mod memory_map;
#[cfg(test)]
mod tests;
mod topology;

use alloc::string::String;
use alloc::vec::Vec;
use percpu::CpuId;
use spin::Once;

pub use device_tree::ParseError;
pub use idle_states::{IdleState, IdleStates, ParameterFormat};
pub use memory_map::MemoryMap;
pub use topology::{Doubt, Place, Topology};

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub base: u64,
    pub size: u64,
}

impl Region {
    pub fn end(self) -> u64 {
        self.base + self.size
    }
}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    Edge,
    Level,
}

/// An interrupt line: its GIC interrupt id and trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    pub intid: u32,
    pub trigger: Trigger,
}

/// A device with one register window and one interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub registers: Region,
    pub interrupt: Interrupt,
}

/// One CPU node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuNode {
    /// The affinity fields of the CPU's MPIDR_EL1, in their register positions.
    pub mpidr: u64,
    /// Whether `enable-method` says `psci`: only then can this kernel start it.
    pub psci: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GicVersion {
    V2 {
        distributor: Region,
        cpu_interface: Region,
    },
    V3 {
        distributor: Region,
        redistributors: Vec<Region>,
    },
}

/// The interrupt controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gic {
    pub version: GicVersion,
}

/// The instruction PSCI calls are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    Hvc,
    Smc,
}

/// Everything the kernel takes from the device tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub model: String,
    /// RAM, in the order found.
    pub memory: Vec<Region>,
    /// Parts of RAM that are not ours to allocate (the initrd and the device tree are not listed).
    pub reserved: Vec<Region>,
    pub cpus: Vec<CpuNode>,
    pub topology: Topology,
    /// What each CPU can wait in.
    pub idle_states: Vec<Vec<IdleState>>,
    pub gic: Gic,
    /// `None` without PSCI: then only the boot CPU runs and power-off is not possible.
    pub psci: Option<Conduit>,
    /// The virtual timer's private interrupt.
    pub timer: Interrupt,
    pub uart: Option<Device>,
    /// A PL031 real-time clock.
    pub rtc: Option<Region>,
    pub virtio: Vec<Device>,
    pub initrd: Option<Region>,
    pub command_line: String,
    /// Random bytes from the boot loader, different at each boot; may be empty.
    pub seed: Vec<u8>,
}

static MACHINE: Once<Machine> = Once::new();

/// Publishes the machine: once, by the boot CPU.
pub fn install(machine: Machine) -> &'static Machine {
    MACHINE.call_once(|| machine)
}

/// The machine this kernel runs on, once the boot CPU has read the device tree.
pub fn get() -> &'static Machine {
    MACHINE.get().expect("the device tree is read first")
}

impl Machine {
    /// The MPIDR affinity of a logical CPU.
    pub fn mpidr(&self, cpu: CpuId) -> u64 {
        self.cpus[cpu.index()].mpidr
    }

    /// Where a logical CPU is.
    pub fn place(&self, cpu: CpuId) -> Place {
        self.topology.places[cpu.index()]
    }

    /// The topology in the scheduler's words. Without a `cpu-map`, CPUs that differ only in Aff0
    /// are near neighbours.
    pub fn layout(&self) -> smp::Topology {
        let mut groups: Vec<u64> = Vec::new();
        let mut by_affinity = |mpidr: u64| {
            let known = groups.iter().position(|group| *group == mpidr >> 8);
            known.unwrap_or_else(|| {
                groups.push(mpidr >> 8);
                groups.len() - 1
            }) as u16
        };
        let places = &self.topology.places;
        let pairs = places.iter().zip(&self.cpus);
        let cluster = pairs.map(|(place, cpu)| match place.cluster {
            Some(cluster) => cluster,
            None => by_affinity(cpu.mpidr),
        });
        smp::Topology {
            cluster: cluster.collect(),
            capacity: places.iter().map(|place| place.capacity).collect(),
            node: places.iter().map(|place| place.node).collect(),
            distance: self.topology.distance.clone(),
            group: smp::topology::GROUP,
        }
    }

    /// The value of `key=value` on the command line, or `""` for a lone `key`.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.command_line.split_ascii_whitespace().find_map(|word| {
            let rest = word.strip_prefix(key)?;
            if rest.is_empty() {
                Some("")
            } else {
                rest.strip_prefix('=')
            }
        })
    }
}

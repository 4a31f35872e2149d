//! The states a CPU can wait in, as the device tree lists them (Linux binding
//! cpu/idle-states.yaml, entry method PSCI), and which of them to choose.
//!
//! Only such as keep the CPU's registers and its timer are used: nothing would restore the one,
//! and nothing else would end the wait in time.

#[cfg(test)]
mod tests;

use super::device_tree::{cells, cpu_nodes, string};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use dtoolkit::Node;
use dtoolkit::fdt::{Fdt, FdtNode};

/// One state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleState {
    pub name: String,
    /// What CPU_SUSPEND is told.
    pub parameter: u32,
    /// At worst, from an interrupt to the first instruction, if the CPU has only just begun to
    /// wait; microseconds.
    pub wakeup_us: u32,
    /// The shortest wait for which it saves power; microseconds.
    pub min_residency_us: u32,
    /// The CPU's timer stops.
    pub stops_timer: bool,
}

/// How CPU_SUSPEND's parameter says that registers are lost (DEN 0022, 5.4.2 and 5.15.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterFormat {
    Original,
    Extended,
}

impl ParameterFormat {
    /// From what PSCI_FEATURES says of CPU_SUSPEND.
    pub fn of_features(flags: u32) -> Self {
        match flags & 1 << 1 {
            0 => Self::Original,
            _ => Self::Extended,
        }
    }

    fn powers_down(self, parameter: u32) -> bool {
        let state_type = match self {
            Self::Original => 16,
            Self::Extended => 30,
        };
        parameter & 1 << state_type != 0
    }
}

impl IdleState {
    /// Standby of the core alone, which firmware with CPU_SUSPEND has, listed or not.
    pub fn core_standby() -> Self {
        Self {
            name: "standby".to_string(),
            parameter: 0,
            wakeup_us: 0,
            min_residency_us: 0,
            stops_timer: false,
        }
    }

    /// Whether a CPU comes out of it as it went in, when its timer says so.
    pub fn keeps_all(&self, format: ParameterFormat) -> bool {
        !self.stops_timer && !format.powers_down(self.parameter)
    }

    /// `None` for a node that lacks what the binding requires, or is entered in another way.
    fn parse(node: FdtNode<'_>) -> Option<Self> {
        let cell = |name| cells(node, name).first().copied();
        let (entry_us, exit_us) = (cell("entry-latency-us")?, cell("exit-latency-us")?);
        let name = match string(node, "idle-state-name") {
            "" => node.name(),
            name => name,
        };
        Some(Self {
            name: name.to_string(),
            parameter: cell("arm,psci-suspend-param")?,
            wakeup_us: cell("wakeup-latency-us").unwrap_or(entry_us.saturating_add(exit_us)),
            min_residency_us: cell("min-residency-us")?,
            stops_timer: node.property("local-timer-stop").is_some(),
        })
    }
}

/// The states of each CPU, in order of logical number; none for one that names none.
pub fn parse(tree: Fdt<'_>) -> Vec<Vec<IdleState>> {
    let cpus = tree.root().child("cpus");
    let listed: Vec<(u32, IdleState)> = cpus
        .and_then(|cpus| cpus.child("idle-states"))
        .filter(|states| string(*states, "entry-method") == "psci")
        .into_iter()
        .flat_map(|states| states.children())
        .filter_map(|node| Some((*cells(node, "phandle").first()?, IdleState::parse(node)?)))
        .collect();
    let named = |handle| {
        let found = listed.iter().find(|(other, _)| *other == handle);
        found.map(|(_, state)| state.clone())
    };
    cpu_nodes(tree)
        .map(|cpu| {
            cells(cpu, "cpu-idle-states")
                .into_iter()
                .filter_map(named)
                .collect()
        })
        .collect()
}

/// What one CPU may wait in, until the firmware refuses it.
pub struct IdleStates(Vec<(IdleState, AtomicBool)>);

impl IdleStates {
    pub fn new(states: impl IntoIterator<Item = IdleState>) -> Self {
        let states = states.into_iter();
        Self(
            states
                .map(|state| (state, AtomicBool::new(false)))
                .collect(),
        )
    }

    pub fn iter(&self) -> impl Iterator<Item = &IdleState> {
        self.0.iter().map(|(state, _)| state)
    }

    /// Waits for about `expected_us`: by `suspend`, told the parameter of the state that asks for
    /// most of those for which that is long enough. False if there is none, or it is refused, and
    /// then it is not tried again.
    pub fn wait(&self, expected_us: u64, suspend: impl FnOnce(u32) -> bool) -> bool {
        let states = self.0.iter();
        let deepest = states
            .filter(|(state, refused)| {
                u64::from(state.min_residency_us) <= expected_us && !refused.load(Ordering::Relaxed)
            })
            .max_by_key(|(state, _)| state.min_residency_us);
        let Some((state, refused)) = deepest else {
            return false;
        };
        let waited = suspend(state.parameter);
        if !waited {
            refused.store(true, Ordering::Relaxed);
        }
        waited
    }
}

//! What is simulated for the report.

use crate::experiment::{Case, Load};
use crate::policy::Kind;

pub const LOADS: [u32; 5] = [50, 70, 85, 95, 99];
pub const PINNED: [u32; 5] = [10, 30, 50, 70, 90];
pub const NODES: [u32; 3] = [2, 4, 8];
pub const LITTLE: [u32; 4] = [50, 70, 85, 95];
/// Hogs for every two CPUs.
pub const HOGS: [u32; 5] = [3, 4, 5, 6, 7];

/// A broadcast to more CPUs than this costs the host more than it teaches.
const BROADCAST_CPUS: usize = 16;

/// Where the goals are set: CPUs and load in percent.
pub const GOALS: [(usize, u32); 2] = [(64, 85), (1024, 95)];

/// What the goals compare.
pub fn goals() -> Vec<Case> {
    let policies = [Kind::Weft, Kind::Central];
    let terms: [fn(u32) -> Load; 2] = [Load::Sketch, Load::Exponential];
    let cases = GOALS.iter().flat_map(|&(cpus, percent)| {
        let loads = terms.map(|load| load(percent));
        let cases = loads.map(|load| policies.map(|policy| Case { load, cpus, policy }));
        cases.into_iter().flatten()
    });
    cases.collect()
}

/// Every case for machines of these sizes.
pub fn cases(sizes: &[usize]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |load: Load, cpus: usize, policies: &[Kind]| {
        let fits = |policy: &&Kind| **policy != Kind::Broadcast || cpus <= BROADCAST_CPUS;
        let policies = policies.iter().filter(fits);
        cases.extend(policies.map(|&policy| Case { load, cpus, policy }));
    };
    for &cpus in sizes {
        for load in LOADS {
            add(Load::Exponential(load), cpus, &Kind::ALL);
        }
        add(Load::Bursts, cpus, &Kind::ALL);
    }
    for (cpus, load) in GOALS.into_iter().filter(|(cpus, _)| sizes.contains(cpus)) {
        add(Load::Sketch(load), cpus, &Kind::ALL);
    }
    let typical = typical(sizes);
    for load in LOADS {
        add(Load::Bimodal(load), typical, &Kind::ALL);
    }
    for percent in PINNED {
        add(Load::Pinned(percent), typical, &Kind::ALL);
    }
    for nodes in NODES
        .into_iter()
        .filter(|&nodes| typical >= 8 * nodes as usize)
    {
        add(Load::Nodes(nodes), typical, &Kind::ALL);
    }
    for load in LITTLE {
        add(Load::BigLittle(load), typical, &Kind::ALL);
    }
    for pairs in [1, 4] {
        add(Load::Messages(pairs), typical.min(16), &Kind::ALL);
    }
    for hogs in HOGS {
        add(Load::Hogs(hogs), 4, &Kind::ALL);
    }
    for &cpus in sizes.iter().filter(|&&cpus| cpus <= 64) {
        add(Load::RealTime, cpus, &[Kind::Weft]);
    }
    cases
}

/// The machine for everything that is not shown for all sizes.
pub fn typical(sizes: &[usize]) -> usize {
    sizes
        .iter()
        .copied()
        .filter(|&cpus| cpus <= 64)
        .max()
        .unwrap_or(sizes[0])
}

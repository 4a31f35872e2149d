//! Trees made from one that QEMU made (4 CPUs), with the idle states of a real chip: the small
//! CPUs of Qualcomm's MSM8998, whose first state keeps registers and whose second does not.

use super::*;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

static PLAIN: &[u8] = include_bytes!("../testdata/virt-gicv3.dtb");

const RETENTION: u32 = 0x2;
const COLLAPSE: u32 = 0x4000_0003;

fn state(
    name: &str,
    handle: u32,
    parameter: u32,
    [entry, exit, least]: [u32; 3],
) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).unwrap();
    let numbers = [
        ("phandle", handle),
        ("arm,psci-suspend-param", parameter),
        ("entry-latency-us", entry),
        ("exit-latency-us", exit),
        ("min-residency-us", least),
    ];
    for (name, value) in numbers {
        node.add_property(DeviceTreeProperty::new(name, value).unwrap());
    }
    node
}

fn states_of_msm8998() -> DeviceTreeNode {
    let mut states = DeviceTreeNode::new("idle-states").unwrap();
    states.add_property(DeviceTreeProperty::new("entry-method", "psci").unwrap());
    let mut retention = state("cpu-sleep-0-0", 0x100, RETENTION, [81, 86, 504]);
    let name = DeviceTreeProperty::new("idle-state-name", "little-retention").unwrap();
    retention.add_property(name);
    let mut collapse = state("cpu-sleep-0-1", 0x101, COLLAPSE, [814, 4562, 9183]);
    collapse.add_property(DeviceTreeProperty::new("local-timer-stop", "").unwrap());
    states.add_child(retention);
    states.add_child(collapse);
    states
}

/// CPUs 0 and 1 name both states, CPU 2 one that does not exist, CPU 3 none.
fn parsed(change: impl FnOnce(&mut DeviceTreeNode)) -> Vec<Vec<IdleState>> {
    let mut tree = DeviceTree::from_fdt(&Fdt::new(PLAIN).unwrap());
    let mut states = states_of_msm8998();
    change(&mut states);
    tree.find_node_mut("/cpus").unwrap().add_child(states);
    let named: [(usize, &[u32]); 3] = [(0, &[0x100, 0x101]), (1, &[0x100, 0x101]), (2, &[0x777])];
    for (cpu, named) in named {
        let node = tree.find_node_mut(&format!("/cpus/cpu@{cpu}")).unwrap();
        node.add_property(DeviceTreeProperty::new("cpu-idle-states", named).unwrap());
    }
    parse(Fdt::new(&tree.to_dtb()).unwrap())
}

#[test]
fn each_cpu_has_the_states_that_it_names() {
    let states = parsed(|_| {});
    let retention = IdleState {
        name: "little-retention".to_string(),
        parameter: RETENTION,
        wakeup_us: 167,
        min_residency_us: 504,
        stops_timer: false,
    };
    let collapse = IdleState {
        name: "cpu-sleep-0-1".to_string(),
        parameter: COLLAPSE,
        wakeup_us: 5376,
        min_residency_us: 9183,
        stops_timer: true,
    };
    assert_eq!(states[0], [retention, collapse]);
    assert_eq!(states[0], states[1]);
    assert!(states[2].is_empty() && states[3].is_empty());
}

#[test]
fn a_tree_without_states_has_none() {
    let states = parse(Fdt::new(PLAIN).unwrap());
    assert_eq!(states, vec![Vec::new(); 4]);
}

#[test]
fn what_the_binding_requires_is_required() {
    let without = |name: &str| {
        parsed(|states| {
            let first = states.child_mut("cpu-sleep-0-0").unwrap();
            first.remove_property(name).unwrap();
        })
    };
    for name in [
        "arm,psci-suspend-param",
        "exit-latency-us",
        "min-residency-us",
    ] {
        assert_eq!(without(name)[0].len(), 1, "{name}");
    }
    let other = parsed(|states| {
        states.remove_property("entry-method").unwrap();
    });
    assert!(other[0].is_empty());
}

#[test]
fn states_that_lose_registers_or_the_timer_are_told_apart() {
    let formats = [ParameterFormat::Original, ParameterFormat::Extended];
    assert_eq!([0, 2].map(ParameterFormat::of_features), formats);
    let keeps = |parameter, stops_timer| {
        let standby = IdleState::core_standby();
        let state = IdleState {
            parameter,
            stops_timer,
            ..standby
        };
        formats.map(|format| state.keeps_all(format))
    };
    assert_eq!(keeps(RETENTION, false), [true, true]);
    assert_eq!(keeps(RETENTION, true), [false, false]);
    assert_eq!(keeps(COLLAPSE, false), [true, false]);
    assert_eq!(keeps(0x001_0000, false), [false, true]);
}

/// What the firmware is asked for.
fn asked(states: &IdleStates, expected_us: u64, answer: bool) -> Option<u32> {
    let mut asked = None;
    let waited = states.wait(expected_us, |parameter| {
        asked = Some(parameter);
        answer
    });
    assert_eq!(waited, asked.is_some() && answer);
    asked
}

#[test]
fn the_deepest_state_that_pays_is_chosen() {
    let states = IdleStates::new(parsed(|_| {}).swap_remove(0));
    let chosen = |expected_us| asked(&states, expected_us, true);
    assert_eq!(chosen(503), None);
    assert_eq!(chosen(504), Some(RETENTION));
    assert_eq!(chosen(9_182), Some(RETENTION));
    assert_eq!(chosen(9_183), Some(COLLAPSE));
    assert_eq!(chosen(u64::MAX), Some(COLLAPSE));
    assert_eq!(asked(&IdleStates::new([]), u64::MAX, true), None);
}

#[test]
fn a_refused_state_leaves_the_others() {
    let states = IdleStates::new(parsed(|_| {}).swap_remove(0));
    assert_eq!(asked(&states, u64::MAX, false), Some(COLLAPSE));
    assert_eq!(asked(&states, u64::MAX, true), Some(RETENTION));
    assert_eq!(asked(&states, u64::MAX, false), Some(RETENTION));
    assert_eq!(asked(&states, u64::MAX, true), None);
}

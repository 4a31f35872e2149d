//! Trees made from one that QEMU made (4 CPUs), with topology added, rightly and wrongly.

use super::*;
use dtoolkit::Property;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

static PLAIN: &[u8] = include_bytes!("../testdata/virt-gicv3.dtb");

/// The plain tree without its own topology, changed.
fn topology(change: impl FnOnce(&mut DeviceTree)) -> Topology {
    let mut tree = DeviceTree::from_fdt(&Fdt::new(PLAIN).unwrap());
    if let Some(cpus) = tree.find_node_mut("/cpus") {
        cpus.remove_child("cpu-map");
    }
    change(&mut tree);
    let blob = tree.to_dtb();
    Topology::parse(Fdt::new(&blob).unwrap())
}

fn on_cpu(tree: &mut DeviceTree, cpu: usize, name: &str, value: u32) {
    let node = tree.find_node_mut(&format!("/cpus/cpu@{cpu}")).unwrap();
    node.add_property(DeviceTreeProperty::new(name, value).unwrap());
}

fn on_each(tree: &mut DeviceTree, name: &str, values: [u32; 4]) {
    for (cpu, value) in values.into_iter().enumerate() {
        on_cpu(tree, cpu, name, value);
    }
}

fn handle(tree: &mut DeviceTree, cpu: usize) -> u32 {
    let node = tree.find_node_mut(&format!("/cpus/cpu@{cpu}")).unwrap();
    let property: &DeviceTreeProperty = node.property_mut("phandle").unwrap();
    u32::from_be_bytes((&property).value().try_into().unwrap())
}

/// A `cpu-map` with these cores at these paths.
fn add_map(tree: &mut DeviceTree, cores: &[(&str, usize)]) {
    let mut map = DeviceTreeNode::new("cpu-map").unwrap();
    for (path, cpu) in cores {
        let handle = handle(tree, *cpu);
        let mut node = &mut map;
        for name in path.split('/') {
            if node.child_mut(name).is_none() {
                node.add_child(DeviceTreeNode::new(name).unwrap());
            }
            node = node.child_mut(name).unwrap();
        }
        node.add_property(DeviceTreeProperty::new("cpu", handle).unwrap());
    }
    tree.find_node_mut("/cpus").unwrap().add_child(map);
}

fn add_distances(tree: &mut DeviceTree, cells: &[u32]) {
    let mut map = DeviceTreeNode::new("distance-map").unwrap();
    let kind = DeviceTreeProperty::new("compatible", "numa-distance-map-v1").unwrap();
    map.add_property(kind);
    map.add_property(DeviceTreeProperty::new("distance-matrix", cells).unwrap());
    tree.root.add_child(map);
}

fn clusters(topology: &Topology) -> Vec<Option<u16>> {
    topology.places.iter().map(|place| place.cluster).collect()
}

#[test]
fn a_tree_that_tells_nothing_is_flat() {
    let topology = topology(|_| {});
    assert_eq!(topology.doubts, []);
    assert!(!topology.has_capacities && !topology.has_nodes);
    let flat: Vec<Place> = (0..4).map(flat).collect();
    assert_eq!(topology.places, flat);
}

#[test]
fn sockets_clusters_cores_and_threads_are_found() {
    let topology = topology(|tree| {
        let cores = [
            ("socket0/cluster0/core0/thread0", 2),
            ("socket0/cluster0/core0/thread1", 1),
            ("socket0/cluster1/core0", 0),
            ("socket1/cluster0/core5", 3),
        ];
        add_map(tree, &cores);
    });
    assert_eq!(topology.doubts, []);
    let clusters = clusters(&topology);
    assert_eq!(clusters[1], clusters[2]);
    assert!(clusters[0] != clusters[1] && clusters[3] != clusters[0]);
    let packages: Vec<u16> = topology.places.iter().map(|place| place.package).collect();
    assert_eq!(packages, [0, 0, 0, 1]);
    assert_eq!(topology.places[3].core, 5);
}

#[test]
fn a_wrong_map_is_left_out_as_a_whole() {
    let whole = [
        ("cluster0/core0", 0),
        ("cluster0/core1", 1),
        ("cluster1/core0", 2),
    ];
    let short = topology(|tree| add_map(tree, &whole));
    assert_eq!(short.doubts, [Doubt::Map("leaves a CPU out")]);
    let twice = topology(|tree| {
        let mut cores = whole.to_vec();
        cores.extend([("cluster1/core1", 3), ("cluster1/core2", 0)]);
        add_map(tree, &cores);
    });
    assert_eq!(twice.doubts, [Doubt::Map("names a CPU twice")]);
    let deep = "cluster0/".repeat(MAX_DEPTH + 2) + "core0";
    let deep = topology(|tree| add_map(tree, &[(&deep, 0)]));
    assert_eq!(deep.doubts, [Doubt::Map("is nested too deeply")]);
    let stranger = topology(|tree| {
        add_map(tree, &[("cluster0/core0", 0)]);
        on_cpu(tree, 0, "phandle", 0xdead);
    });
    assert_eq!(
        stranger.doubts,
        [Doubt::Map("names a CPU that is not there")]
    );
    for topology in [short, twice, deep, stranger] {
        assert_eq!(clusters(&topology), [None; 4]);
    }
}

#[test]
fn capacities_are_relative_to_the_highest() {
    let told = topology(|tree| on_each(tree, "capacity-dmips-mhz", [250, 250, 500, 1]));
    let capacities: Vec<u16> = told.places.iter().map(|place| place.capacity).collect();
    assert_eq!(capacities, [512, 512, 1024, 2]);
    assert!(told.has_capacities);
    let huge = topology(|tree| on_each(tree, "capacity-dmips-mhz", [u32::MAX, 1, 1, 1]));
    assert_eq!(huge.places[0].capacity, 1024);
    assert_eq!(huge.places[1].capacity, 1);
}

#[test]
fn nonsense_capacities_are_no_capacities() {
    let zero = topology(|tree| on_each(tree, "capacity-dmips-mhz", [250, 0, 500, 1]));
    let lacking = topology(|tree| on_cpu(tree, 1, "capacity-dmips-mhz", 500));
    for topology in [zero, lacking] {
        assert_eq!(topology.doubts, [Doubt::Capacity]);
        assert!(topology.places.iter().all(|place| place.capacity == 1024));
    }
}

#[test]
fn nodes_and_distances_are_read() {
    let topology = topology(|tree| {
        on_each(tree, "numa-node-id", [0, 0, 2, 2]);
        add_distances(tree, &[0, 0, 10, 0, 2, 21, 2, 2, 10, 2, 0, 31]);
    });
    assert_eq!(topology.doubts, []);
    assert_eq!((topology.places[1].node, topology.places[2].node), (0, 2));
    assert_eq!((topology.distance[0][2], topology.distance[2][0]), (21, 31));
    assert_eq!(topology.distance[0][1], smp::topology::REMOTE_DISTANCE);
}

#[test]
fn wrong_nodes_and_distances_are_doubted() {
    let far = topology(|tree| on_each(tree, "numa-node-id", [0, 1, 2, u32::MAX]));
    let lacking = topology(|tree| on_cpu(tree, 0, "numa-node-id", 1));
    for topology in [far, lacking] {
        assert_eq!(topology.doubts, [Doubt::Node]);
        assert!(topology.places.iter().all(|place| place.node == 0));
    }
    let wrong: [&[u32]; 7] = [
        &[],
        &[0, 0],
        &[0, 1, 10],
        &[0, 0, 20],
        &[0, 1, 9],
        &[0, 1, 256],
        &[0, u32::MAX, 20],
    ];
    for cells in wrong {
        let topology = topology(|tree| add_distances(tree, cells));
        assert!(
            matches!(topology.doubts[..], [Doubt::Distance(_)]),
            "{cells:?}"
        );
        assert!(topology.distance.is_empty());
    }
}

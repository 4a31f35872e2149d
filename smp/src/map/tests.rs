use super::*;
use crate::cpu_mask::CpuMask;

fn bits(spans: &[Span]) -> Vec<(usize, u64)> {
    spans.iter().map(|span| (span.group, span.bits)).collect()
}

#[test]
fn the_own_cluster_comes_first_then_the_group_then_the_ring() {
    let map = Map::new(&Topology::uniform(20, 4).with_groups(8));
    let ring = bits(map.nearest(CpuId::new(13)));
    assert_eq!(ring, [(1, 0xf0), (1, 0x0f), (2, 0x0f), (0, 0xff)]);
    let near: Vec<_> = map.members(1, 0xf0, CpuId::new(13)).collect();
    assert_eq!(near, [13, 14, 15, 12].map(CpuId::new));
    let turn: Vec<_> = map.members_in_turn(1, 0b1011, 1).collect();
    assert_eq!(turn, [9, 11, 8].map(CpuId::new));
}

#[test]
fn in_turn_every_group_of_the_node_is_second_once() {
    let distance = [[10, 20], [20, 10]].map(Vec::from).to_vec();
    let topology = Topology::uniform(10, 2)
        .with_nodes(|cpu| (cpu / 8) as u16, distance)
        .with_groups(2);
    let map = Map::new(&topology);
    let turn = |cpu, turn| {
        let spans = map.groups_in_turn(CpuId::new(cpu), turn);
        spans.map(|span| span.group).collect::<Vec<_>>()
    };
    assert_eq!(turn(3, 0), [1, 2, 3, 0, 4]);
    assert_eq!(turn(3, 1), [1, 3, 0, 2, 4]);
    assert_eq!(turn(3, 5), [1, 0, 2, 3, 4]);
    let alone = turn(9, 7);
    assert_eq!((alone[0], alone.len()), (4, 5));
}

#[test]
fn nearer_nodes_come_first_and_slower_clusters_are_known() {
    let rows = [[10, 40, 20], [40, 10, 30], [20, 30, 10]];
    let distance = rows.map(Vec::from).to_vec();
    let topology = Topology::uniform(12, 2)
        .with_nodes(|cpu| (cpu / 4) as u16, distance)
        .with_capacity(|cpu| if cpu % 4 < 2 { 1024 } else { 300 });
    let map = Map::new(&topology);
    assert!(map.is_asymmetric());
    let (fast, slow) = (0b0011, 0b1100);
    let first = bits(map.nearest(CpuId::new(0)));
    assert_eq!(first, [(0, fast), (0, slow), (2, 15), (1, 15)]);
    let last = bits(map.nearest(CpuId::new(7)));
    assert_eq!(last, [(1, slow), (1, fast), (2, 15), (0, 15)]);
    let all = |bits| [(0, bits), (1, bits), (2, bits)];
    assert_eq!(bits(map.low_first()), [all(slow), all(fast)].concat());
    assert_eq!(bits(map.fast_first()), [all(fast), all(slow)].concat());
    assert!(map.is_remote(CpuId::new(0), 2) && !map.is_remote(CpuId::new(0), 0));
}

#[test]
fn a_cluster_of_unequal_cpus_is_two() {
    let big = |cpu| if cpu == 0 { 1024 } else { 500 };
    let map = Map::new(&Topology::uniform(4, 4).with_capacity(big));
    assert_eq!((map.low_first().len(), map.group_count()), (2, 1));
    assert_eq!(map.capacity_of(CpuId::new(3)), 500);
}

#[test]
fn large_clusters_are_split_and_small_ones_stay_whole() {
    let map = Map::new(&Topology::uniform(130, 130));
    assert_eq!(map.group_count(), 3);
    let [mask] = CpuMask::together(&map);
    mask.insert(&map, CpuId::new(129));
    assert!(mask.contains(&map, CpuId::new(129)) && !mask.contains(&map, CpuId::new(1)));
    assert!(mask.remove(&map, CpuId::new(129)) && !mask.remove(&map, CpuId::new(129)));
    let map = Map::new(&Topology::uniform(72, 12));
    let fifth = CpuId::new(60);
    assert_eq!((map.place(fifth).group, map.place(fifth).bit), (1, 0));
}

//! Trees as QEMU's `virt` machine makes them (4 CPUs, 256 MiB, an initrd), without its padding.

use super::*;

static GICV2: &[u8] = include_bytes!("testdata/virt-gicv2.dtb");
static GICV3: &[u8] = include_bytes!("testdata/virt-gicv3.dtb");

#[test]
fn devices_memory_and_cpus_are_found() {
    let machine = Machine::parse(GICV3).unwrap();
    assert_eq!(
        machine.memory,
        [Region {
            base: 0x4000_0000,
            size: 256 << 20
        }]
    );
    let affinities: Vec<u64> = machine.cpus.iter().map(|cpu| cpu.mpidr).collect();
    assert_eq!(affinities, [0, 1, 2, 3]);
    assert!(machine.cpus.iter().all(|cpu| cpu.psci));
    assert_eq!(machine.psci, Some(Conduit::Hvc));
    assert_eq!(machine.timer.intid, 27);
    assert_eq!(machine.timer.trigger, Trigger::Level);
    let uart = machine.uart.unwrap();
    assert_eq!(
        (uart.registers.base, uart.interrupt.intid),
        (0x900_0000, 33)
    );
    assert_eq!(machine.rtc.unwrap().base, 0x901_0000);
    assert_eq!(machine.virtio.len(), 32);
    assert!(
        machine
            .virtio
            .iter()
            .all(|slot| slot.interrupt.trigger == Trigger::Edge)
    );
    assert!(machine.initrd.is_some_and(|initrd| initrd.size > 0));
    assert_eq!(machine.seed.len(), 32);
}

#[test]
fn both_interrupt_controllers_are_told_apart() {
    let GicVersion::V3 {
        distributor,
        redistributors,
    } = Machine::parse(GICV3).unwrap().gic.version
    else {
        panic!("a GICv3");
    };
    assert_eq!(
        (distributor.base, redistributors[0].base),
        (0x800_0000, 0x80a_0000)
    );
    let GicVersion::V2 { cpu_interface, .. } = Machine::parse(GICV2).unwrap().gic.version else {
        panic!("a GICv2");
    };
    assert_eq!(cpu_interface.base, 0x801_0000);
}

#[test]
fn command_line_options_have_values_or_not() {
    let machine = Machine::parse(GICV2).unwrap();
    assert_eq!(machine.command_line, "a b=c");
    assert_eq!(machine.option("a"), Some(""));
    assert_eq!(machine.option("b"), Some("c"));
    assert_eq!(machine.option("c"), None);
}

#[test]
fn the_memory_map_needs_no_heap_and_names_the_boot_cpu() {
    let map = MemoryMap::parse(GICV2, 2).unwrap();
    assert_eq!(map.boot_cpu, 2);
    assert_eq!(map.ram.as_slice().len(), 1);
    assert_eq!(map.reserved.as_slice().len(), 1);
    assert!(MemoryMap::parse(GICV2, 0x100).is_err());
    assert!(MemoryMap::parse(&GICV2[..100], 0).is_err());
}

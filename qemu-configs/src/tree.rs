//! A device tree that says more than QEMU does: capacities of CPUs, for big.LITTLE machines.
//!
//! QEMU writes down the tree it would give the kernel, this adds `capacity-dmips-mhz` to the CPU
//! nodes, and QEMU is told to use the result.

use crate::Result;
use crate::machine::Machine;
use crate::qemu;
use dtoolkit::Node;
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What QEMU needs to be told for `machine`, beside its usual line.
pub fn arguments(machine: &Machine) -> Result<Vec<String>> {
    if machine.capacities.is_empty() {
        return Ok(Vec::new());
    }
    std::fs::create_dir_all("build").map_err(|error| format!("build: {error}"))?;
    let file = PathBuf::from(format!("build/tree-{}.dtb", std::process::id()));
    dump(machine, &file)?;
    let blob = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let blob = with_capacities(&blob, &machine.capacities)?;
    std::fs::write(&file, blob).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(vec!["-dtb".into(), file.to_string_lossy().into_owned()])
}

/// Makes QEMU write the machine's own tree to `file`.
fn dump(machine: &Machine, file: &Path) -> Result<()> {
    let place = format!("{},dumpdtb={}", machine.machine, file.display());
    let smp = qemu::smp(machine);
    let words = [
        ["-machine", place.as_str()],
        ["-cpu", machine.cpu.as_str()],
        ["-smp", smp.as_str()],
        ["-m", machine.memory.as_str()],
        ["-display", "none"],
        ["-nic", "none"],
    ];
    let status = Command::new(qemu::PROGRAM)
        .args(words.concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} dumpdtb: {status}", qemu::PROGRAM)),
        Err(error) => Err(format!("{}: {error}", qemu::PROGRAM)),
    }
}

fn with_capacities(blob: &[u8], capacities: &[u32]) -> Result<Vec<u8>> {
    let tree = Fdt::new(blob).map_err(|error| format!("QEMU's device tree: {error}"))?;
    let mut tree = DeviceTree::from_fdt(&tree);
    let cpus = tree.find_node_mut("/cpus").ok_or("the tree has no CPUs")?;
    let is_cpu = |node: &&mut DeviceTreeNode| (**node).name().starts_with("cpu@");
    let mut nodes = cpus.children_mut().filter(is_cpu);
    for capacity in capacities {
        let node = nodes.next().ok_or("more capacities than CPUs")?;
        let property = DeviceTreeProperty::new("capacity-dmips-mhz", *capacity);
        node.add_property(property.map_err(|error| error.to_string())?);
    }
    drop(nodes);
    Ok(tree.to_dtb())
}

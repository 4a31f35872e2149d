//! The QEMU command line for a machine, the files it boots and the ports it opens.

use crate::machine::Machine;
use std::path::PathBuf;

/// What is booted and how it is reached from the host.
#[derive(Clone, Debug)]
pub struct Boot {
    pub kernel: PathBuf,
    pub initrd: Option<PathBuf>,
    pub append: String,
    pub ssh_port: Option<u16>,
    pub http_port: Option<u16>,
    /// Waits for a debugger on this port before the first instruction.
    pub gdb_port: Option<u16>,
}

pub const PROGRAM: &str = "qemu-system-aarch64";

pub fn command_line(machine: &Machine, boot: &Boot) -> Vec<String> {
    let mut line: Vec<String> = Vec::new();
    let mut option = |name: &str, value: &str| line.extend([name.to_string(), value.to_string()]);
    option("-machine", &machine.machine);
    option("-cpu", &machine.cpu);
    option("-smp", &smp(machine));
    option("-m", &machine.memory);
    option("-accel", &machine.accel);
    option("-kernel", &boot.kernel.to_string_lossy());
    if let Some(initrd) = &boot.initrd {
        option("-initrd", &initrd.to_string_lossy());
    }
    let append = format!("{} {}", machine.append, boot.append);
    if !append.trim().is_empty() {
        option("-append", append.trim());
    }
    option("-global", "virtio-mmio.force-legacy=false");
    if machine.network {
        option("-netdev", &user_network(boot));
        option("-device", "virtio-net-device,netdev=net0");
    } else {
        option("-nic", "none");
    }
    if machine.random {
        option("-device", "virtio-rng-device");
    }
    option("-display", "none");
    // The monitor shares the terminal: Ctrl-A C reaches it, Ctrl-A X ends QEMU.
    option("-serial", "mon:stdio");
    if let Some(port) = boot.gdb_port {
        option("-gdb", &format!("tcp:127.0.0.1:{port}"));
        line.push("-S".into());
    }
    line.push("-no-reboot".into());
    line.extend(machine.extra.iter().cloned());
    line
}

/// The count, and how the CPUs lie.
pub fn smp(machine: &Machine) -> String {
    match machine.topology.as_str() {
        "" => machine.cpus.to_string(),
        topology => format!("{},{topology}", machine.cpus),
    }
}

/// Ports are opened on the loopback address only: the guest is nobody else's business.
fn user_network(boot: &Boot) -> String {
    let forward = |host: Option<u16>, guest: u16| match host {
        Some(host) => format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"),
        None => String::new(),
    };
    format!(
        "user,id=net0{}{}",
        forward(boot.ssh_port, 22),
        forward(boot.http_port, 80)
    )
}

/// The line as a person would type it.
pub fn printable(line: &[String]) -> String {
    let quoted = line
        .iter()
        .map(|word| match word.contains([' ', '*', '$', '\'']) {
            true => format!("\"{word}\""),
            false => word.clone(),
        });
    std::iter::once(PROGRAM.to_string())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_bound_to_loopback_only() {
        let boot = Boot {
            kernel: "Image".into(),
            initrd: None,
            append: String::new(),
            ssh_port: Some(2222),
            http_port: None,
            gdb_port: None,
        };
        let line = command_line(&crate::machine::load("virt-4").unwrap(), &boot);
        assert!(line.contains(&"user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22".to_string()));
    }
}

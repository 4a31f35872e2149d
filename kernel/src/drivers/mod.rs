//! Device drivers: what the device tree lists, found and started once at boot.

mod rtc;
mod virtio;
mod virtio_net;
mod virtio_rng;

use crate::machine::Machine;
use alloc::boxed::Box;
use alloc::vec::Vec;
use net::NetDevice;

/// Starts every device of `machine` that has a driver here, and the network over its cards. Needs
/// threads and interrupts.
pub fn start(machine: &Machine) {
    if let Some(registers) = machine.rtc {
        rtc::set_clock(registers);
    }
    crate::random::add_entropy(&machine.seed);
    crate::socket::start(virtio_devices(machine), &machine.command_line);
}

/// Starts the virtio devices; returns the network cards among them.
fn virtio_devices(machine: &Machine) -> Vec<Box<dyn NetDevice>> {
    let mut cards: Vec<Box<dyn NetDevice>> = Vec::new();
    for slot in machine
        .virtio
        .iter()
        .filter_map(|device| virtio::Slot::probe(*device))
    {
        let (kind, outcome) = (slot.kind(), slot.start(&mut cards));
        match outcome {
            Ok(true) => {}
            Ok(false) => log::info!("virtio {kind:?}: no driver"),
            Err(error) => log::error!("virtio {kind:?}: {error}"),
        }
    }
    cards
}

impl virtio::Slot {
    /// Starts the slot's device; false when there is no driver for it.
    fn start(self, cards: &mut Vec<Box<dyn NetDevice>>) -> virtio::Result<bool> {
        match self.kind() {
            virtio::DeviceType::Network => {
                let name = alloc::format!("eth{}", cards.len());
                cards.push(Box::new(virtio_net::Card::start(&name, self)?));
            }
            virtio::DeviceType::EntropySource => virtio_rng::start(self)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

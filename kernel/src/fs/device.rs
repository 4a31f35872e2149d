//! Character devices: what a device number opens.
//!
//! Drivers register themselves; any node with the number (in devtmpfs or made by mknod(2)) then
//! opens them.

use super::file::File;
use super::node::DeviceNumber;
use super::open_file::OpenFlags;
use crate::error::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use smp::SpinLock;

/// A driver of character devices.
pub trait Device: Send + Sync {
    fn open(&self, number: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn File>>;
}

/// How many minor numbers a driver serves, and the driver.
type Served = (u32, Arc<dyn Device>);

/// Drivers by the first number they serve.
static DEVICES: SpinLock<BTreeMap<DeviceNumber, Served>> = SpinLock::new(BTreeMap::new());

/// Makes `device` what `number` opens.
pub fn register(number: DeviceNumber, device: Arc<dyn Device>) {
    register_range(number, 1, device);
}

/// Makes `device` what `count` minor numbers from `first` on open.
pub fn register_range(first: DeviceNumber, count: u32, device: Arc<dyn Device>) {
    DEVICES.lock().insert(first, (count, device));
}

/// Opens the device `number`; `ENXIO` if no driver serves it.
pub fn open(number: DeviceNumber, flags: OpenFlags) -> Result<Arc<dyn File>> {
    let device = {
        let devices = DEVICES.lock();
        let (first, (count, device)) = devices.range(..=number).next_back().ok_or(Errno::ENXIO)?;
        if first.major != number.major || number.minor - first.minor >= *count {
            return Err(Errno::ENXIO);
        }
        device.clone()
    };
    device.open(number, flags)
}

//! The texts of /proc/net, for the proc file system.

use super::{names, network};
use alloc::string::String;

pub fn tcp() -> String {
    network().report_tcp()
}

pub fn udp() -> String {
    network().report_udp()
}

pub fn unix() -> String {
    names().report()
}

pub fn dev() -> String {
    network().report_devices()
}

pub fn route() -> String {
    network().report_routes()
}

/// `nameserver` lines: what /etc/resolv.conf may be a link to.
pub fn pnp() -> String {
    network().report_name_servers()
}

//! The texts of /proc/net.

use super::{names, network};
use crate::fs::procfs::network::publish as file;

/// Makes the files of /proc/net.
pub fn publish() {
    file("tcp", || network().report_tcp());
    file("udp", || network().report_udp());
    file("unix", || names().report());
    file("dev", || network().report_devices());
    file("route", || network().report_routes());
    // `nameserver` lines: what /etc/resolv.conf may be a link to.
    file("pnp", || network().report_name_servers());
}

//! The DHCP client of an interface: smoltcp's, with patience and a fallback.

use crate::config::Assignment;
use crate::interface::NEVER;
use crate::network::Network;
use crate::stack::Stack;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::dhcpv4::{Config, Event, RetryConfig, Socket};
use smoltcp::time::Duration;

/// Lost packets on a quiet link should not delay the first address by ten seconds.
const DISCOVER_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Dhcp {
    handle: SocketHandle,
    /// When to settle for the fallback; [`NEVER`] once there is a lease.
    pub give_up_at_ns: u64,
    fallback: Option<Assignment>,
}

impl Dhcp {
    /// Starts asking for an address.
    pub fn start(stack: &mut Stack, patience_ns: u64, fallback: Option<Assignment>) {
        let mut socket = Socket::new();
        let mut retry = RetryConfig::default();
        retry.discover_timeout = DISCOVER_RETRY;
        socket.set_retry_config(retry);
        let handle = stack.sockets.add(socket);
        let give_up_at_ns = smp::now_ns().saturating_add(patience_ns);
        stack.dhcp = Some(Dhcp {
            handle,
            give_up_at_ns,
            fallback,
        });
    }

    /// Applies what the client found out; false when it has been given up.
    pub fn look(&mut self, stack: &mut Stack, network: &Network, now_ns: u64) -> bool {
        match stack.sockets.get_mut::<Socket>(self.handle).poll() {
            Some(Event::Configured(lease)) => {
                let assignment = assignment(&lease);
                log::info!(
                    "eth0: DHCP lease {}/{}",
                    assignment.address,
                    assignment.prefix
                );
                stack.configure(network, Some(assignment));
                self.give_up_at_ns = NEVER;
            }
            Some(Event::Deconfigured) if self.give_up_at_ns == NEVER => {
                log::warn!("eth0: DHCP lease lost");
                stack.configure(network, None);
            }
            _ => {}
        }
        if now_ns < self.give_up_at_ns {
            return true;
        }
        log::warn!(
            "eth0: no answer from DHCP, fallback {:?}",
            self.fallback.map(|a| a.address)
        );
        stack.configure(network, self.fallback);
        stack.remove_socket(self.handle);
        false
    }
}

fn assignment(lease: &Config<'_>) -> Assignment {
    let address = lease.address.address();
    let mut assignment = Assignment::new(address, lease.address.prefix_len(), lease.router);
    for (slot, server) in assignment.name_servers.iter_mut().zip(&lease.dns_servers) {
        *slot = Some(*server);
    }
    assignment
}

//! Who has which local port: bind rules, ephemeral ports and the lookup of receivers.

use crate::{Error, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use smp::SpinLock;

/// The ports given out when none is asked for (Linux's default range).
const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// One socket's claim on a port.
struct Claim<T> {
    id: u64,
    address: Ipv4Addr,
    sharing: Sharing,
    listening: bool,
    holder: T,
}

/// Whether a claim tolerates another on the same port (`SO_REUSEADDR`, `SO_REUSEPORT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sharing {
    pub address: bool,
    pub port: bool,
}

impl<T> Claim<T> {
    /// Linux's bind rule: two claims conflict when their addresses overlap, unless both allow
    /// sharing the port, or both allow reusing the address and neither listens.
    fn conflicts(&self, address: Ipv4Addr, sharing: Sharing, listening: bool) -> bool {
        let overlap =
            self.address == address || self.address.is_unspecified() || address.is_unspecified();
        let reuse = self.sharing.address && sharing.address && !self.listening && !listening;
        overlap && !reuse && !(self.sharing.port && sharing.port)
    }
}

struct Table<T> {
    claims: BTreeMap<u16, Vec<Claim<T>>>,
    next_id: u64,
    /// Where the search for a free ephemeral port goes on.
    cursor: u16,
}

/// The ports of one protocol. `T` is what a lookup finds.
pub(crate) struct Ports<T>(SpinLock<Table<T>>);

/// A held port; dropping it gives the port back.
pub(crate) struct Lease<T> {
    ports: Arc<Ports<T>>,
    pub address: SocketAddrV4,
    id: u64,
}

impl<T: Clone> Ports<T> {
    /// `seed` makes the first ephemeral port unpredictable.
    pub fn new(seed: u64) -> Arc<Self> {
        let span = u64::from(EPHEMERAL.end() - EPHEMERAL.start());
        let cursor = EPHEMERAL.start() + (seed % span) as u16;
        Arc::new(Self(SpinLock::new(Table {
            claims: BTreeMap::new(),
            next_id: 0,
            cursor,
        })))
    }

    /// Claims `address`; port 0 asks for any free port.
    pub fn claim(
        self: &Arc<Self>,
        address: SocketAddrV4,
        sharing: Sharing,
        holder: T,
    ) -> Result<Lease<T>> {
        let mut table = self.0.lock();
        let ip = *address.ip();
        let port = match address.port() {
            0 => table.free_port().ok_or(Error::AddressInUse)?,
            port if table.conflict(port, ip, sharing, false, None) => {
                return Err(Error::AddressInUse);
            }
            port => port,
        };
        table.next_id += 1;
        let id = table.next_id;
        let claim = Claim {
            id,
            address: ip,
            sharing,
            listening: false,
            holder,
        };
        table.claims.entry(port).or_default().push(claim);
        Ok(Lease {
            ports: self.clone(),
            address: SocketAddrV4::new(ip, port),
            id,
        })
    }

    /// The holders of `port` that take packets to `address`, those with that very address first.
    pub fn holders(&self, address: Ipv4Addr, port: u16) -> Vec<T> {
        let table = self.0.lock();
        let Some(claims) = table.claims.get(&port) else {
            return Vec::new();
        };
        let exact = claims.iter().filter(|claim| claim.address == address);
        let wildcard = claims.iter().filter(|claim| claim.address.is_unspecified());
        exact
            .chain(wildcard)
            .map(|claim| claim.holder.clone())
            .collect()
    }

    /// All holders of `port`, whatever their address: receivers of broadcasts.
    pub fn all_holders(&self, port: u16) -> Vec<T> {
        let table = self.0.lock();
        table
            .claims
            .get(&port)
            .into_iter()
            .flatten()
            .map(|claim| claim.holder.clone())
            .collect()
    }

    /// Everyone who holds a port, and the address they hold it at.
    pub fn everyone(&self) -> Vec<(SocketAddrV4, T)> {
        let table = self.0.lock();
        let claims = table
            .claims
            .iter()
            .flat_map(|(port, claims)| claims.iter().map(move |claim| (*port, claim)));
        claims
            .map(|(port, claim)| (SocketAddrV4::new(claim.address, port), claim.holder.clone()))
            .collect()
    }
}

impl<T> Table<T> {
    fn conflict(
        &self,
        port: u16,
        address: Ipv4Addr,
        sharing: Sharing,
        listening: bool,
        besides: Option<u64>,
    ) -> bool {
        self.claims
            .get(&port)
            .into_iter()
            .flatten()
            .any(|claim| Some(claim.id) != besides && claim.conflicts(address, sharing, listening))
    }

    fn free_port(&mut self) -> Option<u16> {
        for _ in EPHEMERAL {
            let port = self.cursor;
            self.cursor = if port == *EPHEMERAL.end() {
                *EPHEMERAL.start()
            } else {
                port + 1
            };
            if !self.claims.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }
}

impl<T> Lease<T> {
    /// Turns the claim into a listening one, with `holder` to be found from now on.
    pub fn listen(&self, holder: T) -> Result<()> {
        let mut table = self.ports.0.lock();
        let (port, ip) = (self.address.port(), *self.address.ip());
        let sharing = table
            .claim(port, self.id)
            .map(|claim| claim.sharing)
            .unwrap_or_default();
        if table.conflict(port, ip, sharing, true, Some(self.id)) {
            return Err(Error::AddressInUse);
        }
        if let Some(claim) = table.claim(port, self.id) {
            claim.listening = true;
            claim.holder = holder;
        }
        Ok(())
    }

    /// Narrows a wildcard claim to `address`: what connecting does to a bound socket.
    pub fn narrow(&mut self, address: Ipv4Addr) {
        let (port, id) = (self.address.port(), self.id);
        if let Some(claim) = self.ports.0.lock().claim(port, id) {
            claim.address = address;
        }
        self.address.set_ip(address);
    }
}

impl<T> Table<T> {
    fn claim(&mut self, port: u16, id: u64) -> Option<&mut Claim<T>> {
        self.claims
            .get_mut(&port)?
            .iter_mut()
            .find(|claim| claim.id == id)
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let mut table = self.ports.0.lock();
        let port = self.address.port();
        let Some(claims) = table.claims.get_mut(&port) else {
            return;
        };
        let gone = claims.iter().position(|claim| claim.id == self.id);
        let gone = gone.map(|index| claims.swap_remove(index));
        if claims.is_empty() {
            table.claims.remove(&port);
        }
        drop(table);
        // The holder may own more than memory: it goes when the lock is no longer held.
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    const PRIVATE: Sharing = Sharing {
        address: false,
        port: false,
    };
    const REUSE: Sharing = Sharing {
        address: true,
        port: false,
    };

    #[test]
    fn overlapping_claims_conflict() {
        let ports = Ports::new(7);
        let held = ports.claim(SocketAddrV4::new(ANY, 80), PRIVATE, 1).unwrap();
        let again = ports.claim(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80), PRIVATE, 2);
        assert_eq!(again.err(), Some(Error::AddressInUse));
        drop(held);
        assert!(
            ports
                .claim(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80), PRIVATE, 2)
                .is_ok()
        );
    }

    #[test]
    fn reuse_ends_where_someone_listens() {
        let ports = Ports::new(7);
        let first = ports.claim(SocketAddrV4::new(ANY, 80), REUSE, 1).unwrap();
        let second = ports.claim(SocketAddrV4::new(ANY, 80), REUSE, 2).unwrap();
        assert_eq!(first.listen(1), Err(Error::AddressInUse));
        drop(second);
        assert_eq!(first.listen(1), Ok(()));
        let third = ports.claim(SocketAddrV4::new(ANY, 80), REUSE, 3);
        assert_eq!(third.err(), Some(Error::AddressInUse));
    }

    #[test]
    fn ephemeral_ports_run_out_and_come_back() {
        let ports = Ports::new(u64::MAX);
        let any = SocketAddrV4::new(ANY, 0);
        let mut held: Vec<_> = EPHEMERAL
            .map(|_| ports.claim(any, PRIVATE, 0).unwrap())
            .collect();
        assert_eq!(
            ports.claim(any, PRIVATE, 0).err(),
            Some(Error::AddressInUse)
        );
        let freed = held.pop().unwrap().address.port();
        assert_eq!(ports.claim(any, PRIVATE, 0).unwrap().address.port(), freed);
    }

    #[test]
    fn exact_addresses_come_before_the_wildcard() {
        let ports = Ports::new(7);
        let here = Ipv4Addr::new(10, 0, 0, 1);
        let _any = ports
            .claim(SocketAddrV4::new(ANY, 53), REUSE, "any")
            .unwrap();
        let _one = ports
            .claim(SocketAddrV4::new(here, 53), REUSE, "one")
            .unwrap();
        assert_eq!(ports.holders(here, 53), ["one", "any"]);
        assert_eq!(ports.holders(Ipv4Addr::LOCALHOST, 53), ["any"]);
    }
}

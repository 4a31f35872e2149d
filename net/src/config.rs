//! How an interface gets its address: DHCP, a fixed address, or the kernel command line's `ip=`.

use core::net::Ipv4Addr;

/// How long DHCP may take before the fallback address is used.
const DHCP_PATIENCE_NS: u64 = 4_000_000_000;

/// An interface's address and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    pub name_servers: [Option<Ipv4Addr>; 3],
}

impl Assignment {
    pub const fn new(address: Ipv4Addr, prefix: u8, gateway: Option<Ipv4Addr>) -> Self {
        Self {
            address,
            prefix,
            gateway,
            name_servers: [None; 3],
        }
    }

    pub fn netmask(&self) -> Ipv4Addr {
        let ones = u32::MAX
            .checked_shl(32 - u32::from(self.prefix))
            .unwrap_or(0);
        Ipv4Addr::from_bits(ones)
    }

    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        let host = !self.netmask().to_bits();
        (self.prefix < 31).then(|| Ipv4Addr::from_bits(self.address.to_bits() | host))
    }

    /// Whether `address` is on the link itself.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = self.netmask().to_bits();
        address.to_bits() & mask == self.address.to_bits() & mask
    }
}

/// Where an Ethernet interface's address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// Ask DHCP; without an answer for `patience_ns`, settle for `fallback`.
    Dhcp {
        patience_ns: u64,
        fallback: Option<Assignment>,
    },
    Fixed(Assignment),
    /// The interface stays without an address.
    Unconfigured,
}

impl Default for AddressSource {
    /// DHCP, then the address that QEMU's user network would have given.
    fn default() -> Self {
        let gateway = Ipv4Addr::new(10, 0, 2, 2);
        let mut fallback = Assignment::new(Ipv4Addr::new(10, 0, 2, 15), 24, Some(gateway));
        fallback.name_servers[0] = Some(Ipv4Addr::new(10, 0, 2, 3));
        Self::Dhcp {
            patience_ns: DHCP_PATIENCE_NS,
            fallback: Some(fallback),
        }
    }
}

impl AddressSource {
    /// Reads `ip=` from a kernel command line as Linux does (nfsroot.txt):
    /// `ip=<client>:<server>:<gateway>:<netmask>:<host>:<device>:<autoconf>:<dns0>:<dns1>`, or just
    /// `ip=dhcp`, `ip=on`, `ip=off`, or `ip=<client>/<prefix>`. The default without one; `None` for
    /// one that makes no sense.
    pub fn from_command_line(line: &str) -> Option<Self> {
        let Some(value) = line
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix("ip="))
        else {
            return Some(Self::default());
        };
        match value {
            "dhcp" | "on" | "any" => Some(Self::default()),
            "off" | "none" => Some(Self::Unconfigured),
            _ => fixed(value).map(Self::Fixed),
        }
    }
}

fn fixed(value: &str) -> Option<Assignment> {
    let mut fields = value.split(':');
    let client = fields.next()?;
    let _server = fields.next();
    let mut address_field = || match fields.next() {
        None | Some("") => Some(None),
        Some(text) => text.parse().ok().map(Some),
    };
    let gateway: Option<Ipv4Addr> = address_field()?;
    let netmask: Option<Ipv4Addr> = address_field()?;
    let (address, prefix) = match client.split_once('/') {
        Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
        None => (
            client.parse().ok()?,
            prefix_of(netmask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0)))?,
        ),
    };
    if prefix > 32 || !is_host(address) {
        return None;
    }
    let mut assignment = Assignment::new(address, prefix, gateway);
    let names = fields.skip(3).filter_map(|text| text.parse().ok());
    for (slot, server) in assignment.name_servers.iter_mut().zip(names) {
        *slot = Some(server);
    }
    Some(assignment)
}

fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
}

fn prefix_of(netmask: Ipv4Addr) -> Option<u8> {
    let ones = netmask.to_bits().leading_ones();
    (netmask.to_bits().count_ones() == ones).then_some(ones as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<AddressSource> {
        AddressSource::from_command_line(line)
    }

    #[test]
    fn the_default_is_dhcp() {
        assert_eq!(
            parse("console=ttyAMA0 quiet"),
            Some(AddressSource::default())
        );
        assert_eq!(parse("ip=dhcp"), Some(AddressSource::default()));
        assert_eq!(parse("ip=off"), Some(AddressSource::Unconfigured));
    }

    #[test]
    fn fixed_addresses_in_both_spellings() {
        let long = parse("ip=10.1.2.3::10.1.2.1:255.255.0.0:weft:eth0:off:9.9.9.9");
        let mut expected = Assignment::new(
            Ipv4Addr::new(10, 1, 2, 3),
            16,
            Some(Ipv4Addr::new(10, 1, 2, 1)),
        );
        expected.name_servers[0] = Some(Ipv4Addr::new(9, 9, 9, 9));
        assert_eq!(long, Some(AddressSource::Fixed(expected)));
        let short = Assignment::new(Ipv4Addr::new(10, 1, 2, 3), 8, None);
        assert_eq!(parse("ip=10.1.2.3/8"), Some(AddressSource::Fixed(short)));
        assert_eq!(short.broadcast(), Some(Ipv4Addr::new(10, 255, 255, 255)));
        assert!(short.contains(Ipv4Addr::new(10, 9, 9, 9)));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "ip=10.1.2",
            "ip=10.1.2.3/40",
            "ip=0.0.0.0/8",
            "ip=1.2.3.4:::255.0.255.0",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}

//! The interface ioctls (netdevice(7)): reading only.

use super::{AF_INET, network};
use crate::error::{Errno, Result};
use crate::user_memory::{UserPtr, copy_out, plain};
use core::net::Ipv4Addr;
use net::{Assignment, Interface};

const SIOCGIFNAME: u32 = 0x8910;
const SIOCGIFCONF: u32 = 0x8912;
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCGIFADDR: u32 = 0x8915;
const SIOCGIFBRDADDR: u32 = 0x8919;
const SIOCGIFNETMASK: u32 = 0x891b;
const SIOCGIFMETRIC: u32 = 0x891d;
const SIOCGIFMTU: u32 = 0x8921;
const SIOCGIFHWADDR: u32 = 0x8927;
const SIOCGIFINDEX: u32 = 0x8933;

const NAME: usize = 16;
const UP: u16 = 0x1;
const BROADCAST: u16 = 0x2;
const LOOPBACK: u16 = 0x8;
const RUNNING: u16 = 0x40;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;

/// `struct ifreq`: a name, and what is asked or told about that interface.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    name: [u8; NAME],
    value: [u8; 24],
}
plain!(Request);

/// `struct ifconf`.
#[repr(C)]
#[derive(Clone, Copy)]
struct List {
    length: i32,
    _pad: i32,
    requests: usize,
}
plain!(List);

impl Request {
    fn of(interface: &Interface) -> Self {
        let mut request = Self {
            name: [0; NAME],
            value: [0; 24],
        };
        let name = interface.name().as_bytes();
        request.name[..name.len()].copy_from_slice(name);
        request
    }

    fn set(&mut self, bytes: &[u8]) {
        self.value = [0; 24];
        self.value[..bytes.len()].copy_from_slice(bytes);
    }

    fn set_address(&mut self, address: Ipv4Addr) {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        bytes[4..].copy_from_slice(&address.octets());
        self.set(&bytes);
    }

    /// The name, without the zeros behind it.
    fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|&byte| byte == 0);
        &self.name[..end.unwrap_or(NAME)]
    }

    fn number(&self) -> i32 {
        i32::from_ne_bytes([self.value[0], self.value[1], self.value[2], self.value[3]])
    }
}

pub fn ioctl(request: u32, argument: usize) -> Result<usize> {
    match request {
        SIOCGIFCONF => list(argument),
        SIOCGIFNAME | SIOCGIFFLAGS | SIOCGIFADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK
        | SIOCGIFMETRIC | SIOCGIFMTU | SIOCGIFHWADDR | SIOCGIFINDEX => {
            let user = UserPtr::<Request>::new(argument);
            user.write(answer(request, user.read()?)?)?;
            Ok(0)
        }
        _ => Err(Errno::ENOTTY),
    }
}

fn answer(what: u32, mut request: Request) -> Result<Request> {
    let interfaces = network().interfaces();
    let mut interfaces = interfaces.iter();
    if what == SIOCGIFNAME {
        let wanted = usize::try_from(request.number()).map_err(|_| Errno::ENODEV)?;
        let found = interfaces.find(|interface| interface.index() == wanted);
        let value = request.value;
        return Ok(Request {
            value,
            ..Request::of(found.ok_or(Errno::ENODEV)?)
        });
    }
    let name = request.name();
    let found = interfaces.find(|interface| interface.name().as_bytes() == name);
    let interface = found.ok_or(Errno::ENODEV)?;
    let assigned = || interface.assignment().ok_or(Errno::EADDRNOTAVAIL);
    match what {
        SIOCGIFFLAGS => request.set(&flags(interface).to_ne_bytes()),
        SIOCGIFADDR => request.set_address(assigned()?.address),
        SIOCGIFNETMASK => request.set_address(assigned()?.netmask()),
        SIOCGIFBRDADDR => request.set_address(broadcast(interface, assigned()?)),
        SIOCGIFMTU => request.set(&(interface.mtu() as i32).to_ne_bytes()),
        SIOCGIFINDEX => request.set(&(interface.index() as i32).to_ne_bytes()),
        SIOCGIFHWADDR => request.set(&hardware_address(interface)),
        _ => request.set(&[]),
    }
    Ok(request)
}

/// `sa_family`, which tells the kind of hardware, and the address.
fn hardware_address(interface: &Interface) -> [u8; 8] {
    let kind = match interface.mac() {
        Some(_) => ARPHRD_ETHER,
        None => ARPHRD_LOOPBACK,
    };
    let mut bytes = [0; 8];
    bytes[..2].copy_from_slice(&kind.to_ne_bytes());
    bytes[2..].copy_from_slice(&interface.mac().unwrap_or_default());
    bytes
}

fn flags(interface: &Interface) -> u16 {
    let kind = if interface.mac().is_some() {
        BROADCAST
    } else {
        LOOPBACK
    };
    UP | RUNNING | kind
}

fn broadcast(interface: &Interface, assignment: Assignment) -> Ipv4Addr {
    let address = assignment.broadcast().filter(|_| interface.mac().is_some());
    address.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

/// The interfaces that have an address; without a buffer, the size that one must have.
fn list(argument: usize) -> Result<usize> {
    let user = UserPtr::<List>::new(argument);
    let mut list = user.read()?;
    let room = usize::try_from(list.length).map_err(|_| Errno::EINVAL)?;
    let mut length = 0;
    for interface in network().interfaces() {
        let Some(assignment) = interface.assignment() else {
            continue;
        };
        let mut request = Request::of(interface);
        request.set_address(assignment.address);
        if list.requests != 0 {
            if length + size_of::<Request>() > room {
                break;
            }
            let mut bytes = [0; size_of::<Request>()];
            bytes[..NAME].copy_from_slice(&request.name);
            bytes[NAME..].copy_from_slice(&request.value);
            copy_out(list.requests + length, &bytes)?;
        }
        length += size_of::<Request>();
    }
    list.length = length as i32;
    user.write(list)?;
    Ok(0)
}

//! The names of the system (uname(2)).

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{Capabilities, current};
use crate::user_memory::UserPtr;
use alloc::vec::Vec;
use smp::SpinLock;

const NAME_SIZE: usize = 65;

/// `struct utsname`: six names, each ended by a NUL.
type UtsName = [[u8; NAME_SIZE]; 6];

/// The Linux release whose ABI this kernel follows; programs (glibc) refuse older ones.
pub const RELEASE: &str = "6.1.0-weft";

pub const VERSION: &str = concat!("Weft ", env!("CARGO_PKG_VERSION"), " SMP");

struct Names {
    host: Vec<u8>,
    domain: Vec<u8>,
}

static NAMES: SpinLock<Names> = SpinLock::new(Names {
    host: Vec::new(),
    domain: Vec::new(),
});

/// The host's name (/proc/sys/kernel/hostname).
pub fn host_name() -> Vec<u8> {
    let name = NAMES.lock().host.clone();
    if name.is_empty() {
        b"weft".to_vec()
    } else {
        name
    }
}

pub fn uname(registers: &mut TrapFrame) -> Result<usize> {
    let mut names: UtsName = [[0; NAME_SIZE]; 6];
    let domain = NAMES.lock().domain.clone();
    let domain = if domain.is_empty() {
        b"(none)".to_vec()
    } else {
        domain
    };
    let all = [
        &b"Linux"[..],
        &host_name(),
        RELEASE.as_bytes(),
        VERSION.as_bytes(),
        b"aarch64",
        &domain,
    ];
    for (slot, name) in names.iter_mut().zip(all) {
        let length = name.len().min(NAME_SIZE - 1);
        slot[..length].copy_from_slice(&name[..length]);
    }
    UserPtr::new(registers.argument(0)).write(names)?;
    Ok(0)
}

pub fn read_name(registers: &TrapFrame) -> Result<Vec<u8>> {
    if !current().credentials().has(Capabilities::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    UserPtr::<u8>::new(registers.argument(0)).read_array(registers.argument(1), NAME_SIZE - 1)
}

pub fn sethostname(registers: &mut TrapFrame) -> Result<usize> {
    let name = read_name(registers)?;
    let _old = core::mem::replace(&mut NAMES.lock().host, name);
    Ok(0)
}

pub fn setdomainname(registers: &mut TrapFrame) -> Result<usize> {
    let name = read_name(registers)?;
    let _old = core::mem::replace(&mut NAMES.lock().domain, name);
    Ok(0)
}

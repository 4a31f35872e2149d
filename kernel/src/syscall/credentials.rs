//! User and group ids, capabilities (credentials(7), capabilities(7)).

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{Capabilities, Credentials, current, table, task_by_tid};
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_getuid as usize, |_| {
        Ok(current().credentials().uid as usize)
    }),
    (__NR_geteuid as usize, |_| {
        Ok(current().credentials().euid as usize)
    }),
    (__NR_getgid as usize, |_| {
        Ok(current().credentials().gid as usize)
    }),
    (__NR_getegid as usize, |_| {
        Ok(current().credentials().egid as usize)
    }),
    (__NR_setuid as usize, setuid),
    (__NR_setgid as usize, setgid),
    (__NR_setreuid as usize, setreuid),
    (__NR_setregid as usize, setregid),
    (__NR_setresuid as usize, setresuid),
    (__NR_setresgid as usize, setresgid),
    (__NR_getresuid as usize, getresuid),
    (__NR_getresgid as usize, getresgid),
    (__NR_setfsuid as usize, setfsuid),
    (__NR_setfsgid as usize, setfsgid),
    (__NR_getgroups as usize, getgroups),
    (__NR_setgroups as usize, setgroups),
    (__NR_capget as usize, capget),
    (__NR_capset as usize, capset),
];

/// "Leave it as it is", in the calls that set several ids.
const KEEP: u32 = u32::MAX;
const GROUPS_LIMIT: usize = 65536;

/// Changes a copy of the caller's credentials and takes it on.
fn change(edit: impl FnOnce(&mut Credentials, &Credentials) -> Result<()>) -> Result<usize> {
    let current = current();
    let before = current.credentials();
    let mut after = (*before).clone();
    edit(&mut after, &before)?;
    if after.differ_in_power(&before) {
        current.process().set_dumpable(false);
    }
    current.set_credentials(after);
    table::user_changed(&current);
    Ok(0)
}

fn setuid(registers: &mut TrapFrame) -> Result<usize> {
    let uid = registers.argument(0) as u32;
    change(|new, old| {
        if old.has(Capabilities::SETUID) {
            (new.uid, new.suid) = (uid, uid);
        } else if uid != old.uid && uid != old.suid {
            return Err(Errno::EPERM);
        }
        new.euid = uid;
        new.follow_ids(old);
        Ok(())
    })
}

fn setgid(registers: &mut TrapFrame) -> Result<usize> {
    let gid = registers.argument(0) as u32;
    change(|new, old| {
        if old.has(Capabilities::SETGID) {
            (new.gid, new.sgid) = (gid, gid);
        } else if gid != old.gid && gid != old.sgid {
            return Err(Errno::EPERM);
        }
        (new.egid, new.fsgid) = (gid, gid);
        Ok(())
    })
}

/// Checks and sets `slot` unless it is to be kept.
fn set_id(slot: &mut u32, id: u32, privileged: bool, allowed: &[u32]) -> Result<()> {
    if id == KEEP {
        return Ok(());
    }
    if !privileged && !allowed.contains(&id) {
        return Err(Errno::EPERM);
    }
    *slot = id;
    Ok(())
}

fn setreuid(registers: &mut TrapFrame) -> Result<usize> {
    let (real, effective) = (registers.argument(0) as u32, registers.argument(1) as u32);
    change(|new, old| {
        let privileged = old.has(Capabilities::SETUID);
        set_id(&mut new.uid, real, privileged, &[old.uid, old.euid])?;
        set_id(
            &mut new.euid,
            effective,
            privileged,
            &[old.uid, old.euid, old.suid],
        )?;
        if real != KEEP || (effective != KEEP && effective != old.uid) {
            new.suid = new.euid;
        }
        new.follow_ids(old);
        Ok(())
    })
}

fn setregid(registers: &mut TrapFrame) -> Result<usize> {
    let (real, effective) = (registers.argument(0) as u32, registers.argument(1) as u32);
    change(|new, old| {
        let privileged = old.has(Capabilities::SETGID);
        set_id(&mut new.gid, real, privileged, &[old.gid, old.egid])?;
        set_id(
            &mut new.egid,
            effective,
            privileged,
            &[old.gid, old.egid, old.sgid],
        )?;
        if real != KEEP || (effective != KEEP && effective != old.gid) {
            new.sgid = new.egid;
        }
        new.fsgid = new.egid;
        Ok(())
    })
}

fn setresuid(registers: &mut TrapFrame) -> Result<usize> {
    let [real, effective, saved] = [0, 1, 2].map(|index| registers.argument(index) as u32);
    change(|new, old| {
        let (privileged, own) = (old.has(Capabilities::SETUID), [old.uid, old.euid, old.suid]);
        set_id(&mut new.uid, real, privileged, &own)?;
        set_id(&mut new.euid, effective, privileged, &own)?;
        set_id(&mut new.suid, saved, privileged, &own)?;
        new.follow_ids(old);
        Ok(())
    })
}

fn setresgid(registers: &mut TrapFrame) -> Result<usize> {
    let [real, effective, saved] = [0, 1, 2].map(|index| registers.argument(index) as u32);
    change(|new, old| {
        let (privileged, own) = (old.has(Capabilities::SETGID), [old.gid, old.egid, old.sgid]);
        set_id(&mut new.gid, real, privileged, &own)?;
        set_id(&mut new.egid, effective, privileged, &own)?;
        set_id(&mut new.sgid, saved, privileged, &own)?;
        new.fsgid = new.egid;
        Ok(())
    })
}

fn write_three(registers: &TrapFrame, ids: [u32; 3]) -> Result<usize> {
    for (index, id) in ids.into_iter().enumerate() {
        UserPtr::<u32>::new(registers.argument(index)).write(id)?;
    }
    Ok(0)
}

fn getresuid(registers: &mut TrapFrame) -> Result<usize> {
    let own = current().credentials();
    write_three(registers, [own.uid, own.euid, own.suid])
}

fn getresgid(registers: &mut TrapFrame) -> Result<usize> {
    let own = current().credentials();
    write_three(registers, [own.gid, own.egid, own.sgid])
}

/// Returns the old id, whether or not it was changed (setfsuid(2)).
fn setfsuid(registers: &mut TrapFrame) -> Result<usize> {
    let (id, old) = (registers.argument(0) as u32, current().credentials());
    if old.has(Capabilities::SETUID) || [old.uid, old.euid, old.suid, old.fsuid].contains(&id) {
        change(|new, _| {
            new.fsuid = id;
            Ok(())
        })?;
    }
    Ok(old.fsuid as usize)
}

fn setfsgid(registers: &mut TrapFrame) -> Result<usize> {
    let (id, old) = (registers.argument(0) as u32, current().credentials());
    if old.has(Capabilities::SETGID) || [old.gid, old.egid, old.sgid, old.fsgid].contains(&id) {
        change(|new, _| {
            new.fsgid = id;
            Ok(())
        })?;
    }
    Ok(old.fsgid as usize)
}

fn getgroups(registers: &mut TrapFrame) -> Result<usize> {
    let (size, list) = (
        registers.argument(0) as i32,
        UserPtr::<u32>::new(registers.argument(1)),
    );
    let own = current().credentials();
    let count = own.groups.len();
    if size < 0 || (size != 0 && (size as usize) < count) {
        return Err(Errno::EINVAL);
    }
    if size != 0 {
        for (index, group) in own.groups.iter().enumerate() {
            list.element(index).write(*group)?;
        }
    }
    Ok(count)
}

fn setgroups(registers: &mut TrapFrame) -> Result<usize> {
    if !current().credentials().has(Capabilities::SETGID) {
        return Err(Errno::EPERM);
    }
    let count = registers.argument(0) as i32;
    let groups = UserPtr::<u32>::new(registers.argument(1))
        .read_array(count as u32 as usize, GROUPS_LIMIT)?;
    change(|new, _| {
        new.groups = groups;
        Ok(())
    })
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
#[derive(Clone, Copy)]
struct CapHeader {
    version: u32,
    pid: i32,
}
plain!(CapHeader);

/// `struct __user_cap_data_struct`: two of them make one set of 64 bits each.
#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}
plain!(CapData);

/// The version with 64-bit sets.
const CAP_VERSION_3: u32 = 0x2008_0522;

fn cap_header(address: usize) -> Result<CapHeader> {
    let pointer = UserPtr::<CapHeader>::new(address);
    let header = pointer.read()?;
    if header.version == CAP_VERSION_3 {
        return Ok(header);
    }
    // The version that is understood, for the caller to try.
    pointer.write(CapHeader {
        version: CAP_VERSION_3,
        ..header
    })?;
    Err(Errno::EINVAL)
}

fn capget(registers: &mut TrapFrame) -> Result<usize> {
    let data = UserPtr::<[CapData; 2]>::new(registers.argument(1));
    let header = match cap_header(registers.argument(0)) {
        Err(Errno::EINVAL) if data.is_null() => return Ok(0), // only asks for the version
        header => header?,
    };
    let of = match header.pid {
        0 => current().credentials(),
        pid if pid < 0 => return Err(Errno::EINVAL),
        pid => task_by_tid(pid as u32)?.credentials(),
    };
    let half = |shift: u32| CapData {
        effective: (of.effective.bits() >> shift) as u32,
        permitted: (of.permitted.bits() >> shift) as u32,
        inheritable: (of.inheritable.bits() >> shift) as u32,
    };
    if let Some(data) = data.optional() {
        data.write([half(0), half(32)])?;
    }
    Ok(0)
}

fn capset(registers: &mut TrapFrame) -> Result<usize> {
    let header = cap_header(registers.argument(0))?;
    if header.pid != 0 && header.pid as u32 != current().tid() {
        return Err(Errno::EPERM);
    }
    let [low, high] = UserPtr::<[CapData; 2]>::new(registers.argument(1)).read()?;
    let whole = |low: u32, high: u32| {
        Capabilities::from_bits_retain(u64::from(low) | u64::from(high) << 32) & Capabilities::ALL
    };
    let permitted = whole(low.permitted, high.permitted);
    let effective = whole(low.effective, high.effective);
    let inheritable = whole(low.inheritable, high.inheritable);
    change(|new, old| {
        if !old.permitted.contains(permitted) || !permitted.contains(effective) {
            return Err(Errno::EPERM);
        }
        (new.permitted, new.effective, new.inheritable) = (permitted, effective, inheritable);
        Ok(())
    })
}

//! `struct msghdr` and its control messages: open files (`SCM_RIGHTS`) and credentials
//! (`SCM_CREDENTIALS`) on their way through UNIX sockets.

use super::is_unix;
use crate::error::{Errno, Result};
use crate::fs::{Fd, OpenFile};
use crate::process::{self, Capabilities};
use crate::user_memory::{copy_in, copy_out, plain};
use alloc::vec;
use alloc::vec::Vec;
use net::{Ancillary, Credentials, Kind, Right};

const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const SCM_CREDENTIALS: i32 = 2;
/// The most files one message carries (SCM_MAX_FD).
const MAX_RIGHTS: usize = 253;
/// The longest control data that is read (net.core.optmem_max).
const MAX_CONTROL: usize = 20 * 1024;
const HEADER: usize = size_of::<ControlHeader>();
/// Control messages start at multiples of this.
const ALIGNMENT: usize = 8;

/// `struct msghdr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageHeader {
    pub name: usize,
    pub name_length: u32,
    _pad: u32,
    pub vectors: usize,
    pub vector_count: usize,
    pub control: usize,
    pub control_length: usize,
    pub flags: u32,
    _pad_flags: u32,
}
plain!(MessageHeader);

/// `struct cmsghdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct ControlHeader {
    length: usize,
    level: i32,
    kind: i32,
}

/// The caller, as its messages show it.
pub fn credentials() -> Credentials {
    let current = process::current();
    let who = current.credentials();
    Credentials {
        process: current.pid() as i32,
        user: who.uid,
        group: who.gid,
    }
}

/// What goes with a message that has no control data.
pub fn own_credentials(kind: Kind) -> Ancillary {
    let known = is_unix(kind) && process::try_current().is_some();
    Ancillary {
        rights: Vec::new(),
        credentials: known.then(credentials),
    }
}

fn word(bytes: &[u8], at: usize) -> i32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    i32::from_ne_bytes(word)
}

/// Reads the control data of a message to be sent.
pub fn read_control(header: &MessageHeader, kind: Kind) -> Result<Ancillary> {
    let mut ancillary = own_credentials(kind);
    if header.control_length > MAX_CONTROL {
        return Err(Errno::ENOBUFS);
    }
    let mut control = vec![0; header.control_length];
    copy_in(header.control, &mut control)?;
    let mut rest = &control[..];
    while rest.len() >= HEADER {
        let length =
            usize::try_from(i64::from(word(rest, 0) as u32) | i64::from(word(rest, 4)) << 32);
        let length = length
            .ok()
            .filter(|length| (HEADER..=rest.len()).contains(length));
        let body = &rest[HEADER..length.ok_or(Errno::EINVAL)?];
        if word(rest, 8) == SOL_SOCKET && is_unix(kind) {
            control_message(word(rest, 12), body, &mut ancillary)?;
        }
        let next = (HEADER + body.len()).next_multiple_of(ALIGNMENT);
        rest = rest.get(next..).unwrap_or(&[]);
    }
    Ok(ancillary)
}

fn control_message(kind: i32, body: &[u8], ancillary: &mut Ancillary) -> Result<()> {
    match kind {
        SCM_RIGHTS => {
            let files = process::current().files();
            for number in body.chunks_exact(4) {
                let file = files.get(word(number, 0) as Fd)?;
                ancillary.rights.push(file);
            }
            if ancillary.rights.len() > MAX_RIGHTS {
                Err(Errno::EINVAL)
            } else {
                Ok(())
            }
        }
        SCM_CREDENTIALS if body.len() == 12 => {
            let claimed = Credentials {
                process: word(body, 0),
                user: word(body, 4) as u32,
                group: word(body, 8) as u32,
            };
            ancillary.credentials = Some(checked(claimed)?);
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Credentials may only be claimed by those who have them, or may pretend to (unix(7)).
fn checked(claimed: Credentials) -> Result<Credentials> {
    let current = process::current();
    let who = current.credentials();
    let process = claimed.process == current.pid() as i32 || who.has(Capabilities::SYS_ADMIN);
    let user =
        [who.uid, who.euid, who.suid].contains(&claimed.user) || who.has(Capabilities::SETUID);
    let group =
        [who.gid, who.egid, who.sgid].contains(&claimed.group) || who.has(Capabilities::SETGID);
    if process && user && group {
        Ok(claimed)
    } else {
        Err(Errno::EPERM)
    }
}

/// Control data on its way to a receiver's buffer.
struct ControlWriter {
    address: usize,
    room: usize,
    written: usize,
    truncated: bool,
}

impl ControlWriter {
    /// How many bytes of a message's body still fit.
    fn room_for_body(&self) -> usize {
        (self.room - self.written).saturating_sub(HEADER)
    }

    fn put(&mut self, kind: i32, body: &[u8]) -> Result<()> {
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend((HEADER + body.len()).to_ne_bytes());
        bytes.extend(SOL_SOCKET.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(body);
        copy_out(self.address + self.written, &bytes)?;
        self.written = (self.written + bytes.len().next_multiple_of(ALIGNMENT)).min(self.room);
        Ok(())
    }
}

/// What was written of the control data of a received message.
pub struct Written {
    pub length: usize,
    /// `MSG_CTRUNC`.
    pub truncated: bool,
}

/// Writes `ancillary` to a receiver's control buffer; gives its files descriptors.
pub fn write_control(
    ancillary: Ancillary,
    address: usize,
    room: usize,
    close_on_exec: bool,
) -> Result<Written> {
    let mut writer = ControlWriter {
        address,
        room,
        written: 0,
        truncated: false,
    };
    if let Some(who) = ancillary.credentials {
        if writer.room_for_body() < 12 {
            writer.truncated = true;
        } else {
            let words = [who.process as u32, who.user, who.group];
            let body: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            writer.put(SCM_CREDENTIALS, &body)?;
        }
    }
    if !ancillary.rights.is_empty() {
        write_rights(ancillary.rights, &mut writer, close_on_exec)?;
    }
    Ok(Written {
        length: writer.written,
        truncated: writer.truncated,
    })
}

fn write_rights(rights: Vec<Right>, writer: &mut ControlWriter, close_on_exec: bool) -> Result<()> {
    let files = process::current().files();
    let fits = writer.room_for_body() / size_of::<i32>();
    let mut body = Vec::new();
    for right in rights {
        let Ok(file) = right.downcast::<OpenFile>() else {
            continue;
        };
        if body.len() / size_of::<i32>() == fits {
            writer.truncated = true;
            break;
        }
        match files.insert(file, close_on_exec) {
            Ok(number) => body.extend((number as i32).to_ne_bytes()),
            Err(_) => {
                writer.truncated = true;
                break;
            }
        }
    }
    if body.is_empty() {
        Ok(())
    } else {
        writer.put(SCM_RIGHTS, &body)
    }
}

//! The kernel's records, as /dev/schedtrace gives them: 32 bytes, little endian.
//!
//! ```text
//!   ticks 8 | kind 1, small 3, tid 4 | a 8 | b 8
//! ```
//! Kinds are numbered in the order of [`What`], from 1 on.

/// Why a CPU went on to another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Parked,
    Yielded,
    Preempted,
    Ended,
    Idle,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Switch {
        from: u32,
        to: u32,
        left: Left,
    },
    Wake {
        tid: u32,
        target: u32,
    },
    Steal {
        tid: u32,
        victim: u32,
    },
    Migrate {
        tid: u32,
        from: u32,
    },
    IpiSent {
        target: u32,
        bits: u64,
    },
    IpiReceived,
    IrqEnter {
        intid: u32,
    },
    IrqExit {
        intid: u32,
    },
    SyscallEnter {
        number: u32,
        argument: u64,
    },
    SyscallExit {
        number: u32,
        result: i64,
    },
    Policy {
        tid: u32,
        policy: u32,
        priority: u64,
    },
    Affinity {
        tid: u32,
        cpus: u64,
    },
    CpuOnline {
        cpu: u32,
    },
    CpuOffline {
        cpu: u32,
    },
    Name {
        tid: u32,
        name: String,
    },
    Process {
        tid: u32,
        pid: u32,
    },
}

pub const RECORD_SIZE: usize = 32;

fn word(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[8 * index..8 * index + 8]);
    u64::from_le_bytes(word)
}

/// The ticks and the event of one record; `None` for a kind that is not known here.
pub fn decode(record: &[u8]) -> Option<(u64, What)> {
    let [ticks, head, a, b] = [0, 1, 2, 3].map(|index| word(record, index));
    let (small, tid) = ((head >> 8) as u32 & 0xff_ffff, (head >> 32) as u32);
    let what = match head as u8 {
        1 => What::Switch {
            from: tid,
            to: a as u32,
            left: left(small)?,
        },
        2 => What::Wake { tid, target: small },
        3 => What::Steal { tid, victim: small },
        4 => What::Migrate { tid, from: small },
        5 => What::IpiSent {
            target: small,
            bits: a,
        },
        6 => What::IpiReceived,
        7 => What::IrqEnter { intid: small },
        8 => What::IrqExit { intid: small },
        9 => What::SyscallEnter {
            number: small,
            argument: a,
        },
        10 => What::SyscallExit {
            number: small,
            result: a as i64,
        },
        11 => What::Policy {
            tid,
            policy: small,
            priority: a,
        },
        12 => What::Affinity { tid, cpus: a },
        13 => What::CpuOnline { cpu: small },
        14 => What::CpuOffline { cpu: small },
        15 => What::Name {
            tid,
            name: name([a, b]),
        },
        16 => What::Process { tid, pid: a as u32 },
        _ => return None,
    };
    Some((ticks, what))
}

fn left(number: u32) -> Option<Left> {
    let all = [
        Left::Parked,
        Left::Yielded,
        Left::Preempted,
        Left::Ended,
        Left::Idle,
    ];
    all.get(number as usize).copied()
}

fn name(words: [u64; 2]) -> String {
    let bytes = words.map(u64::to_le_bytes).concat();
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A record as the kernel packs it.
    pub fn record(ticks: u64, kind: u64, small: u64, tid: u64, a: u64, b: u64) -> Vec<u8> {
        let head = kind | small << 8 | tid << 32;
        [ticks, head, a, b].map(u64::to_le_bytes).concat()
    }

    #[test]
    fn records_are_read_as_the_kernel_packs_them() {
        let switch = What::Switch {
            from: 7,
            to: 9,
            left: Left::Preempted,
        };
        assert_eq!(decode(&record(5, 1, 2, 7, 9, 0)), Some((5, switch)));
        let bytes = u64::from_le_bytes(*b"sshd\0\0\0\0");
        let name = What::Name {
            tid: 3,
            name: "sshd".into(),
        };
        assert_eq!(decode(&record(6, 15, 0, 3, bytes, 0)), Some((6, name)));
        assert_eq!(decode(&record(6, 99, 0, 0, 0, 0)), None);
    }
}

//! An event as four words: time, kind and two small arguments, two large arguments.
//!
//! ```text
//!   word 0   ticks of the counter
//!   word 1   kind: bits 0..8, small: bits 8..32, tid: bits 32..64
//!   word 2   a
//!   word 3   b
//! ```

use crate::{Event, Left};

/// Bytes of a record, in memory and as programs read it (little endian).
pub const RECORD_SIZE: usize = 32;

const SMALL_BITS: u32 = 24;

/// The number of each kind of event: part of the interface, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Switch = 1,
    Wake = 2,
    Steal = 3,
    Migrate = 4,
    IpiSent = 5,
    IpiReceived = 6,
    IrqEnter = 7,
    IrqExit = 8,
    SyscallEnter = 9,
    SyscallExit = 10,
    Policy = 11,
    Affinity = 12,
    CpuOnline = 13,
    CpuOffline = 14,
    Name = 15,
    Process = 16,
}

impl Kind {
    /// The kind's bit in a mask of kinds.
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// An event with its time, packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record(pub [u64; 4]);

impl Event {
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        match self {
            Event::Switch { .. } => Kind::Switch,
            Event::Wake { .. } => Kind::Wake,
            Event::Steal { .. } => Kind::Steal,
            Event::Migrate { .. } => Kind::Migrate,
            Event::IpiSent { .. } => Kind::IpiSent,
            Event::IpiReceived => Kind::IpiReceived,
            Event::IrqEnter { .. } => Kind::IrqEnter,
            Event::IrqExit { .. } => Kind::IrqExit,
            Event::SyscallEnter { .. } => Kind::SyscallEnter,
            Event::SyscallExit { .. } => Kind::SyscallExit,
            Event::Policy { .. } => Kind::Policy,
            Event::Affinity { .. } => Kind::Affinity,
            Event::CpuOnline { .. } => Kind::CpuOnline,
            Event::CpuOffline { .. } => Kind::CpuOffline,
            Event::Name { .. } => Kind::Name,
            Event::Process { .. } => Kind::Process,
        }
    }

    /// Packs the event.
    #[inline(always)]
    pub fn at(self, ticks: u64) -> Record {
        let (tid, small, a, b) = match self {
            Event::Switch { from, to, left } => (from, left as u32, u64::from(to), 0),
            Event::Wake { tid, target } => (tid, target, 0, 0),
            Event::Steal { tid, victim } => (tid, victim, 0, 0),
            Event::Migrate { tid, from } => (tid, from, 0, 0),
            Event::IpiSent { target, bits } => (0, target, u64::from(bits), 0),
            Event::IpiReceived => (0, 0, 0, 0),
            Event::IrqEnter { intid } | Event::IrqExit { intid } => (0, intid, 0, 0),
            Event::SyscallEnter { number, argument } => (0, number, argument, 0),
            Event::SyscallExit { number, result } => (0, number, result, 0),
            Event::Policy {
                tid,
                policy,
                priority,
            } => (tid, u32::from(policy), u64::from(priority), 0),
            Event::Affinity { tid, cpus } => (tid, 0, cpus, 0),
            Event::CpuOnline { cpu } | Event::CpuOffline { cpu } => (0, cpu, 0, 0),
            Event::Name { tid, name } => {
                let word = |at: usize| {
                    name[at..at + 8]
                        .iter()
                        .rev()
                        .fold(0, |word, &byte| word << 8 | u64::from(byte))
                };
                (tid, 0, word(0), word(8))
            }
            Event::Process { tid, pid } => (tid, 0, u64::from(pid), 0),
        };
        let small = u64::from(small) & ((1 << SMALL_BITS) - 1);
        let head = self.kind() as u64 | small << 8 | u64::from(tid) << 32;
        Record([ticks, head, a, b])
    }
}

impl Record {
    /// As it stands in memory and in files.
    pub fn from_bytes(bytes: &[u8; RECORD_SIZE]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        Self(core::array::from_fn(|index| {
            u64::from_le_bytes(words[index])
        }))
    }

    pub fn to_bytes(self) -> [u8; RECORD_SIZE] {
        let mut bytes = [0; RECORD_SIZE];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (bytes, word) in words.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    /// The counter when it happened.
    pub fn ticks(self) -> u64 {
        self.0[0]
    }

    /// The event again; `None` for a kind this version does not know.
    pub fn event(self) -> Option<Event> {
        let [_, head, a, b] = self.0;
        let small = (head >> 8) as u32 & ((1 << SMALL_BITS) - 1);
        let tid = (head >> 32) as u32;
        Some(match head as u8 {
            1 => Event::Switch {
                from: tid,
                to: a as u32,
                left: left(small)?,
            },
            2 => Event::Wake { tid, target: small },
            3 => Event::Steal { tid, victim: small },
            4 => Event::Migrate { tid, from: small },
            5 => Event::IpiSent {
                target: small,
                bits: a as u32,
            },
            6 => Event::IpiReceived,
            7 => Event::IrqEnter { intid: small },
            8 => Event::IrqExit { intid: small },
            9 => Event::SyscallEnter {
                number: small,
                argument: a,
            },
            10 => Event::SyscallExit {
                number: small,
                result: a,
            },
            11 => Event::Policy {
                tid,
                policy: small as u8,
                priority: a as u8,
            },
            12 => Event::Affinity { tid, cpus: a },
            13 => Event::CpuOnline { cpu: small },
            14 => Event::CpuOffline { cpu: small },
            15 => {
                let mut name = [0; 16];
                name[..8].copy_from_slice(&a.to_le_bytes());
                name[8..].copy_from_slice(&b.to_le_bytes());
                Event::Name { tid, name }
            }
            16 => Event::Process { tid, pid: a as u32 },
            _ => return None,
        })
    }
}

fn left(number: u32) -> Option<Left> {
    [
        Left::Parked,
        Left::Yielded,
        Left::Preempted,
        Left::Ended,
        Left::Idle,
    ]
    .get(number as usize)
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_packing() {
        let cpu = 200;
        let events = [
            Event::Switch {
                from: 1 << 19,
                to: 7,
                left: Left::Preempted,
            },
            Event::Wake {
                tid: 3,
                target: cpu,
            },
            Event::Steal {
                tid: 3,
                victim: cpu,
            },
            Event::Migrate { tid: 3, from: cpu },
            Event::IpiSent {
                target: cpu,
                bits: 3,
            },
            Event::IpiReceived,
            Event::IrqEnter { intid: 1019 },
            Event::IrqExit { intid: 27 },
            Event::SyscallEnter {
                number: 511,
                argument: u64::MAX,
            },
            Event::SyscallExit {
                number: 64,
                result: u64::MAX - 3,
            },
            Event::Policy {
                tid: 5,
                policy: 1,
                priority: 99,
            },
            Event::Affinity {
                tid: 5,
                cpus: 1 << 63,
            },
            Event::CpuOnline { cpu },
            Event::CpuOffline { cpu },
            Event::name(9, "a name of more than sixteen letters"),
            Event::Process { tid: 9, pid: 8 },
        ];
        for (number, event) in (1..).zip(events) {
            assert_eq!(event.kind() as u8, number);
            assert_eq!(event.at(77).event(), Some(event));
            assert_eq!(event.at(77).ticks(), 77);
            let bytes = event.at(77).to_bytes();
            assert_eq!(Record::from_bytes(&bytes), event.at(77));
            assert_eq!(bytes[..9], [77, 0, 0, 0, 0, 0, 0, 0, number]);
        }
        assert_eq!(Record([0, 255, 0, 0]).event(), None);
    }
}

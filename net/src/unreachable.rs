//! What a "destination unreachable" means to who sent the datagram.

use crate::Error;
use smoltcp::wire::Icmpv4DstUnreachable as Code;

/// The error, and whether it is *hard*: no later attempt can do better, so that a connected socket
/// is told without asking. As Linux has it (`icmp_err_convert`), where UDP counts "fragmentation
/// needed" as hard.
pub(crate) fn meaning(code: u8) -> (Error, bool) {
    match Code::from(code) {
        Code::NetUnreachable | Code::NetUnreachToS => (Error::NetworkUnreachable, false),
        Code::HostUnreachable | Code::HostUnreachToS => (Error::HostUnreachable, false),
        Code::ProtoUnreachable => (Error::ProtocolUnreachable, true),
        Code::PortUnreachable => (Error::ConnectionRefused, true),
        Code::FragRequired => (Error::MessageTooLong, true),
        Code::SrcRouteFailed => (Error::NotSupported, false),
        Code::DstNetUnknown | Code::NetProhibited => (Error::NetworkUnreachable, true),
        Code::DstHostUnknown => (Error::HostDown, true),
        Code::SrcHostIsolated => (Error::Isolated, true),
        Code::HostProhibited | Code::CommProhibited | Code::HostPrecedViol | Code::PrecedCutoff => {
            (Error::HostUnreachable, true)
        }
        Code::Unknown(_) => (Error::HostUnreachable, false),
    }
}

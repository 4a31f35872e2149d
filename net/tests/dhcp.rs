//! Getting an address: from a scripted DHCP server, and without one.

mod common;

use common::*;
use net::{AddressSource, Assignment, Kind};
use std::net::Ipv4Addr;
use std::sync::Arc;

const OFFERED: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);

/// The reply to a client's message: an offer to a discover, an acknowledgement to a request.
fn reply(request: &[u8]) -> Option<Vec<u8>> {
    const OPTIONS: usize = 14 + 20 + 8 + 240;
    let dhcp = request.get(42..)?;
    let to_server = request.get(36..38)? == 67u16.to_be_bytes();
    let kind = *request.get(OPTIONS + 2)?;
    if !to_server || request[OPTIONS] != 53 {
        return None;
    }
    let mut answer = vec![2, 1, 6, 0];
    answer.extend(&dhcp[4..8]);
    answer.extend([0; 8]);
    answer.extend(OFFERED.octets());
    answer.extend(SERVER.octets());
    answer.extend([0; 4]);
    answer.extend(&dhcp[28..34]);
    answer.extend([0; 10 + 64 + 128]);
    answer.extend([99, 130, 83, 99]);
    answer.extend([53, 1, if kind == 1 { 2 } else { 5 }]);
    for (code, value) in [
        (54, SERVER),
        (1, Ipv4Addr::new(255, 255, 255, 0)),
        (3, SERVER),
        (6, SERVER),
    ] {
        answer.extend([code, 4]);
        answer.extend(value.octets());
    }
    answer.extend([51, 4, 0, 0, 14, 16, 255]);
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 9, 8, 0]);
    let length = (28 + answer.len()) as u16;
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header.extend(SERVER.octets());
    header.extend([255; 4]);
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    header[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    frame.extend(header);
    for value in [67, 68, length - 20, 0] {
        frame.extend(value.to_be_bytes());
    }
    frame.extend(answer);
    Some(frame)
}

fn client() -> (Arc<net::Network>, Arc<Lane>, Arc<Lane>) {
    let (input, output) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let wire = Wire {
        mac: [2, 0, 0, 0, 0, 1],
        input: input.clone(),
        output: output.clone(),
        trouble: Arc::default(),
        random: Random(1),
    };
    (machine(wire, seed()), input, output)
}

#[test]
fn a_lease_configures_the_interface() {
    let (network, input, output) = client();
    // A program may listen before there is an address.
    let early = network.socket(Kind::Udp).unwrap();
    early.bind(&at(Ipv4Addr::UNSPECIFIED, 500)).unwrap();
    network.configure(AddressSource::default());
    eventually("a lease", || {
        while let Some(frame) = output.pop() {
            if let Some(answer) = reply(&frame) {
                input.push(answer);
            }
        }
        network.interfaces()[1].assignment().is_some()
    });
    let assignment = network.interfaces()[1].assignment().unwrap();
    assert_eq!(
        (assignment.address, assignment.prefix, assignment.gateway),
        (OFFERED, 24, Some(SERVER))
    );
    assert_eq!(network.name_servers(), [SERVER]);
    assert!(
        network
            .report_routes()
            .contains("eth0\t00000000\t0108090A\t0003")
    );
    early
        .connect(Some(&at(Ipv4Addr::new(8, 8, 8, 8), 53)))
        .unwrap();
    assert_eq!(early.local_address(), at(OFFERED, 500));
}

#[test]
fn without_an_answer_the_fallback_is_used_and_the_machine_falls_silent() {
    let (network, _input, output) = client();
    let fallback = Assignment::new(Ipv4Addr::new(10, 0, 2, 15), 24, None);
    network.configure(AddressSource::Dhcp {
        patience_ns: 300_000_000,
        fallback: Some(fallback),
    });
    eventually("the fallback", || {
        network.interfaces()[1].assignment() == Some(fallback)
    });
    while output.pop().is_some() {}
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(output.pop().is_none(), "still asking");
}

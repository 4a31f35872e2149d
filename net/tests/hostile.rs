//! What arrives from outside may be anything: nothing of it may cause a panic or a leak.

mod common;

use common::*;
use net::{Kind, Ready};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A frame that gets past the outer checks, with a random inside.
fn plausible(random: &mut Random) -> Vec<u8> {
    let length = random.below(600) as usize;
    let mut packet = random.bytes(20 + length);
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&((20 + length) as u16).to_be_bytes());
    packet[6] &= 0x40;
    packet[9] = [1, 6, 17, random.next() as u8][random.below(4) as usize];
    packet[12..16].copy_from_slice(&RIGHT.octets());
    packet[16..20].copy_from_slice(&LEFT.octets());
    if length >= 8 && random.below(2) == 0 {
        // To a listening port, with a likely length field.
        packet[22..24].copy_from_slice(&80u16.to_be_bytes());
        packet[24..26].copy_from_slice(&(length as u16).to_be_bytes());
        packet[26..28].copy_from_slice(&[0, 0]);
    }
    packet[10..12].copy_from_slice(&[0, 0]);
    let sum: u32 = packet[..20]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend(packet);
    frame
}

#[test]
fn random_frames_do_no_harm() {
    let seed = seed();
    let mut random = Random(seed);
    let (input, output) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let wire = Wire {
        mac: [2, 0, 0, 0, 0, 1],
        input: input.clone(),
        output,
        trouble: Arc::default(),
        random: Random(seed),
    };
    let network = machine(wire, seed);
    network.configure(net::AddressSource::Fixed(net::Assignment::new(
        LEFT, 24, None,
    )));
    let (listener, port) = listen(&network, Ipv4Addr::UNSPECIFIED, 8);
    let taken = network.socket(Kind::Tcp).unwrap();
    taken.bind(&at(Ipv4Addr::UNSPECIFIED, 80)).unwrap();
    taken.listen(8).unwrap();
    let datagrams = network.socket(Kind::Udp).unwrap();
    datagrams.bind(&at(Ipv4Addr::UNSPECIFIED, 80)).unwrap();
    let raw = network.socket(Kind::Raw(1)).unwrap();
    for _ in 0..20_000 {
        let frame = match random.below(3) {
            0 => {
                let length = random.below(1600) as usize;
                random.bytes(length)
            }
            _ => plausible(&mut random),
        };
        input.push(frame);
    }
    // The machine still works, and the datagram that was likely to be right has arrived.
    let client = network.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    drop(accept(&*listener));
    eventually("all frames taken", || {
        network.interfaces()[1].traffic().received_packets == 20_000
    });
    assert!(datagrams.readiness().ready().contains(Ready::READ));
    drop(raw);
}

#[test]
fn garbled_handshakes_do_not_fill_the_backlog_for_ever() {
    let pair = pair();
    let (listener, port) = listen(&pair.right, RIGHT, 4);
    pair.trouble
        .garble
        .store(60, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..20 {
        let client = pair.left.socket(Kind::Tcp).unwrap();
        let _ = client.connect(Some(&at(RIGHT, port)));
    }
    pair.trouble
        .garble
        .store(0, std::sync::atomic::Ordering::Relaxed);
    drop(listener);
    let (listener, port) = listen(&pair.right, RIGHT, 4);
    let client = pair.left.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(RIGHT, port)).unwrap();
    send_all(&*client, b"fine").unwrap();
    assert_eq!(
        receive(&*accept(&*listener), &mut [0; 8]).unwrap().length,
        4
    );
}

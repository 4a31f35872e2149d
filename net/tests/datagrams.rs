//! UDP, ping and raw sockets.

mod common;

use common::*;
use net::{Address, Error, Kind, Ready};
use std::net::Ipv4Addr;

fn udp(
    network: &std::sync::Arc<net::Network>,
    ip: Ipv4Addr,
) -> (std::sync::Arc<dyn net::Socket>, u16) {
    let socket = network.socket(Kind::Udp).unwrap();
    socket.bind(&at(ip, 0)).unwrap();
    let port = port_of(&*socket);
    (socket, port)
}

#[test]
fn datagrams_cross_the_wire_and_back() {
    let pair = pair();
    let (server, port) = udp(&pair.right, Ipv4Addr::UNSPECIFIED);
    let client = pair.left.socket(Kind::Udp).unwrap();
    assert_eq!(send_to(&*client, &at(RIGHT, port), b"ping"), Ok(4));
    let mut buffer = [0; 100];
    let received = receive(&*server, &mut buffer).unwrap();
    assert_eq!(&buffer[..received.length], b"ping");
    let from = received.from.unwrap();
    assert_eq!(from, at(LEFT, port_of(&*client)));
    send_to(&*server, &from, b"a longer pong").unwrap();
    let received = receive(&*client, &mut buffer[..3]).unwrap();
    assert_eq!((received.length, received.full_length), (3, 13));
}

#[test]
fn loopback_carries_the_largest_datagram() {
    let network = lonely();
    let (server, port) = udp(&network, Ipv4Addr::LOCALHOST);
    let client = network.socket(Kind::Udp).unwrap();
    let data = vec![5; 65507];
    send_to(&*client, &at(Ipv4Addr::LOCALHOST, port), &data).unwrap();
    let mut buffer = vec![0; 70_000];
    let length = receive(&*server, &mut buffer).unwrap().length;
    assert!(buffer[..length] == data[..]);
    let larger = vec![5; 65508];
    let refused = send_to(&*client, &at(Ipv4Addr::LOCALHOST, port), &larger);
    assert_eq!(refused, Err(Error::MessageTooLong));
}

#[test]
fn connected_sockets_hear_their_peer_only() {
    let network = lonely();
    let (server, port) = udp(&network, Ipv4Addr::LOCALHOST);
    let (friend, friend_port) = udp(&network, Ipv4Addr::LOCALHOST);
    let (stranger, _) = udp(&network, Ipv4Addr::LOCALHOST);
    server
        .connect(Some(&at(Ipv4Addr::LOCALHOST, friend_port)))
        .unwrap();
    send_to(&*stranger, &at(Ipv4Addr::LOCALHOST, port), b"stranger").unwrap();
    send_to(&*friend, &at(Ipv4Addr::LOCALHOST, port), b"friend").unwrap();
    let mut buffer = [0; 100];
    let received = receive(&*server, &mut buffer).unwrap();
    assert_eq!(&buffer[..received.length], b"friend");
    assert!(!server.readiness().ready().contains(Ready::READ));
    send_all(&*server, b"hello").unwrap();
    assert_eq!(receive(&*friend, &mut buffer).unwrap().length, 5);
}

#[test]
fn unreachable_ports_are_reported_to_connected_sockets() {
    let pair = pair();
    for ip in [RIGHT, Ipv4Addr::LOCALHOST] {
        let socket = pair.left.socket(Kind::Udp).unwrap();
        socket.connect(Some(&at(ip, 9))).unwrap();
        send_all(&*socket, b"anyone?").unwrap();
        let mut buffer = [0; 8];
        let error = receive(&*socket, &mut buffer).map(|received| received.length);
        assert_eq!(error, Err(Error::ConnectionRefused), "{ip}");
    }
}

/// An ICMP "destination unreachable" about a UDP datagram over loopback.
fn unreachable(code: u8, from: u16, to: u16) -> Vec<u8> {
    let local = Ipv4Addr::LOCALHOST.octets();
    let mut quote = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    quote.extend([local, local].concat());
    quote.extend([from.to_be_bytes(), to.to_be_bytes(), [0, 8], [0, 0]].concat());
    [&[3, code, 0, 0, 0, 0, 0, 0][..], &quote].concat()
}

#[test]
fn connected_sockets_are_told_hard_errors_and_others_when_they_ask() {
    let network = lonely();
    let (peer, peer_port) = udp(&network, Ipv4Addr::LOCALHOST);
    let (socket, port) = udp(&network, Ipv4Addr::LOCALHOST);
    socket
        .connect(Some(&at(Ipv4Addr::LOCALHOST, peer_port)))
        .unwrap();
    let router = network.socket(Kind::Raw(1)).unwrap();
    let heard = |code, about| {
        let (to, message) = (at(Ipv4Addr::LOCALHOST, 0), unreachable(code, port, about));
        send_to(&*router, &to, &message).unwrap();
        // Comes after it, so that no error means that none was told.
        send_to(&*peer, &at(Ipv4Addr::LOCALHOST, port), b"after").unwrap();
        let first = receive(&*socket, &mut [0; 8]).map(|_| ()).err();
        first.inspect(|_| assert_eq!(receive(&*socket, &mut [0; 8]).unwrap().length, 5))
    };
    assert_eq!(heard(0, peer_port), None);
    assert_eq!(heard(1, peer_port), None);
    assert_eq!(heard(2, peer_port), Some(Error::ProtocolUnreachable));
    assert_eq!(heard(3, peer_port), Some(Error::ConnectionRefused));
    assert_eq!(heard(3, 9), None, "about somebody else");
    assert_eq!(heard(4, peer_port), Some(Error::MessageTooLong));
    assert_eq!(heard(13, peer_port), Some(Error::HostUnreachable));
    socket.update_options(&mut |options| options.receive_errors = true);
    assert_eq!(heard(0, peer_port), Some(Error::NetworkUnreachable));
    assert_eq!(heard(1, peer_port), Some(Error::HostUnreachable));
    assert_eq!(heard(1, 9), None, "about somebody else");
}

#[test]
fn broadcasts_need_permission() {
    let pair = pair();
    let (server, port) = udp(&pair.right, Ipv4Addr::UNSPECIFIED);
    let client = pair.left.socket(Kind::Udp).unwrap();
    let everyone = at(Ipv4Addr::new(10, 0, 0, 255), port);
    assert_eq!(
        send_to(&*client, &everyone, b"all"),
        Err(Error::AccessDenied)
    );
    client.update_options(&mut |options| options.broadcast = true);
    for to in [everyone, at(Ipv4Addr::BROADCAST, port)] {
        send_to(&*client, &to, b"all").unwrap();
        assert_eq!(receive(&*server, &mut [0; 9]).unwrap().length, 3);
    }
}

#[test]
fn a_silent_neighbour_is_given_up() {
    let pair = pair();
    let client = pair.left.socket(Kind::Udp).unwrap();
    client
        .connect(Some(&at(Ipv4Addr::new(10, 0, 0, 77), 7)))
        .unwrap();
    send_all(&*client, b"nobody").unwrap();
    eventually("given up", || {
        client.take_error() == Some(Error::HostUnreachable)
    });
    assert!(client.readiness().ready().contains(Ready::WRITE));
}

fn echo_request(length: usize) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend((0..length).map(|byte| byte as u8));
    let sum = message.chunks(2).fold(0u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(folded as u16 + (folded >> 16) as u16);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

#[test]
fn ping_sockets_hear_their_echo() {
    let pair = pair();
    for ip in [RIGHT, LEFT, Ipv4Addr::LOCALHOST] {
        let socket = pair.left.socket(Kind::Ping).unwrap();
        send_to(&*socket, &at(ip, 0), &echo_request(56)).unwrap();
        let mut buffer = [0; 200];
        let received = receive(&*socket, &mut buffer).unwrap();
        assert_eq!(received.length, 64, "{ip}");
        assert_eq!(buffer[0], 0, "an echo reply");
        assert_eq!(received.from, Some(at(ip, 0)));
    }
}

#[test]
fn raw_sockets_see_the_whole_packet() {
    let pair = pair();
    for ip in [RIGHT, Ipv4Addr::LOCALHOST] {
        let socket = pair.left.socket(Kind::Raw(1)).unwrap();
        send_to(
            &*socket,
            &Address::Inet(std::net::SocketAddrV4::new(ip, 0)),
            &echo_request(56),
        )
        .unwrap();
        let mut buffer = [0; 200];
        loop {
            let received = receive(&*socket, &mut buffer).unwrap();
            assert_eq!(
                (received.length, buffer[0], buffer[9]),
                (84, 0x45, 1),
                "{ip}"
            );
            // Over loopback the request itself arrives too.
            if buffer[20] == 0 {
                assert_eq!(
                    &buffer[24..26],
                    &[0x12, 0x34],
                    "the identifier is the sender's own"
                );
                break;
            }
        }
    }
    assert!(pair.left.socket(Kind::Raw(6)).is_err());
}

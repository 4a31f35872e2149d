//! TCP between two machines, and over loopback.

mod common;

use common::*;
use net::{Error, Kind, Message, Ready, Shutdown, Socket};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Sends `length` bytes both ways at once and checks what arrives.
fn exchange(server: &dyn Socket, client: &dyn Socket, length: usize) {
    let data = Random(99).bytes(length);
    thread::scope(|scope| {
        for (from, to) in [(server, client), (client, server)] {
            let data = &data;
            scope.spawn(move || {
                send_all(from, data).unwrap();
                from.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(move || assert!(read_to_end(to).unwrap() == *data, "bytes differ"));
        }
    });
}

#[test]
fn bytes_cross_the_wire_both_ways() {
    let pair = pair();
    let (listener, port) = listen(&pair.right, Ipv4Addr::UNSPECIFIED, 5);
    let client = pair.left.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(RIGHT, port)).unwrap();
    let server = accept(&*listener);
    assert_eq!(server.peer_address().unwrap(), client.local_address());
    exchange(&*server, &*client, 300_000);
}

#[test]
fn loss_and_corruption_are_repaired() {
    let pair = pair();
    let (listener, port) = listen(&pair.right, RIGHT, 5);
    let client = pair.left.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(RIGHT, port)).unwrap();
    let server = accept(&*listener);
    pair.trouble.loss.store(3, Ordering::Relaxed);
    pair.trouble.garble.store(3, Ordering::Relaxed);
    exchange(&*server, &*client, 40_000);
}

#[test]
fn loopback_connects_at_once_on_any_local_address() {
    let pair = pair();
    let (listener, port) = listen(&pair.left, Ipv4Addr::UNSPECIFIED, 5);
    for ip in [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(127, 9, 9, 9),
        LEFT,
        Ipv4Addr::UNSPECIFIED,
    ] {
        let client = pair.left.socket(Kind::Tcp).unwrap();
        assert_eq!(
            client.connect(Some(&at(ip, port))),
            Ok(net::Progress::Done),
            "{ip}"
        );
        let server = accept(&*listener);
        exchange(&*server, &*client, 200_000);
    }
}

#[test]
fn nobody_listens() {
    let pair = pair();
    let client = pair.left.socket(Kind::Tcp).unwrap();
    assert_eq!(
        connect(&*client, &at(RIGHT, 9)),
        Err(Error::ConnectionRefused)
    );
    assert_eq!(
        connect(&*client, &at(Ipv4Addr::LOCALHOST, 9)),
        Err(Error::ConnectionRefused)
    );
    assert_eq!(
        connect(&*client, &at(Ipv4Addr::new(8, 8, 8, 8), 9)),
        Err(Error::NetworkUnreachable)
    );
}

#[test]
fn a_full_backlog_lets_clients_wait() {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 2);
    let clients: Vec<_> = (0..5).map(|_| network.socket(Kind::Tcp).unwrap()).collect();
    let outcomes: Vec<_> = clients
        .iter()
        .map(|client| client.connect(Some(&at(Ipv4Addr::LOCALHOST, port))))
        .collect();
    let done = outcomes
        .iter()
        .filter(|outcome| **outcome == Ok(net::Progress::Done))
        .count();
    assert_eq!(done, 3, "one more than the backlog");
    // As the server takes them, the clients' repeated SYNs get through.
    let servers: Vec<_> = (0..5).map(|_| accept(&*listener)).collect();
    for client in &clients {
        eventually("connected", || client.peer_address().is_ok());
    }
    drop(servers);
}

#[test]
fn many_connections_at_once() {
    let pair = pair();
    let (listener, port) = listen(&pair.right, RIGHT, 64);
    thread::scope(|scope| {
        for number in 0..50u8 {
            let left = &pair.left;
            scope.spawn(move || {
                let client = left.socket(Kind::Tcp).unwrap();
                connect(&*client, &at(RIGHT, port)).unwrap();
                send_all(&*client, &[number; 3000]).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(read_to_end(&*client).unwrap(), [number; 3000]);
            });
        }
        for _ in 0..50 {
            let server = accept(&*listener);
            scope.spawn(move || {
                let data = read_to_end(&*server).unwrap();
                send_all(&*server, &data).unwrap();
            });
        }
    });
}

#[test]
fn half_close_leaves_the_other_half() {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
    let client = network.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = accept(&*listener);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(send_all(&*client, b"x"), Err(Error::BrokenPipe));
    assert_eq!(read_to_end(&*server).unwrap(), b"");
    assert!(
        server
            .readiness()
            .ready()
            .contains(Ready::READ_HANG_UP | Ready::WRITE)
    );
    assert!(!server.readiness().ready().contains(Ready::HANG_UP));
    send_all(&*server, b"still here").unwrap();
    drop(server);
    assert_eq!(read_to_end(&*client).unwrap(), b"still here");
    assert!(client.readiness().ready().contains(Ready::HANG_UP));
}

#[test]
fn closing_both_halves_is_no_error() {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
    let client = network.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = accept(&*listener);
    for end in [&server, &client] {
        end.shutdown(Shutdown::Write).unwrap();
    }
    for end in [&server, &client] {
        assert_eq!(end.take_error(), None);
        assert!(end.readiness().ready().contains(Ready::HANG_UP));
        assert_eq!(receive(&**end, &mut [0; 4]).unwrap().length, 0);
    }
}

#[test]
fn unread_data_and_linger_zero_reset_the_peer() {
    for linger in [false, true] {
        let network = lonely();
        let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
        let client = network.socket(Kind::Tcp).unwrap();
        connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
        let server = accept(&*listener);
        if linger {
            server.update_options(&mut |options| options.linger_s = Some(0));
        } else {
            send_all(&*client, b"never read").unwrap();
        }
        drop(server);
        assert!(client.readiness().ready().contains(Ready::ERROR));
        let mut buffer = [0; 8];
        let error = receive(&*client, &mut buffer).map(|received| received.length);
        assert_eq!(error, Err(Error::ConnectionReset), "linger {linger}");
        assert_eq!(send_all(&*client, b"x"), Err(Error::BrokenPipe));
        assert_eq!(receive(&*client, &mut buffer).unwrap().length, 0);
    }
}

#[test]
fn data_sent_before_the_close_is_read_after_it() {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
    let client = network.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    send_all(&*client, b"parting words").unwrap();
    drop(client);
    let server = accept(&*listener);
    let mut peeked = [0; 7];
    let mut sink: &mut [u8] = &mut peeked;
    assert_eq!(server.receive(&mut sink, true).unwrap().length, 7);
    assert_eq!(&peeked, b"parting");
    assert_eq!(read_to_end(&*server).unwrap(), b"parting words");
}

#[test]
fn ports_come_back_and_closed_listeners_refuse() {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
    let other = network.socket(Kind::Tcp).unwrap();
    assert_eq!(
        other.bind(&at(Ipv4Addr::UNSPECIFIED, port)),
        Err(Error::AddressInUse)
    );
    assert_eq!(other.bind(&at(LEFT, port)), Err(Error::AddressNotAvailable));
    let waiting = network.socket(Kind::Tcp).unwrap();
    connect(&*waiting, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    drop(listener);
    let mut buffer = [0; 8];
    let reset = receive(&*waiting, &mut buffer).map(|received| received.length);
    assert_eq!(reset, Err(Error::ConnectionReset));
    let late = network.socket(Kind::Tcp).unwrap();
    assert_eq!(
        connect(&*late, &at(Ipv4Addr::LOCALHOST, port)),
        Err(Error::ConnectionRefused)
    );
    other.bind(&at(Ipv4Addr::LOCALHOST, port)).unwrap();
}

#[test]
fn a_full_peer_stops_the_sender_until_it_reads() {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
    let client = network.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = accept(&*listener);
    let block = vec![7; 100_000];
    let mut sent = 0;
    eventually("both buffers are full", || {
        sent += client
            .send(&mut &block[..], Message::default())
            .unwrap_or(0);
        sent >= 2 * 64 * 1024
    });
    assert_eq!(
        client.send(&mut &block[..], Message::default()),
        Err(Error::WouldBlock)
    );
    assert!(!client.readiness().ready().contains(Ready::WRITE));
    thread::scope(|scope| {
        scope.spawn(|| {
            send_all(&*client, &block).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(read_to_end(&*server).unwrap().len(), sent + block.len());
    });
}

/// A client and its server on one machine.
fn local_pair() -> (Arc<net::Network>, Arc<dyn Socket>, Arc<dyn Socket>) {
    let network = lonely();
    let (listener, port) = listen(&network, Ipv4Addr::LOCALHOST, 1);
    let client = network.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = accept(&*listener);
    (network, client, server)
}

#[test]
fn local_bytes_need_no_packets() {
    let (network, client, server) = local_pair();
    let packets = || network.interfaces()[0].traffic().sent_packets;
    let before = packets();
    send_all(&*client, &[7; 100_000]).unwrap();
    assert_eq!(packets() - before, 1, "a send counts as one");
    assert_eq!(server.receivable(), 100_000);
    assert_eq!(
        receive(&*server, &mut [0; 200_000]).unwrap().length,
        100_000
    );
}

#[test]
fn a_closed_peer_breaks_the_pipe_for_writers_alone() {
    let (_network, client, server) = local_pair();
    drop(server);
    send_all(&*client, b"answered by a reset").unwrap();
    let ready = client.readiness().ready();
    assert!(ready.contains(Ready::ERROR | Ready::HANG_UP | Ready::READ));
    assert_eq!(receive(&*client, &mut [0; 4]).unwrap().length, 0);
    assert_eq!(send_all(&*client, b"x"), Err(Error::BrokenPipe));
}

#[test]
fn what_came_before_a_reset_is_read_before_it_is_told() {
    let (_network, client, server) = local_pair();
    send_all(&*client, b"first").unwrap();
    client.update_options(&mut |options| options.linger_s = Some(0));
    drop(client);
    let mut buffer = [0; 8];
    assert_eq!(receive(&*server, &mut buffer).unwrap().length, 5);
    let end = receive(&*server, &mut buffer).map(|received| received.length);
    assert_eq!(end, Err(Error::ConnectionReset));
}

#[test]
fn a_socket_connected_to_itself_hears_itself() {
    let network = lonely();
    let socket = network.socket(Kind::Tcp).unwrap();
    socket.bind(&at(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let itself = socket.local_address();
    connect(&*socket, &itself).unwrap();
    send_all(&*socket, b"echo").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(receive(&*socket, &mut buffer).unwrap().length, 4);
    assert_eq!(&buffer[..4], b"echo");
}

/// Has somebody else lock the stack as soon as it is told, and waits until that is done.
struct Asks {
    network: Arc<net::Network>,
    told: AtomicBool,
    answered: AtomicBool,
}

impl smp::Observer for Asks {
    fn notify(&self, _events: u32) {
        let (network, (answer, answered)) = (self.network.clone(), mpsc::channel());
        thread::spawn(move || answer.send(network.interfaces()[0].traffic()));
        // While the teller holds the stack there is no answer at all.
        let answered = answered.recv_timeout(Duration::from_secs(10));
        self.answered.fetch_and(answered.is_ok(), Ordering::Relaxed);
        self.told.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readiness_is_told_when_the_stack_is_unlocked() {
    let pair = pair();
    let (listener, port) = listen(&pair.left, Ipv4Addr::UNSPECIFIED, 5);
    let client = pair.left.socket(Kind::Tcp).unwrap();
    connect(&*client, &at(Ipv4Addr::LOCALHOST, port)).unwrap();
    let server = accept(&*listener);
    let asks = Arc::new(Asks {
        network: pair.left.clone(),
        told: AtomicBool::new(false),
        answered: AtomicBool::new(true),
    });
    server.readiness().observers.add(asks.clone());
    send_all(&*client, b"hello").unwrap();
    assert!(asks.told.load(Ordering::Relaxed));
    assert!(asks.answered.load(Ordering::Relaxed), "told under the lock");
}

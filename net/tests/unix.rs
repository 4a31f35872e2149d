//! UNIX-domain sockets.

mod common;

use common::*;
use net::unix::{Names, UnixSocket};
use net::{
    Address, Ancillary, Credentials, Error, Kind, Message, Ready, Shutdown, Socket, UnixAddress,
};
use std::sync::{Arc, Weak};
use std::thread;

const ME: Credentials = Credentials {
    process: 42,
    user: 1000,
    group: 100,
};

fn name(text: &str) -> Address {
    Address::Unix(UnixAddress::Abstract(text.as_bytes().to_vec()))
}

fn new(names: &Arc<Names>, kind: Kind) -> Arc<UnixSocket> {
    UnixSocket::new(names.clone(), kind, ME)
}

fn pair(kind: Kind) -> (Arc<UnixSocket>, Arc<UnixSocket>) {
    UnixSocket::pair(&Arc::new(Names::new()), kind, ME)
}

#[test]
fn streams_carry_bytes_both_ways_with_threads() {
    let (one, other) = pair(Kind::UnixStream);
    let data = Random(5).bytes(1_000_000);
    thread::scope(|scope| {
        for (from, to) in [(&one, &other), (&other, &one)] {
            let data = &data;
            scope.spawn(move || {
                for piece in data.chunks(777) {
                    send_all(&**from, piece).unwrap();
                }
                from.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(move || assert!(read_to_end(&**to).unwrap() == *data, "bytes differ"));
        }
    });
    assert!(one.readiness().ready().contains(Ready::HANG_UP));
}

#[test]
fn named_streams_connect_and_know_their_peer() {
    let names = Arc::new(Names::new());
    let listener = new(&names, Kind::UnixStream);
    assert_eq!(listener.listen(1), Err(Error::InvalidArgument), "not bound");
    listener.bind(&name("server")).unwrap();
    listener.listen(1).unwrap();
    let other = new(&names, Kind::UnixStream);
    assert_eq!(other.bind(&name("server")), Err(Error::AddressInUse));
    let client = UnixSocket::new(
        names.clone(),
        Kind::UnixStream,
        Credentials {
            process: 7,
            user: 8,
            group: 9,
        },
    );
    client.connect(Some(&name("server"))).unwrap();
    send_all(&*client, b"early").unwrap();
    let server = accept(&*listener);
    assert_eq!(server.peer_credentials().unwrap().process, 7);
    assert_eq!(client.peer_credentials().unwrap(), ME);
    assert_eq!(client.peer_address().unwrap(), name("server"));
    let mut buffer = [0; 9];
    assert_eq!(receive(&*server, &mut buffer).unwrap().length, 5);
    drop(listener);
    assert_eq!(
        connect(&*new(&names, Kind::UnixStream), &name("server")),
        Err(Error::ConnectionRefused)
    );
    send_all(&*server, b"still connected").unwrap();
}

#[test]
fn a_full_backlog_makes_clients_wait() {
    let names = Arc::new(Names::new());
    let listener = new(&names, Kind::UnixStream);
    listener.bind(&name("busy")).unwrap();
    listener.listen(0).unwrap();
    let first = new(&names, Kind::UnixStream);
    connect(&*first, &name("busy")).unwrap();
    let second = new(&names, Kind::UnixStream);
    assert_eq!(second.connect(Some(&name("busy"))), Err(Error::WouldBlock));
    thread::scope(|scope| {
        scope.spawn(|| connect(&*second, &name("busy")).unwrap());
        drop(accept(&*listener));
        drop(accept(&*listener));
    });
}

#[test]
fn closing_one_end_is_seen_at_the_other() {
    let (one, other) = pair(Kind::UnixStream);
    send_all(&*one, b"last").unwrap();
    drop(one);
    assert!(
        other
            .readiness()
            .ready()
            .contains(Ready::READ | Ready::HANG_UP)
    );
    assert_eq!(read_to_end(&*other).unwrap(), b"last");
    assert_eq!(send_all(&*other, b"x"), Err(Error::BrokenPipe));

    let (one, other) = pair(Kind::UnixStream);
    send_all(&*other, b"unread").unwrap();
    drop(one);
    let reset = receive(&*other, &mut [0; 4]).map(|received| received.length);
    assert_eq!(reset, Err(Error::ConnectionReset));
}

#[test]
fn messages_keep_their_boundaries() {
    for kind in [Kind::UnixDatagram, Kind::UnixSequencedPacket] {
        let (one, other) = pair(kind);
        for message in [&b"one"[..], b"", b"three"] {
            one.send(&mut &message[..], Message::default()).unwrap();
        }
        let mut buffer = [0; 4];
        let lengths: Vec<_> = (0..3)
            .map(|_| {
                receive(&*other, &mut buffer)
                    .map(|r| (r.length, r.full_length))
                    .unwrap()
            })
            .collect();
        assert_eq!(lengths, [(3, 3), (0, 0), (4, 5)], "{kind:?}");
    }
}

#[test]
fn a_sender_waits_for_room_and_goes_on() {
    for kind in [
        Kind::UnixDatagram,
        Kind::UnixSequencedPacket,
        Kind::UnixStream,
    ] {
        let (one, other) = pair(kind);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..300u32 {
                    let message = vec![number as u8; 10_000 + number as usize];
                    send_all(&*one, &message).unwrap();
                }
                one.shutdown(Shutdown::Write).unwrap();
            });
            let mut buffer = vec![0; 20_000];
            let mut total = 0;
            while total < 300 * 10_000 + 300 * 299 / 2 {
                total += receive(&*other, &mut buffer).unwrap().length;
            }
        });
    }
}

#[test]
fn unconnected_datagrams_find_their_way_and_wait() {
    let names = Arc::new(Names::new());
    let server = new(&names, Kind::UnixDatagram);
    server.bind(&name("sink")).unwrap();
    let client = new(&names, Kind::UnixDatagram);
    client.bind(&Address::Unix(UnixAddress::Unnamed)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                send_to(&*client, &name("sink"), &[1; 30_000]).unwrap();
            }
        });
        let mut buffer = vec![0; 40_000];
        for _ in 0..100 {
            let received = receive(&*server, &mut buffer).unwrap();
            assert_eq!(received.length, 30_000);
            assert_eq!(received.from, Some(client.local_address()));
        }
    });
    assert_eq!(
        send_to(&*client, &name("nobody"), b"x"),
        Err(Error::ConnectionRefused)
    );
    let huge = vec![0; 300_000];
    assert_eq!(
        send_to(&*client, &name("sink"), &huge),
        Err(Error::MessageTooLong)
    );
}

#[test]
fn rights_travel_with_their_byte_and_die_with_the_queue() {
    let (one, other) = pair(Kind::UnixStream);
    let file = Arc::new(5u32);
    let send = |text: &[u8], rights: Vec<net::Right>| {
        let ancillary = Ancillary {
            rights,
            credentials: None,
        };
        one.send(
            &mut &text[..],
            Message {
                to: None,
                ancillary,
            },
        )
        .unwrap()
    };
    send(b"before", vec![]);
    send(b"with", vec![file.clone()]);
    send(b"after", vec![]);
    let mut buffer = [0; 64];
    let first = receive(&*other, &mut buffer).unwrap();
    assert_eq!((first.length, first.ancillary.rights.len()), (6, 0));
    let second = receive(&*other, &mut buffer).unwrap();
    assert_eq!((second.length, second.ancillary.rights.len()), (9, 1));
    let right = second.ancillary.rights.into_iter().next().unwrap();
    assert!(Arc::ptr_eq(&right.downcast::<u32>().unwrap(), &file));

    send(b"lost", vec![file.clone()]);
    let weak: Weak<u32> = Arc::downgrade(&file);
    drop(file);
    assert!(weak.upgrade().is_some(), "in flight");
    drop(other);
    assert!(weak.upgrade().is_none(), "dropped with the queue");
}

#[test]
fn credentials_come_when_asked_for() {
    let (one, other) = pair(Kind::UnixSequencedPacket);
    send_all(&*one, b"a").unwrap();
    assert_eq!(
        receive(&*other, &mut [0; 4]).unwrap().ancillary.credentials,
        None
    );
    other.update_options(&mut |options| options.pass_credentials = true);
    send_all(&*one, b"b").unwrap();
    assert_eq!(
        receive(&*other, &mut [0; 4]).unwrap().ancillary.credentials,
        Some(ME)
    );
}

/// Room for bytes, which lets the other end `send` while it is being filled, and may fault.
struct Busy<'a> {
    bytes: Vec<u8>,
    room: usize,
    send: &'a dyn Fn(),
    faults: bool,
}

impl net::ByteSink for Busy<'_> {
    fn remaining(&self) -> usize {
        self.room - self.bytes.len()
    }

    fn put(&mut self, data: &[u8]) -> Result<usize, net::Faulted> {
        (self.send)();
        if self.faults {
            return Err(net::Faulted);
        }
        let count = data.len().min(self.remaining());
        self.bytes.extend_from_slice(&data[..count]);
        Ok(count)
    }
}

#[test]
fn a_stream_keeps_its_order_while_a_receiver_has_its_bytes() {
    let (one, other) = pair(Kind::UnixStream);
    let send = || send_all(&*one, b"ab").unwrap();
    let receive = |room, peek, faults| {
        let bytes = Vec::new();
        let mut sink = Busy {
            bytes,
            room,
            send: &send,
            faults,
        };
        let outcome = other
            .receive(&mut sink, peek)
            .map(|received| received.length);
        (outcome, String::from_utf8(sink.bytes).unwrap())
    };
    send_all(&*one, b"first").unwrap();
    assert_eq!(receive(9, true, false), (Ok(5), "first".into()), "a peek");
    assert_eq!(other.receivable(), 7);
    assert_eq!(receive(9, false, true), (Err(Error::Fault), String::new()));
    assert_eq!(receive(3, false, false), (Ok(3), "fir".into()), "a part");
    assert_eq!(other.receivable(), 8);
    let rest = String::from("stababababab");
    assert_eq!(
        receive(12, false, false).1,
        rest,
        "in order, and what came meanwhile"
    );
}

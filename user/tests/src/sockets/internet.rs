//! TCP and UDP over loopback.

use crate::harness::{Outcome, Test, child, succeeds};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("tcp.echo", tcp_echo),
    ("tcp.megabytes", tcp_megabytes),
    ("tcp.half_close", tcp_half_close),
    ("tcp.closed_peer", tcp_closed_peer),
    ("tcp.refused", tcp_refused),
    ("tcp.many_at_once", tcp_many_at_once),
    ("tcp.read_times_out", tcp_read_times_out),
    ("tcp.poll_listener", tcp_poll_listener),
    ("tcp.addresses_and_options", tcp_addresses_and_options),
    ("tcp.address_in_use", tcp_address_in_use),
    ("udp.datagrams", udp_datagrams),
];

fn listener() -> std::io::Result<(TcpListener, std::net::SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves one connection at a time, sending everything back, until it is killed.
fn echo_server(listener: &TcpListener) -> i32 {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let (mut stream, mut buffer) = (stream, [0; 4_096]);
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
        });
    }
    0
}

/// The body with an echo server beside it.
fn with_echo(body: impl FnOnce(std::net::SocketAddr) -> Outcome) -> Outcome {
    let (listener, address) = listener()?;
    let server = child(|| echo_server(&listener))?;
    drop(listener);
    let outcome = body(address);
    nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGKILL)?;
    nix::sys::wait::waitpid(server, None)?;
    outcome
}

fn tcp_echo() -> Outcome {
    with_echo(|address| {
        for round in 0..20_u8 {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(&[round; 100])?;
            let mut back = [0; 100];
            stream.read_exact(&mut back)?;
            ensure!(back == [round; 100]);
        }
        Ok(())
    })
}

fn tcp_megabytes() -> Outcome {
    with_echo(|address| {
        const SIZE: usize = 2 << 20;
        let stream = TcpStream::connect(address)?;
        let mut writer = stream.try_clone()?;
        let sender = std::thread::spawn(move || {
            let bytes: Vec<u8> = (0..SIZE).map(|index| (index % 253) as u8).collect();
            writer
                .write_all(&bytes)
                .and_then(|()| writer.shutdown(Shutdown::Write))
                .is_ok()
        });
        let mut bytes = Vec::new();
        (&stream).read_to_end(&mut bytes)?;
        ensure_eq!(bytes.len(), SIZE);
        ensure!(
            bytes
                .iter()
                .enumerate()
                .all(|(index, &byte)| byte == (index % 253) as u8)
        );
        ensure!(sender.join().unwrap_or(false));
        Ok(())
    })
}

fn tcp_half_close() -> Outcome {
    let (listener, address) = listener()?;
    let client = child(|| {
        let Ok(mut stream) = TcpStream::connect(address) else {
            return 1;
        };
        let mut text = String::new();
        let fine = stream.write_all(b"question").is_ok()
            && stream.shutdown(Shutdown::Write).is_ok()
            && stream.read_to_string(&mut text).is_ok();
        i32::from(!fine || text != "answer")
    })?;
    let (mut stream, _) = listener.accept()?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure_eq!(text, "question");
    stream.write_all(b"answer")?;
    drop(stream);
    succeeds(client)
}

/// What is sent to a peer that has closed is answered by a reset, which breaks the pipe for the next
/// write; for readers the stream has ended, no more.
fn tcp_closed_peer() -> Outcome {
    let (listener, address) = listener()?;
    let mut client = TcpStream::connect(address)?;
    drop(listener.accept()?);
    ensure_eq!(client.write(b"first")?, 5);
    let mut polled = [PollFd::new(client.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::NONE)?;
    let seen = polled[0].revents();
    let broken = PollFlags::POLLIN | PollFlags::POLLERR | PollFlags::POLLHUP;
    ensure_eq!(seen, Some(broken));
    ensure_eq!(client.read(&mut [0])?, 0);
    let error = client
        .write(b"second")
        .map_err(|error| error.raw_os_error());
    ensure_eq!(error, Err(Some(libc::EPIPE)));
    Ok(())
}

fn tcp_refused() -> Outcome {
    let (listener, address) = listener()?;
    drop(listener);
    let refused = TcpStream::connect(address)
        .map(drop)
        .map_err(|error| error.kind());
    ensure_eq!(refused, Err(std::io::ErrorKind::ConnectionRefused));
    Ok(())
}

fn tcp_many_at_once() -> Outcome {
    with_echo(|address| {
        let talk = move |number: u8| -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(address)?;
            let mut back = [0; 50];
            for _ in 0..10 {
                stream.write_all(&[number; 50])?;
                stream.read_exact(&mut back)?;
            }
            Ok(back == [number; 50])
        };
        let clients: Vec<_> = (0..20)
            .map(|number| std::thread::spawn(move || talk(number)))
            .collect();
        for client in clients {
            ensure!(client.join().map_err(|_| "a client panicked")??);
        }
        Ok(())
    })
}

fn tcp_read_times_out() -> Outcome {
    let (listener, address) = listener()?;
    let mut stream = TcpStream::connect(address)?;
    let _other = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let outcome = stream.read(&mut [0]).map_err(|error| error.raw_os_error());
    ensure_eq!(outcome, Err(Some(libc::EAGAIN)));
    stream.set_nonblocking(true)?;
    ensure_eq!(
        stream.read(&mut [0]).map_err(|error| error.raw_os_error()),
        Err(Some(libc::EAGAIN))
    );
    Ok(())
}

fn tcp_poll_listener() -> Outcome {
    let (listener, address) = listener()?;
    ensure_eq!(
        poll(
            &mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)],
            0_u8
        )?,
        0
    );
    let client = child(|| i32::from(TcpStream::connect(address).is_err()))?;
    ensure_eq!(
        poll(
            &mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)],
            PollTimeout::NONE
        )?,
        1
    );
    let (stream, _) = listener.accept()?;
    succeeds(client)?;
    // The client is gone: that is readable too, as the end.
    let mut one = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    ensure_eq!(poll(&mut one, PollTimeout::NONE)?, 1);
    Ok(())
}

fn tcp_addresses_and_options() -> Outcome {
    let (listener, address) = listener()?;
    let stream = TcpStream::connect(address)?;
    let (other, peer) = listener.accept()?;
    ensure_eq!(stream.peer_addr()?, address);
    ensure_eq!(stream.local_addr()?, peer);
    ensure_eq!(other.peer_addr()?, peer);
    stream.set_nodelay(true)?;
    ensure!(stream.nodelay()?);
    ensure!(stream.take_error()?.is_none());
    Ok(())
}

fn tcp_address_in_use() -> Outcome {
    let (_listener, address) = listener()?;
    let again = TcpListener::bind(address)
        .map(drop)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(again, Err(Some(Errno::EADDRINUSE as i32)));
    Ok(())
}

fn udp_datagrams() -> Outcome {
    let (here, there) = (
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
    );
    here.send_to(b"ping", there.local_addr()?)?;
    let mut buffer = [0; 100];
    let (count, from) = there.recv_from(&mut buffer)?;
    ensure_eq!((count, from), (4, here.local_addr()?));
    there.connect(from)?;
    there.send(b"pong!")?;
    ensure_eq!(here.recv(&mut buffer)?, 5);
    Ok(())
}

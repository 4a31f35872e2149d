//! One byte to another process and back: pipes, UNIX sockets, TCP over the loopback.

use super::{Row, row};
use crate::cpus::{self, Sides};
use crate::loopback;
use crate::measure::{Outcome, Plan, Trouble, one};
use crate::peer::Peer;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

pub const ROWS: &[Row] = &[
    row(
        "pipe-same",
        "pipe round trip, two processes on one CPU",
        |plan| round_trips(plan, cpus::same()?, pipes()?),
    ),
    row(
        "pipe-cross",
        "pipe round trip, two processes on two CPUs",
        |plan| round_trips(plan, cpus::across()?, pipes()?),
    ),
    row(
        "socketpair-same",
        "UNIX socket round trip, one CPU",
        |plan| round_trips(plan, cpus::same()?, unix_sockets()?),
    ),
    row(
        "socketpair-cross",
        "UNIX socket round trip, two CPUs",
        |plan| round_trips(plan, cpus::across()?, unix_sockets()?),
    ),
    row("tcp-same", "TCP loopback round trip, one CPU", |plan| {
        round_trips(plan, cpus::same()?, tcp_sockets()?)
    }),
    row("tcp-cross", "TCP loopback round trip, two CPUs", |plan| {
        round_trips(plan, cpus::across()?, tcp_sockets()?)
    }),
];

/// One side's way in and way out.
struct End {
    input: File,
    output: File,
}

fn round_trips(plan: Plan, sides: Sides, (mut here, mut there): (End, End)) -> Outcome {
    let peer = Peer::start(|| {
        let mut byte = [0];
        if cpus::pin(sides.there).is_ok() {
            while there.input.read_exact(&mut byte).is_ok() && there.output.write_all(&byte).is_ok()
            {
            }
        }
    })?;
    drop(there);
    cpus::pin(sides.here)?;
    let mut byte = [0];
    let mut broken = None;
    let samples = plan.each(200, || {
        let trip = here
            .output
            .write_all(&byte)
            .and_then(|()| here.input.read_exact(&mut byte));
        broken = broken.take().or(trip.err());
    });
    drop(peer);
    match broken {
        Some(error) => Err(error.into()),
        None => one(samples),
    }
}

fn pipes() -> Result<(End, End), Trouble> {
    let (to_there, from_here) = nix::unistd::pipe()?;
    let (to_here, from_there) = nix::unistd::pipe()?;
    Ok((end(to_here, from_here), end(to_there, from_there)))
}

fn unix_sockets() -> Result<(End, End), Trouble> {
    let (here, there) = UnixStream::pair()?;
    Ok((both_ways(here)?, both_ways(there)?))
}

fn tcp_sockets() -> Result<(End, End), Trouble> {
    let (here, there) = loopback::connection()?;
    Ok((both_ways(here)?, both_ways(there)?))
}

fn both_ways(socket: impl Into<OwnedFd>) -> Result<End, Trouble> {
    let socket = socket.into();
    Ok(end(socket.try_clone()?, socket))
}

fn end(input: OwnedFd, output: OwnedFd) -> End {
    End {
        input: input.into(),
        output: output.into(),
    }
}

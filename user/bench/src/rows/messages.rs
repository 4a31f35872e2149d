//! hackbench-like: in each group senders write to receivers, each sender to all of them in
//! turn. The figure is the time from the starting shot to the end.

use super::{Row, row};
use crate::clock;
use crate::measure::{Trouble, one};
use crate::peer::Peer;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

pub const ROWS: &[Row] = &[
    row(
        "messages-pipe",
        "hackbench-like: processes and pipes, for each message",
        |plan| one(plan.try_batches(GROUP.messages(), || processes(GROUP, pipe))?),
    ),
    row("messages-socket", "the same with UNIX sockets", |plan| {
        one(plan.try_batches(GROUP.messages(), || processes(GROUP, socket))?)
    }),
    row(
        "messages-threads",
        "the same with threads and pipes",
        |plan| one(plan.try_batches(GROUP.messages(), || threads(GROUP, pipe))?),
    ),
    row(
        "messages-200",
        "five groups of twenty senders and receivers, the whole run",
        |plan| one(plan.try_batches(1, || threads(FIVE_GROUPS, pipe))?),
    ),
];

/// As many senders as receivers on each side of every group.
#[derive(Clone, Copy)]
struct Shape {
    groups: usize,
    sides: usize,
    rounds: usize,
}

const GROUP: Shape = Shape {
    groups: 1,
    sides: 10,
    rounds: 20,
};
const FIVE_GROUPS: Shape = Shape {
    groups: 5,
    sides: 20,
    rounds: 5,
};
const BYTES: usize = 100;

impl Shape {
    const fn messages(self) -> u32 {
        (self.groups * self.sides * self.sides * self.rounds) as u32
    }
}

type Channel = fn() -> Result<(File, File), Trouble>;

/// The ways in of the receivers, and the ways out to them.
struct Group {
    inputs: Vec<File>,
    outputs: Vec<File>,
}

fn groups(shape: Shape, channel: Channel) -> Result<Vec<Group>, Trouble> {
    let group = |_| {
        let channels = (0..shape.sides)
            .map(|_| channel())
            .collect::<Result<Vec<_>, _>>()?;
        let (inputs, outputs) = channels.into_iter().unzip();
        Ok(Group { inputs, outputs })
    };
    (0..shape.groups).map(group).collect()
}

fn processes(shape: Shape, channel: Channel) -> Result<u64, Trouble> {
    let groups = groups(shape, channel)?;
    let (shot_in, shot_out) = pipe()?;
    let mut peers = Vec::new();
    for group in &groups {
        for input in &group.inputs {
            peers.push(Peer::start(|| receive(input, shape))?);
        }
        for _ in 0..shape.sides {
            peers.push(Peer::start(|| send(&shot_in, &group.outputs, shape))?);
        }
    }
    let start = clock::now();
    shoot(&shot_out, shape)?;
    peers.into_iter().try_for_each(Peer::join)?;
    Ok(clock::now() - start)
}

/// The same in one process: the threads share the descriptors.
fn threads(shape: Shape, channel: Channel) -> Result<u64, Trouble> {
    let groups = groups(shape, channel)?;
    let (shot_in, shot_out) = pipe()?;
    let start = thread::scope(|scope| {
        let shot_in = &shot_in;
        for group in &groups {
            for input in &group.inputs {
                scope.spawn(move || receive(input, shape));
            }
            for _ in 0..shape.sides {
                scope.spawn(move || send(shot_in, &group.outputs, shape));
            }
        }
        let start = clock::now();
        shoot(&shot_out, shape).map(|()| start)
    })?;
    Ok(clock::now() - start)
}

/// A byte for each sender.
fn shoot(mut shot: &File, shape: Shape) -> Result<(), Trouble> {
    Ok(shot.write_all(&vec![0; shape.groups * shape.sides])?)
}

/// Takes its byte of the starting shot, and then writes to everyone in turn.
fn send(mut shot: &File, outputs: &[File], shape: Shape) {
    let message = [7; BYTES];
    if shot.read_exact(&mut [0]).is_err() {
        return;
    }
    for _ in 0..shape.rounds {
        for mut output in outputs {
            let _ = output.write_all(&message);
        }
    }
}

fn receive(mut input: &File, shape: Shape) {
    let mut message = [0; BYTES];
    for _ in 0..shape.sides * shape.rounds {
        let _ = input.read_exact(&mut message);
    }
}

fn pipe() -> Result<(File, File), Trouble> {
    let (input, output) = nix::unistd::pipe()?;
    Ok((input.into(), output.into()))
}

fn socket() -> Result<(File, File), Trouble> {
    let (input, output) = UnixStream::pair()?;
    Ok((OwnedFd::from(input).into(), OwnedFd::from(output).into()))
}

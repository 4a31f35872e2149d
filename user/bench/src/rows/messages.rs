//! hackbench-like: ten senders write to ten receivers, each sender to all of them in turn.
//! The figure is the time from the starting shot to the end, for each message.

use super::{Row, row};
use crate::clock;
use crate::measure::{Trouble, one};
use crate::peer::Peer;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

pub const ROWS: &[Row] = &[
    row(
        "messages-pipe",
        "hackbench-like: processes and pipes, for each message",
        |plan| one(plan.try_batches(MESSAGES, || processes(pipe))?),
    ),
    row("messages-socket", "the same with UNIX sockets", |plan| {
        one(plan.try_batches(MESSAGES, || processes(socket))?)
    }),
    row(
        "messages-threads",
        "the same with threads and pipes",
        |plan| one(plan.try_batches(MESSAGES, || threads(pipe))?),
    ),
];

const SIDES: u32 = 10;
const ROUNDS: u32 = 20;
const MESSAGES: u32 = SIDES * SIDES * ROUNDS;
const BYTES: usize = 100;

type Channel = fn() -> Result<(File, File), Trouble>;

fn processes(channel: Channel) -> Result<u64, Trouble> {
    let (inputs, outputs): (Vec<_>, Vec<_>) = several(channel)?.into_iter().unzip();
    let (shot_in, shot_out) = pipe()?;
    let receivers: Result<Vec<_>, _> = inputs
        .iter()
        .map(|input| Peer::start(|| receive(input)))
        .collect();
    let senders: Result<Vec<_>, _> = (0..SIDES)
        .map(|_| Peer::start(|| send(&shot_in, &outputs)))
        .collect();
    let (receivers, senders) = (receivers?, senders?);
    let start = clock::now();
    (&shot_out).write_all(&[0; SIDES as usize])?;
    for peer in senders.into_iter().chain(receivers) {
        peer.join()?;
    }
    Ok(clock::now() - start)
}

/// The same in one process: the threads share the descriptors.
fn threads(channel: Channel) -> Result<u64, Trouble> {
    let (inputs, outputs): (Vec<_>, Vec<_>) = several(channel)?.into_iter().unzip();
    let (shot_in, shot_out) = pipe()?;
    thread::scope(|scope| {
        let (shot_in, outputs) = (&shot_in, &outputs);
        for input in &inputs {
            scope.spawn(move || receive(input));
        }
        (0..SIDES).for_each(|_| drop(scope.spawn(move || send(shot_in, outputs))));
        let start = clock::now();
        (&shot_out).write_all(&[0; SIDES as usize])?;
        Ok::<_, Trouble>(start)
    })
    .map(|start| clock::now() - start)
}

fn several(channel: Channel) -> Result<Vec<(File, File)>, Trouble> {
    (0..SIDES).map(|_| channel()).collect()
}

/// Takes its byte of the starting shot, and then writes to everyone in turn.
fn send(mut shot: &File, outputs: &[File]) {
    let message = [7; BYTES];
    if shot.read_exact(&mut [0]).is_err() {
        return;
    }
    for _ in 0..ROUNDS {
        for mut output in outputs {
            let _ = output.write_all(&message);
        }
    }
}

fn receive(mut input: &File) {
    let mut message = [0; BYTES];
    for _ in 0..SIDES * ROUNDS {
        let _ = input.read_exact(&mut message);
    }
}

fn pipe() -> Result<(File, File), Trouble> {
    let (input, output) = nix::unistd::pipe()?;
    Ok((input.into(), output.into()))
}

fn socket() -> Result<(File, File), Trouble> {
    let (input, output) = UnixStream::pair()?;
    Ok((
        File::from(std::os::fd::OwnedFd::from(input)),
        File::from(std::os::fd::OwnedFd::from(output)),
    ))
}

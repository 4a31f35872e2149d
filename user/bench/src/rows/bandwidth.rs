//! How long a KiB takes through a pipe, a UNIX socket and TCP, in writes of 16 KiB.

use super::{Row, row};
use crate::measure::{Outcome, Plan, Trouble, one};
use crate::peer::Peer;
use crate::{clock, cpus, loopback};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

pub const ROWS: &[Row] = &[
    row(
        "bandwidth-pipe",
        "one KiB through a pipe, one CPU",
        |plan| {
            let (there, here) = nix::unistd::pipe()?;
            stream(plan, here, there)
        },
    ),
    row(
        "bandwidth-unix",
        "one KiB through a UNIX socket, one CPU",
        |plan| {
            let (here, there) = UnixStream::pair()?;
            stream(plan, here.into(), there.into())
        },
    ),
    row(
        "bandwidth-tcp",
        "one KiB through TCP over the loopback, one CPU",
        |plan| {
            let (here, there) = loopback::connection()?;
            stream(plan, here.into(), there.into())
        },
    ),
];

const CHUNK: usize = 16 << 10;
const KIB: u32 = 1 << 10;

/// The reader answers each MiB through a pipe of its own, so that all of it has arrived.
fn stream(plan: Plan, here: OwnedFd, there: OwnedFd) -> Outcome {
    cpus::stay()?;
    let (done, tell) = nix::unistd::pipe()?;
    let (mut done, mut here) = (File::from(done), File::from(here));
    let peer = Peer::start(|| drain(File::from(there), File::from(tell)))?;
    let samples = plan.try_batches(KIB, || send(&mut here, &mut done));
    drop(peer);
    one(samples?)
}

fn send(here: &mut File, done: &mut File) -> Result<u64, Trouble> {
    let chunk = [7; CHUNK];
    let start = clock::now();
    for _ in 0..(KIB as usize * 1024) / CHUNK {
        here.write_all(&chunk)?;
    }
    done.read_exact(&mut [0])?;
    Ok(clock::now() - start)
}

fn drain(mut input: File, mut tell: File) {
    let mut buffer = vec![0; CHUNK];
    let mut left = KIB as usize * 1024;
    while let Ok(count @ 1..) = input.read(&mut buffer) {
        left -= count.min(left);
        if left == 0 {
            left = KIB as usize * 1024;
            let _ = tell.write_all(&[1]);
        }
    }
}

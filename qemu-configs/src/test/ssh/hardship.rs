//! Programs that take all there is.

use super::{Outcome, System, Test, holds, runs_a_command};

pub const TESTS: &[Test] = &[
    ("outlives a program that eats memory", memory_eater),
    ("outlives a fork bomb", fork_bomb),
];

fn memory_eater(system: &mut System) -> Outcome {
    let status = system.output("tail /dev/zero >/dev/null")?.status;
    holds(!status.success(), "it found memory without end")?;
    runs_a_command(system)
}

fn fork_bomb(system: &mut System) -> Outcome {
    system
        .output("tests limit.fork_bomb")
        .and_then(|output| holds(output.status.success(), "the limit does not hold"))?;
    runs_a_command(system)
}

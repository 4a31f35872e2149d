//! Storms: many threads that disturb one another, with every checker fatal.

use super::report::Report;
use crate::chaos::{self, Options};
use std::process::Command;

/// A fixed seed: a failure here is not to be today's luck.
const SEED: u64 = 20_260;

/// The disturbed kernel is built here: only `make chaos` and this want it.
pub fn chaos(report: &mut Report) {
    report.test("the disturbed kernel builds", build);
    for cpus in [1, 4] {
        let options = Options {
            seconds: 20,
            seed: SEED,
            ..Options::default()
        };
        report.test(&format!("{cpus} CPUs, seed {SEED}"), || {
            chaos::run(cpus, &options).map(|_| ())
        });
    }
}

fn build() -> Result<(), String> {
    let mut make = Command::new("make");
    make.args(["--silent", "build/Image-chaos"]);
    match make.status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("make: {other:?}")),
    }
}

//! Storms: many threads that disturb one another, with every checker fatal.

use super::guest::{Guest, KERNEL, Variant};
use super::report::Report;
use crate::chaos::{self, Options};
use std::process::Command;

/// A fixed seed: a failure here is not to be today's luck.
const SEED: u64 = 20_260;

/// The kernel as it is, on a few CPUs and many.
pub fn all(report: &mut Report) {
    for cpus in [1, 4, 8] {
        report.test(
            &format!("{cpus} CPUs, 100,000 switches, seed {SEED}"),
            || storm(cpus).map(|_| ()),
        );
    }
}

fn storm(cpus: u32) -> Result<String, String> {
    let variant = Variant {
        kernel: KERNEL.into(),
        append: format!(
            "weft.check=panic -- /bin/stress --storm 64 --seed {SEED} --switches 100000"
        ),
        cpus: Some(cpus),
        ..Variant::default()
    };
    let mut guest = Guest::boot(&format!("storm-{cpus}"), "virt-4", variant)?;
    guest.wait_for_end()?;
    chaos::summary(&guest.serial, SEED)
}

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

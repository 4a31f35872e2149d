//! Storms: many threads that disturb one another, and programs that call the kernel at random, with
//! every checker fatal.

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

/// Random system calls, with memory to spare and without.
pub fn calls(report: &mut Report) {
    for machine in ["virt-4", "virt-4-small"] {
        report.test(
            &format!("{machine}, a minute of random calls, seed {SEED}"),
            || random_calls(machine),
        );
    }
}

fn random_calls(machine: &str) -> Result<(), String> {
    let variant = Variant {
        append: format!("weft.check=panic -- /bin/stress --calls 8 --seed {SEED} --secs 60"),
        ..Variant::default()
    };
    let mut guest = Guest::boot(&format!("calls-{machine}"), machine, variant)?;
    guest.wait_for_end()?;
    match guest.serial.contains("calls: survived") {
        true => Ok(()),
        false => Err("the last line is not 'calls: survived'".into()),
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
    report.test(&format!("seed {SEED} repeats its run exactly"), repeats);
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

/// Two boots of the machine that the host cannot disturb say the same to the letter, times of
/// their log lines included.
fn repeats() -> Result<(), String> {
    let boot = |name: &str| {
        let storm = format!("/bin/stress --storm 16 --seed {SEED} --secs 2");
        let variant = Variant {
            kernel: chaos::KERNEL.into(),
            append: format!("weft.chaos={SEED} weft.check=panic -- {storm}"),
            ..Variant::default()
        };
        let mut guest = Guest::boot(name, "virt-1-exact", variant)?;
        guest.wait_for_end()?;
        chaos::summary(&guest.serial, SEED)?;
        Ok::<String, String>(guest.serial.clone())
    };
    let (first, second) = (boot("replay-1")?, boot("replay-2")?);
    match first.lines().zip(second.lines()).find(|(a, b)| a != b) {
        None if first == second => Ok(()),
        differing => Err(format!("the runs differ: {differing:?}")),
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

//! What runs on this computer: unit tests, models, miri, the user tests on Linux.

use super::lines::Lines;
use super::output;
use super::report::Report;
use std::process::{Command, Stdio};

const CRATES: [&str; 8] = [
    "percpu",
    "smp",
    "smp-sim",
    "trace-format",
    "mm",
    "net",
    "kernel",
    "qemu-configs",
];

/// cargo as make found it.
fn cargo() -> Command {
    Command::new(std::env::var("CARGO").unwrap_or("cargo".into()))
}

/// Runs a test program that prints lines; each becomes a test, the exit status one more.
fn run(report: &mut Report, name: &str, command: &mut Command) {
    let (status, text) = match output::of(command) {
        Ok(ended) => ended,
        Err(error) => return report.record(name, Err(format!("cannot start: {error}"))),
    };
    let lines = Lines::of(&text);
    let count = lines.results.len();
    for (test, outcome) in lines.results {
        report.record(&format!("{name} {test}"), outcome);
    }
    let end = match (status.success(), count) {
        (true, 1..) => Ok(()),
        (true, 0) => Err("no test ran".into()),
        (false, _) => {
            let lines: Vec<&str> = text.lines().collect();
            Err(format!(
                "{status}\n{}",
                lines[lines.len().saturating_sub(30)..].join("\n")
            ))
        }
    };
    report.record(&format!("{name} runs to its end"), end);
}

pub fn unit_tests(report: &mut Report) {
    let mut command = cargo();
    command.args([
        "test",
        "--quiet",
        "--no-fail-fast",
        "--target-dir",
        "target",
    ]);
    command.args(CRATES.iter().flat_map(|name| ["-p", name]));
    run(report, "crates", command.args(["--", "--format=pretty"]));
    let mut command = cargo();
    command.current_dir("user").args([
        "test",
        "--quiet",
        "--no-fail-fast",
        "--target-dir",
        "target",
        "--workspace",
    ]);
    run(
        report,
        "programs",
        command.args([
            "--exclude",
            "brush",
            "--exclude",
            "sshd",
            "--",
            "--format=pretty",
        ]),
    );
}

/// The very programs that Weft runs, on this computer's Linux: natively, or under emulation.
pub fn user_tests(report: &mut Report) {
    let mut build = cargo();
    build
        .current_dir("user")
        .args(["build", "--quiet", "-p", "tests", "--target-dir", "target"]);
    match build.status() {
        Ok(status) if status.success() => run(
            report,
            "native",
            // The C library leaves rseq(2) to the tests.
            Command::new("user/target/debug/tests").env("GLIBC_TUNABLES", "glibc.pthread.rseq=0"),
        ),
        other => report.record("native builds", Err(format!("{other:?}"))),
    }
}

pub fn models(report: &mut Report) {
    search(report, "loom");
}

pub fn schedules(report: &mut Report) {
    search(report, "shuttle");
}

/// The tests of smp that `checker` runs instead of threads; the cfg and the test are called alike.
fn search(report: &mut Report, checker: &str) {
    let mut command = cargo();
    command.env("RUSTFLAGS", format!("--cfg {checker}")).args([
        "test",
        "--quiet",
        "--release",
        "-p",
        "smp",
        "--test",
        checker,
        "--target-dir",
        &format!("target/{checker}"),
        "--",
        "--format=pretty",
    ]);
    run(report, "smp", &mut command);
}

/// clippy, without a warning: what runs here, what runs on the machine, and the programs.
pub fn lints(report: &mut Report) {
    let mut version = cargo();
    version.args(["clippy", "--version"]).stderr(Stdio::null());
    if !version.output().is_ok_and(|output| output.status.success()) {
        return report.skip("all crates", "cargo clippy is not installed");
    }
    let kernel = "-p kernel --bin weft --target aarch64-unknown-none-softfloat";
    let programs = "--workspace --exclude brush --exclude sshd --all-targets";
    for (name, folder, what) in [
        ("host", ".", "--workspace --all-targets"),
        ("kernel", ".", kernel),
        ("programs", "user", programs),
    ] {
        report.test(name, || {
            let mut clippy = cargo();
            clippy.current_dir(folder).args(["clippy", "--quiet"]);
            clippy
                .args(what.split(' '))
                .args(["--target-dir", "target"]);
            clippy.args(["--", "-D", "warnings"]);
            let output = clippy.output().map_err(|error| error.to_string())?;
            match output.status.success() {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            }
        });
    }
}

pub fn undefined_behaviour(report: &mut Report) {
    let has_miri = Command::new("cargo")
        .args(["+nightly", "miri", "--version"])
        .stderr(Stdio::null())
        .output();
    if !has_miri.is_ok_and(|output| output.status.success()) {
        return report.skip("all crates", "cargo +nightly miri is not installed");
    }
    // Of the other test programs, those that end within a minute or two.
    for (name, more) in [
        ("percpu", None),
        ("smp", Some("due_timers")),
        ("mm", Some("space")),
    ] {
        let mut command = Command::new("cargo");
        command.args(["+nightly", "miri", "test", "--quiet", "-p", name, "--lib"]);
        command.args(more.into_iter().flat_map(|test| ["--test", test]));
        command.args(["--target-dir", "target/miri"]);
        command.env(
            "MIRIFLAGS",
            "-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance",
        );
        run(report, name, command.args(["--", "--format=pretty"]));
    }
}

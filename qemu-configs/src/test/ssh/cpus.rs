//! Programs that load the CPUs: their shares and places; the rest still gets answers.

use super::{Outcome, System, Test, equal, holds, runs_a_command};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

pub const TESTS: &[Test] = &[
    ("keeps all CPUs busy and fair", all_cpus_busy),
    ("keeps pinned programs in place", pinned_stays),
    ("moves a running program", moves_running),
    ("answers under full load", answers_under_load),
    ("answers beside real-time spinners", answers_beside_realtime),
    ("serves the CPUs over HTTP", http),
];

/// A host that takes one of the virtual CPUs away for seconds takes it from those who run there:
/// what holds in one of three tries is the scheduler's doing, what never holds is too.
fn all_cpus_busy(system: &mut System) -> Outcome {
    (0..2).fold(busy_and_fair(system), |outcome, _| {
        outcome.or_else(|_| busy_and_fair(system))
    })
}

fn busy_and_fair(system: &System) -> Outcome {
    let cpus = system.cpus()?;
    let text =
        system.text("stress --cpu 16 --secs 12 --report & cpustat -n 8 -i 1 --json; wait")?;
    let busiest = text.lines().any(|line| {
        let idle = parts(line, "idle");
        idle.len() == cpus && idle.iter().all(|part| *part < 0.05)
    });
    holds(
        busiest,
        format!("not all CPUs were busy at any time:\n{text}"),
    )?;
    let share = |line: &str| {
        line.split("share ")
            .nth(1)?
            .split('%')
            .next()?
            .parse::<f64>()
            .ok()
    };
    let shares: Vec<f64> = text.lines().filter_map(share).collect();
    equal(shares.len(), 16)?;
    let (least, most) = shares
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), &share| {
            (least.min(share), most.max(share))
        });
    holds(
        least > 0.75 * most,
        format!("shares from {least} % to {most} %"),
    )
}

fn pinned_stays(system: &mut System) -> Outcome {
    let text = system
        .text("stress --cpu 4 --secs 4 & taskset -c 2 stress --cpu 2 --secs 3 --report; wait")?;
    equal(seen(&text), vec!["2"])
}

/// The CPUs that a report of `stress` names.
fn seen(report: &str) -> Vec<&str> {
    let places = report.lines().filter_map(|line| line.split("seen ").nth(1));
    let mut cpus: Vec<&str> = places
        .flat_map(|list| list.split(','))
        .filter_map(|place| place.split(':').next())
        .collect();
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

fn moves_running(system: &mut System) -> Outcome {
    let script = "stress --cpu 1 & pid=$!; for cpu in 1 3 0 2; do pin $cpu $pid >/dev/null; \
                  grep Cpus_allowed_list /proc/$pid/status; done; taskset -c -p $pid; kill $pid";
    let text = system.text(script)?;
    for cpu in [1, 3, 0, 2] {
        holds(
            text.contains(&format!("Cpus_allowed_list:\t{cpu}\n")),
            format!("CPU {cpu} is missing:\n{text}"),
        )?;
    }
    holds(text.contains("current affinity list: 2"), text)
}

fn answers_under_load(system: &mut System) -> Outcome {
    let mut load = system
        .ssh(&[], "stress --cpu 16 --yield 4 --pipe 4")
        .spawn()
        .map_err(|error| error.to_string())?;
    let answers = (0..3).try_for_each(|_| runs_a_command(system));
    let _ = load.kill();
    let _ = load.wait();
    let _ = system.output("killall -9 stress");
    answers
}

/// A real-time thread spins on every CPU: what is left to the rest is enough to log in.
fn answers_beside_realtime(system: &mut System) -> Outcome {
    let mut spinners = system
        .ssh(&[], "tests --as-program realtime-spinners")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut said = [0; 9];
    let told = spinners.stdout.as_mut().ok_or("no output")?;
    told.read_exact(&mut said)
        .map_err(|error| error.to_string())?;
    equal(&said, b"spinning\n")?;
    let answers = (0..3).try_for_each(|_| runs_a_command(system));
    drop(spinners.stdin.take());
    let ended = spinners.wait().map_err(|error| error.to_string())?;
    answers?;
    holds(ended.success(), format!("the spinners ended with {ended}"))
}

fn http(system: &mut System) -> Outcome {
    let fetch = |path: &str| -> Result<String, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", system.guest.http_port))
            .map_err(|error| error.to_string())?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: weft\r\n\r\n").as_bytes())
            .map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .map_err(|error| error.to_string())?;
        Ok(answer)
    };
    let cpus = fetch("/cpu.json")?;
    holds(
        cpus.starts_with("HTTP/1.1 200") && parts(&cpus, "idle").len() == system.cpus()?,
        cpus,
    )?;
    holds(fetch("/")?.contains("<title>"), "no page")?;
    holds(
        fetch("/../etc/passwd")?.starts_with("HTTP/1.1 404"),
        "a file outside the site was served",
    )
}

/// `"user":0.9812` -> 0.9812, for each CPU of a line of JSON.
fn parts(json: &str, key: &str) -> Vec<f64> {
    let mark = format!("\"{key}\":");
    let values = json.split(&mark).skip(1);
    values
        .filter_map(|rest| rest.split([',', '}']).next()?.parse().ok())
        .collect()
}

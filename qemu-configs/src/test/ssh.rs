//! The system as people meet it: one boot, reached with the stock OpenSSH client.

use super::guest::{Guest, Variant};
use super::report::Report;
use super::terminal::Terminal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

type Outcome = Result<(), String>;

/// A running machine that can be logged in to.
struct System {
    guest: Guest,
}

type Test = (&'static str, fn(&mut System) -> Outcome);

const TESTS: &[Test] = &[
    ("runs a command", runs_a_command),
    ("passes the exit status on", exit_status),
    ("carries standard input and output", standard_streams),
    ("passes the environment on", environment),
    ("refuses a wrong key", wrong_key),
    ("survives noise on its port", noise),
    ("opens a login shell", login_shell),
    ("follows the window size", window_size),
    ("delivers the interrupt key", interrupt_key),
    ("stops and continues jobs", job_control),
    ("hangs up when the client goes", disconnect),
    ("keeps all CPUs busy and fair", all_cpus_busy),
    ("keeps pinned programs in place", pinned_stays),
    ("moves a running program", moves_running),
    ("answers under full load", answers_under_load),
    ("answers beside real-time spinners", answers_beside_realtime),
    ("serves twenty sessions at once", twenty_sessions),
    ("serves the CPUs over HTTP", http),
    ("outlives a program that eats memory", memory_eater),
    ("outlives a fork bomb", fork_bomb),
    ("shows every thread", every_thread),
    ("tells what the scheduler did", scheduler_files),
    ("records and exports a trace", schedtrace),
    ("shows the live screen", live_screen),
];

pub fn all(report: &mut Report) {
    for machine in ["virt-4", "virt-4-gicv2"] {
        let system = Guest::boot(&format!("ssh-{machine}"), machine, Variant::default()).and_then(
            |mut guest| {
                guest.wait_for("sshd: listening")?;
                Ok(System { guest })
            },
        );
        let mut system = match system {
            Ok(system) => system,
            Err(why) => return report.record(&format!("{machine} starts sshd"), Err(why)),
        };
        for (name, test) in TESTS {
            report.test(&format!("{machine} {name}"), || test(&mut system));
        }
        report.test(&format!("{machine} powers off when told"), || {
            power_off(system)
        });
    }
}

impl System {
    fn ssh(&self, options: &[&str], command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            "build/ssh/config",
            "-o",
            "ConnectTimeout=120",
            "-p",
            &self.guest.ssh_port.to_string(),
        ]);
        ssh.args(options).arg("weft");
        if !command.is_empty() {
            ssh.arg(command);
        }
        ssh.stdin(Stdio::null());
        ssh
    }

    fn output(&self, command: &str) -> Result<Output, String> {
        self.ssh(&[], command)
            .output()
            .map_err(|error| format!("ssh: {error}"))
    }

    /// Standard output of a command that must succeed.
    fn text(&self, command: &str) -> Result<String, String> {
        let output = self.output(command)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(text),
            false => Err(format!(
                "{command}: {}, {text}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    fn terminal(&self, command: &str) -> Result<Terminal, String> {
        Terminal::start(self.ssh(&["-tt"], command), 24, 80)
    }

    fn cpus(&self) -> Result<usize, String> {
        self.text("nproc")?
            .trim()
            .parse()
            .map_err(|error| format!("nproc: {error}"))
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Outcome {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found:?} instead of {wanted:?}"))
    }
}

fn holds(condition: bool, why: impl Into<String>) -> Outcome {
    if condition { Ok(()) } else { Err(why.into()) }
}

fn runs_a_command(system: &mut System) -> Outcome {
    equal(
        system.text("echo hello; uname -s")?.as_str(),
        "hello\nLinux\n",
    )
}

fn exit_status(system: &mut System) -> Outcome {
    for status in [0, 1, 37, 255] {
        equal(
            system.output(&format!("exit {status}"))?.status.code(),
            Some(status),
        )?;
    }
    equal(system.output("kill -9 $$")?.status.code(), Some(255))?;
    equal(system.output("no-such-command")?.status.code(), Some(127))
}

fn standard_streams(system: &mut System) -> Outcome {
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let mut ssh = system.ssh(&[], "cat; echo aside >&2");
    ssh.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = ssh.spawn().map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().ok_or("no input")?;
    let sent = bytes.clone();
    let sender = std::thread::spawn(move || input.write_all(&sent).is_ok());
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    holds(sender.join().unwrap_or(false), "not all was taken")?;
    holds(
        output.stdout == bytes,
        format!("{} of {} bytes came back", output.stdout.len(), bytes.len()),
    )?;
    equal(String::from_utf8_lossy(&output.stderr).as_ref(), "aside\n")
}

fn environment(system: &mut System) -> Outcome {
    let output = system
        .ssh(&["-o", "SetEnv=WEAVE=warp"], "echo $WEAVE $USER $HOME")
        .output();
    let output = output.map_err(|error| error.to_string())?;
    equal(
        String::from_utf8_lossy(&output.stdout).as_ref(),
        "warp root /root\n",
    )
}

fn wrong_key(system: &mut System) -> Outcome {
    let key = "build/test/stranger";
    let _ = std::fs::remove_file(key);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", key])
        .status();
    holds(
        made.is_ok_and(|status| status.success()),
        "ssh-keygen failed",
    )?;
    let output = Command::new("ssh")
        .args([
            "-F",
            "/dev/null",
            "-i",
            key,
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            "BatchMode=yes",
        ])
        .args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-p",
            &system.guest.ssh_port.to_string(),
            "root@127.0.0.1",
            "true",
        ])
        .output()
        .map_err(|error| error.to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    holds(
        errors.contains("Permission denied") && !output.status.success(),
        format!("{errors}"),
    )?;
    system.guest.wait_for("refused \"root\" with key SHA256:")
}

fn noise(system: &mut System) -> Outcome {
    for round in 0..5_u32 {
        let mut stream = TcpStream::connect(("127.0.0.1", system.guest.ssh_port))
            .map_err(|error| error.to_string())?;
        let bytes: Vec<u8> = (0..5_000_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761 + round) >> 7) as u8)
            .collect();
        let _ = stream.write_all(&bytes);
    }
    runs_a_command(system)
}

fn login_shell(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("")?;
    terminal.expect("# ")?;
    terminal.send("echo $((40+2))-answer\r")?;
    terminal.expect("42-answer")?;
    terminal.send("ls / | wc -l; exit 9\r")?;
    equal(terminal.wait()?.code(), Some(9))
}

fn window_size(system: &mut System) -> Outcome {
    let wait =
        "stty size; while [ \"$(stty size)\" != '30 100' ]; do sleep 0.05; done; echo followed";
    let mut terminal = system.terminal(wait)?;
    terminal.expect("24 80")?;
    terminal.resize(30, 100)?;
    terminal.expect("followed")
}

fn interrupt_key(system: &mut System) -> Outcome {
    let mut terminal =
        system.terminal("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1; done")?;
    terminal.expect("ready")?;
    terminal.send("\x03")?;
    terminal.expect("caught")?;
    equal(terminal.wait()?.code(), Some(3))
}

fn job_control(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("")?;
    terminal.expect("# ")?;
    terminal.send("sh -c 'echo run''ning; while :; do sleep 1; done'\r")?;
    terminal.expect("running")?;
    terminal.send("\x1a")?;
    terminal.expect("topped")?;
    terminal.send("bg; jobs; echo lis''ted\r")?;
    terminal.expect("unning")?;
    terminal.expect("listed")?;
    terminal.send("kill %1; wait; echo go''ne; exit\r")?;
    terminal.expect("gone")
}

fn disconnect(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("echo pid=$$.; exec sleep 100000")?;
    terminal.expect("pid=")?;
    while !terminal.seen.contains('.') {
        terminal.expect(".").inspect_err(|_| {})?;
    }
    drop(terminal); // kills the client without a word
    let gone = "while pidof sleep >/dev/null && ps | grep -q '[s]leep 100000'; do sleep 0.1; done; echo gone";
    equal(system.text(gone)?.trim(), "gone")
}

/// `"user":0.9812` -> 0.9812, for each CPU of a line of JSON.
fn parts(json: &str, key: &str) -> Vec<f64> {
    let mark = format!("\"{key}\":");
    let values = json.split(&mark).skip(1);
    values
        .filter_map(|rest| rest.split([',', '}']).next()?.parse().ok())
        .collect()
}

fn all_cpus_busy(system: &mut System) -> Outcome {
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

fn pinned_stays(system: &mut System) -> Outcome {
    let text = system
        .text("stress --cpu 4 --secs 4 & taskset -c 2 stress --cpu 2 --secs 3 --report; wait")?;
    equal(seen(&text), vec!["2"])
}

fn moves_running(system: &mut System) -> Outcome {
    let script = "stress --cpu 1 & pid=$!; for cpu in 1 3 0 2; do taskset -a -c -p $cpu $pid >/dev/null; \
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

fn twenty_sessions(system: &mut System) -> Outcome {
    let script =
        |number: usize| format!("stress --cpu 2 --secs 1 & hello 3 100; wait; exit {number}");
    let start = |number| {
        system
            .ssh(&[], &script(number))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let clients: Vec<_> = (0..20)
        .map(start)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    for (number, client) in clients.into_iter().enumerate() {
        let output = client
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        let (text, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let right = output.status.code() == Some(number as i32) && text.contains("hello 3/3");
        holds(
            right,
            format!("session {number}: {}, {text}{errors}", output.status),
        )?;
    }
    Ok(())
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

fn every_thread(system: &mut System) -> Outcome {
    let table = system.text("kthreads")?;
    for name in ["init", "sshd", "kthreads"] {
        holds(table.contains(name), format!("{name} is missing:\n{table}"))?;
    }
    Ok(())
}

fn scheduler_files(system: &mut System) -> Outcome {
    let text = system.text("cat /proc/schedstat")?;
    let cpu_line = |line: &&str| line.starts_with("cpu") && line.split(' ').count() == 10;
    holds(text.starts_with("version 15\n"), text.clone())?;
    equal(text.lines().filter(cpu_line).count(), system.cpus()?)?;
    let checks = "weft checks token=0 two_cpus=0 affinity=0 conservation=0";
    holds(text.contains(checks), text)?;
    let debug = system.text("cat /proc/sched_debug")?;
    let running = debug
        .lines()
        .any(|line| line.starts_with(">R") && line.contains(" cat "));
    holds(running, debug)?;
    let own = system.text("cat /proc/self/schedstat /proc/self/task/*/schedstat")?;
    let numbers = |line: &str| {
        line.split(' ')
            .filter_map(|word| word.parse::<u64>().ok())
            .count()
    };
    holds(own.lines().all(|line| numbers(line) == 3), own)
}

/// What is exported names the CPUs, what ran, and who woke it.
fn schedtrace(system: &mut System) -> Outcome {
    // Few enough events that a recorder that hardly gets to run loses none.
    let record = "schedtrace record -o /tmp/t --syscalls sh -c 'sleep 0.2; ls / | cat'";
    let text = system.text(&format!(
        "{record} && schedtrace export /tmp/t && cat /tmp/t.json"
    ))?;
    for sign in [
        "\"name\":\"CPU 0\"",
        "\"name\":\"cat [",
        "\"ph\":\"s\"",
        "\"ph\":\"f\"",
        "\"name\":\"timer\"",
        "\"name\":\"call 64\"",
    ] {
        holds(
            text.contains(sign),
            format!("{sign} is missing in {text:.1000}"),
        )?;
    }
    let whole = text.find("{\"displayTimeUnit").ok_or("no trace")?;
    super::trace::check(&text[whole..])?;
    let script = "schedtrace record -o /tmp/t & until grep -q 1 /proc/weft/tracing; do :; done; \
                  schedtrace stop; wait; cat /proc/weft/tracing";
    let text = system.text(script)?;
    holds(text.ends_with("0\n"), text)
}

fn live_screen(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("cpustat")?;
    terminal.expect("CPUs")?;
    terminal.expect("history")?;
    terminal.send("s")?;
    terminal.send("p")?;
    terminal.expect("paused")?;
    terminal.send("q")?;
    equal(terminal.wait()?.code(), Some(0))
}

fn power_off(mut system: System) -> Outcome {
    let _ = system.output("poweroff");
    system.guest.wait_for_end()?;
    holds(
        system.guest.serial.contains("init: poweroff"),
        "it ended, but not in order",
    )
}

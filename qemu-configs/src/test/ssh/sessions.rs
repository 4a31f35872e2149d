//! Commands over SSH: their streams, environment and exit status; who is refused.

use super::{Outcome, System, Test, equal, holds, runs_a_command};
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

pub const TESTS: &[Test] = &[
    ("runs a command", runs_a_command),
    ("passes the exit status on", exit_status),
    ("carries standard input and output", standard_streams),
    ("passes the environment on", environment),
    ("serves twenty sessions at once", twenty_sessions),
    ("refuses a wrong key", wrong_key),
    ("survives noise on its port", noise),
];

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

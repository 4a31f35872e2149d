//! The system as people meet it: one boot, reached with the stock OpenSSH client.

mod cpus;
mod files;
mod hardship;
mod records;
mod sessions;
mod terminals;

use super::guest::{Guest, Variant};
use super::report::Report;
use super::terminal::Terminal;
use std::process::{Command, Output, Stdio};

type Outcome = Result<(), String>;

/// A running machine that can be logged in to.
struct System {
    guest: Guest,
}

type Test = (&'static str, fn(&mut System) -> Outcome);

/// What takes all there is comes last.
const FAMILIES: [&[Test]; 6] = [
    sessions::TESTS,
    terminals::TESTS,
    files::TESTS,
    cpus::TESTS,
    records::TESTS,
    hardship::TESTS,
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
        for (name, test) in FAMILIES.into_iter().flatten() {
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

fn power_off(mut system: System) -> Outcome {
    let _ = system.output("poweroff");
    system.guest.wait_for_end()?;
    holds(
        system.guest.serial.contains("init: poweroff"),
        "it ended, but not in order",
    )
}

//! Files over SSH, with the stock `scp` and `sftp`: there and back, and what is said when it fails.

use super::{Outcome, System, Test, equal, holds};
use std::fs;
use std::process::{Command, Output, Stdio};

pub const TESTS: &[Test] = &[
    ("copies a file there and back", file),
    ("copies a folder there and back", folder),
    ("serves sftp's commands", commands),
    ("says what cannot be copied", failures),
    ("says that a file does not fit", full),
];

const HERE: &str = "build/test/scp";

impl System {
    fn run(&self, client: &str, arguments: &[&str]) -> Result<Output, String> {
        let port = self.guest.ssh_port.to_string();
        Command::new(client)
            .args(["-q", "-F", "build/ssh/config", "-P", &port])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{client}: {error}"))
    }

    fn scp(&self, arguments: &[&str]) -> Outcome {
        let output = self.run("scp", arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        holds(
            output.status.success(),
            format!("scp {arguments:?}: {errors}"),
        )
    }

    /// A copy that must fail, with `complaint` among scp's words.
    fn scp_fails(&self, arguments: &[&str], complaint: &str) -> Outcome {
        let output = self.run("scp", arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        holds(
            !output.status.success(),
            format!("scp {arguments:?} worked"),
        )?;
        holds(
            errors.contains(complaint),
            format!("scp {arguments:?}: {errors}"),
        )
    }
}

/// An empty folder here.
fn prepare() -> Outcome {
    let _ = fs::remove_dir_all(HERE);
    fs::create_dir_all(HERE).map_err(|error| format!("{HERE}: {error}"))
}

/// Bytes of which no block is like another.
fn bytes(count: u32) -> Vec<u8> {
    let word = |index: u32| index.wrapping_mul(2_654_435_761).to_be_bytes();
    (0..count / 4).flat_map(word).collect()
}

fn write(name: &str, bytes: &[u8]) -> Outcome {
    fs::write(format!("{HERE}/{name}"), bytes).map_err(|error| format!("{name}: {error}"))
}

fn read(name: &str) -> Result<Vec<u8>, String> {
    fs::read(format!("{HERE}/{name}")).map_err(|error| format!("{name}: {error}"))
}

fn file(system: &mut System) -> Outcome {
    prepare()?;
    let sent = bytes(5_000_000);
    write("sent", &sent)?;
    system.scp(&["-p", &format!("{HERE}/sent"), "weft:copied"])?;
    equal(system.text("wc -c <copied")?.trim(), "5000000")?;
    system.scp(&["-p", "weft:copied", &format!("{HERE}/back")])?;
    system.text("rm copied")?;
    holds(read("back")? == sent, "the content differs")
}

fn folder(system: &mut System) -> Outcome {
    prepare()?;
    fs::create_dir_all(format!("{HERE}/tree/deep/empty")).map_err(|error| error.to_string())?;
    write("tree/deep/one", b"one")?;
    write("tree/two", b"")?;
    system.scp(&["-r", &format!("{HERE}/tree"), "weft:/tmp/tree"])?;
    system.scp(&["-r", "weft:/tmp/tree", &format!("{HERE}/again")])?;
    system.text("rm -r /tmp/tree")?;
    equal(read("again/deep/one")?.as_slice(), b"one")?;
    equal(read("again/two")?.as_slice(), b"")?;
    holds(
        fs::exists(format!("{HERE}/again/deep/empty")).is_ok_and(|there| there),
        "a folder is lost",
    )
}

fn commands(system: &mut System) -> Outcome {
    prepare()?;
    let script = format!(
        "pwd\nmkdir /tmp/made\nput {HERE}/batch /tmp/made/one\nrename /tmp/made/one /tmp/made/two\n\
         chmod 640 /tmp/made/two\nsymlink two /tmp/made/link\nls -l /tmp/made\ndf /tmp\n\
         get /tmp/made/link {HERE}/got\nrm /tmp/made/*\nrmdir /tmp/made\n"
    );
    write("batch", script.as_bytes())?;
    let output = system.run("sftp", &["-b", &format!("{HERE}/batch"), "weft"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    holds(output.status.success(), format!("{text}{errors}"))?;
    for part in ["directory: /root", "-rw-r-----", "lrwxrwxrwx", "%Capacity"] {
        holds(text.contains(part), format!("no {part} in {text}"))?;
    }
    equal(read("got")?, script.into_bytes())
}

fn failures(system: &mut System) -> Outcome {
    prepare()?;
    write("some", b"some")?;
    let some = &format!("{HERE}/some");
    system.scp_fails(&["weft:missing", &format!("{HERE}/none")], "No such file")?;
    system.scp_fails(&[some, "weft:/no/such/folder"], "No such file")?;
    system.scp_fails(&[some, "weft:/proc/version"], "/proc/version")?;
    system.scp_fails(&["weft:/root", HERE], "not a regular file")
}

/// What does not fit is not said to be there, and the rest goes on.
fn full(system: &mut System) -> Outcome {
    prepare()?;
    write("large", &bytes(3_000_000))?;
    system.text("mkdir /tmp/small && mount -t tmpfs -o size=1m none /tmp/small")?;
    let large = &format!("{HERE}/large");
    system.scp_fails(&[large, "weft:/tmp/small/large"], "Failure")?;
    system.text("rm /tmp/small/large")?;
    write("fits", &bytes(500_000))?;
    system.scp(&[&format!("{HERE}/fits"), "weft:/tmp/small"])?;
    equal(system.text("wc -c </tmp/small/fits")?.trim(), "500000")?;
    system
        .text("umount /tmp/small && rmdir /tmp/small")
        .map(drop)
}

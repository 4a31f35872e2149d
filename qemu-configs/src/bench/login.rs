//! From QEMU's start to the first login over SSH: Weft with its own server, Linux with dropbear
//! from an initramfs that does no more than that (`qemu-configs/linux`).

use super::contender::{Contender, LINUX};
use super::figures::{Entry, Figure, Figures};
use super::rows::Setting;
use crate::test::guest::Guest;
use crate::{Result, initramfs};
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A machine that has not answered after this long will not.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a connection may take to be answered. One that was opened before the guest had its
/// network is not: the next one is.
const ANSWER: Duration = Duration::from_millis(100);

/// `boot-answer` and `boot-login` of one boot, in milliseconds.
pub fn measure(contender: &Contender, names: &[&str]) -> Figures {
    let times = boot(contender);
    let entry = |name: &str| match (&times, name) {
        (Ok((answer, _)), "boot-answer") => Entry::Measured(Figure::of(*answer)),
        (Ok((_, login)), "boot-login") => Entry::Measured(Figure::of(*login)),
        (Ok(_), _) => Entry::missing("no such figure"),
        (Err(why), _) => Entry::missing(why),
    };
    let entries = names.iter().map(|name| (name.to_string(), entry(name)));
    entries
        .inspect(|(name, entry)| {
            if let Entry::Missing { missing } = entry {
                eprintln!("== {}, {name}: {missing}", contender.title);
            }
        })
        .collect()
}

/// When its server first answered, and when the first command had run.
fn boot(contender: &Contender) -> Result<(f64, f64)> {
    let name = format!("bench-{}-boot", contender.key);
    let variant = contender.variant("", (contender.login)()?);
    let start = Instant::now();
    let guest = Guest::boot(&name, Setting::Boot.machine(), variant)?;
    let milliseconds = || start.elapsed().as_secs_f64() * 1_000.0;
    while !answers(guest.ssh_port) {
        if start.elapsed() > LIMIT {
            return Err(format!("no answer within {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = milliseconds();
    let port = guest.ssh_port.to_string();
    let login = ["-F", "build/ssh/config", "-p", &port, "weft", "true"];
    match Command::new("ssh").args(login).status() {
        Ok(status) if status.success() => Ok((answer, milliseconds())),
        other => Err(format!("ssh: {other:?}")),
    }
}

/// Whether an SSH server says its name.
fn answers(port: u16) -> bool {
    let mut name = [0; 4];
    let read = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(ANSWER))?;
        stream.read_exact(&mut name)
    });
    read.is_ok() && name == *b"SSH-"
}

/// Made anew each time: the keys may be others.
pub fn linux_initrd() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("linux");
    let out = Path::new(LINUX).join("login");
    std::fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let prepared = Command::new(folder.join("prepare.sh")).arg(&out).status();
    if !prepared.as_ref().is_ok_and(|status| status.success()) {
        return Err(format!(
            "Debian's dropbear cannot be fetched ({prepared:?})"
        ));
    }
    let version = super::contender::linux_version().ok_or("no Linux")?;
    let modules = format!("{LINUX}/lib/modules/{version}/kernel").into();
    let sources = [
        ("here", folder.clone()),
        ("build", "build".into()),
        ("out", out.clone()),
        ("root", out.join("root")),
        ("modules", modules),
    ];
    let sources = sources.map(|(name, path)| (name.to_string(), path));
    let initrd = out.join("initramfs.cpio");
    initramfs::build(&folder.join("manifest"), &initrd, &sources.into())?;
    Ok(initrd)
}

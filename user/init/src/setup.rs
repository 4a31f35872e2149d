//! What must be there before the first service: file systems, host name, environment.

use nix::mount::{MsFlags, mount};
use std::path::Path;

/// Mounts what the kernel has not mounted by itself, and says what it could not do.
pub fn machine() {
    for (kind, path, witness) in [
        ("proc", "/proc", "/proc/self"),
        ("sysfs", "/sys", "/sys/devices"),
        ("devtmpfs", "/dev", "/dev/null"),
        ("devpts", "/dev/pts", "/dev/pts/ptmx"),
        ("tmpfs", "/tmp", "/tmp"),
        ("tmpfs", "/run", "/run"),
    ] {
        let _ = std::fs::create_dir_all(path);
        if !Path::new(witness).exists()
            && let Err(error) = mount(Some(kind), path, Some(kind), MsFlags::empty(), None::<&str>)
        {
            eprintln!("init: cannot mount {kind} on {path}: {error}");
        }
    }
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    if !name.trim().is_empty()
        && let Err(error) = nix::unistd::sethostname(name.trim())
    {
        eprintln!("init: cannot set the host name: {error}");
    }
    let environment = [
        ("PATH", "/bin:/sbin:/usr/bin:/usr/sbin"),
        ("HOME", "/root"),
        ("USER", "root"),
        ("TERM", "linux"),
    ];
    for (name, value) in environment {
        // SAFETY: init has one thread, so nobody reads the environment meanwhile.
        unsafe { std::env::set_var(name, value) };
    }
}

/// The words after ` -- ` on the kernel's command line.
pub fn command_from_kernel() -> Option<Vec<String>> {
    let line = std::fs::read_to_string("/proc/cmdline").ok()?;
    let (_, command) = line.trim().split_once("-- ")?;
    let words: Vec<String> = command.split_whitespace().map(String::from).collect();
    (!words.is_empty()).then_some(words)
}

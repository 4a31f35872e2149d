//! Whoever takes all memory must not take the way in with it: the server is never the program that
//! the kernel ends for lack of memory, and those it starts are as any other
//! (proc_pid_oom_score_adj(5)).

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::write;

/// For the server itself. Not every system that it is tried on lets it.
pub fn begin() {
    if !adjust(b"-1000") {
        eprintln!("sshd: may be ended when memory runs out");
    }
}

/// For a program, between fork and exec: calls only what is async-signal-safe.
pub fn end() {
    let _ = adjust(b"0");
}

fn adjust(adjustment: &[u8]) -> bool {
    let file = open(
        c"/proc/self/oom_score_adj",
        OFlag::O_WRONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    );
    file.is_ok_and(|file| write(&file, adjustment) == Ok(adjustment.len()))
}

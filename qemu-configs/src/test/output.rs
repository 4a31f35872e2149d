//! What a program prints, until it has ended: a process that it leaves behind and that keeps the
//! pipe open is not waited for.

use crate::pieces::forward;
use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// What was printed before the end comes sooner than this.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the program without input. Its standard error is this one's.
pub fn of(command: &mut Command) -> io::Result<(ExitStatus, String)> {
    within(GRACE, command)
}

fn within(grace: Duration, command: &mut Command) -> io::Result<(ExitStatus, String)> {
    let mut program = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let (sender, pieces) = channel();
    forward(program.stdout.take().expect("it has a pipe"), &sender);
    drop(sender);
    let (mut text, mut had_ended) = (Vec::new(), false);
    loop {
        match pieces.recv_timeout(grace) {
            Ok(piece) => text.extend(piece),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if had_ended => break,
            Err(RecvTimeoutError::Timeout) => had_ended = program.try_wait()?.is_some(),
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((program.wait()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_left_behind_is_not_waited_for() {
        let grace = Duration::from_millis(50);
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & echo $!; exit 3"]);
        let (status, text) = within(grace, &mut shell).unwrap();
        let left = Command::new("kill").arg(text.trim()).status().unwrap();
        assert!(left.success(), "the test left nobody behind");
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_program_may_be_silent_for_longer() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; sleep 2; echo two"]);
        // As long as what reads may take on a busy computer.
        let (status, text) = within(Duration::from_secs(1), &mut shell).unwrap();
        assert!(status.success());
        assert_eq!(text, "one\ntwo\n");
    }
}

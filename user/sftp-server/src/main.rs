//! Files over SSH: what `scp` and `sftp` speak to, as sshd's subsystem `sftp`.
//!
//! SFTP version 3 (draft-ietf-secsh-filexfer-02) on standard input and output, with the rights and
//! the memory of the person who logged in: a program of its own, so that what it holds counts as
//! its own. `wire.rs` is the encoding, `server.rs` the table of requests; it keeps no state but the
//! open handles.

mod attributes;
mod files;
mod handles;
mod listing;
mod paths;
mod server;
mod status;
mod wire;

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    match unbuffered_output().and_then(|output| serve(std::io::stdin().lock(), output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sftp-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Standard output as it is: the usual one looks for lines in what it is given.
fn unbuffered_output() -> Result<File> {
    Ok(std::io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Until the client ends its stream. After a packet that is no packet nothing can be understood any
/// more: that is the end too.
fn serve(mut from: impl Read, mut to: impl Write) -> Result<()> {
    match packet(&mut from)? {
        Some(first) if first.first() == Some(&server::INIT) => to.write_all(&server::greet())?,
        Some(_) => return Err(Error::other("the client does not begin with SFTP")),
        None => return Ok(()),
    }
    let mut handles = handles::Handles::default();
    while let Some(request) = packet(&mut from)? {
        let reply = server::answer(&mut handles, &request)
            .ok_or_else(|| Error::other("a request without a number"))?;
        to.write_all(&reply)?;
    }
    Ok(())
}

/// The next packet without its length; none at the end of the stream.
fn packet(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > wire::PACKET_LIMIT {
        let message = format!("a packet of {length} bytes; {} at most", wire::PACKET_LIMIT);
        return Err(Error::other(message));
    }
    let mut packet = vec![0; length as usize];
    from.read_exact(&mut packet)?;
    Ok(Some(packet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_is_too_long_ends_the_session_before_memory_is_taken() {
        let outcome = serve(&[0xff; 64][..], Vec::new());
        assert!(outcome.unwrap_err().to_string().contains("4294967295"));
    }

    #[test]
    fn the_greeting_comes_first() {
        let first = [0, 0, 0, 5, server::INIT, 0, 0, 0, 3];
        let mut replies = Vec::new();
        serve(&first[..], &mut replies).unwrap();
        assert_eq!(replies, server::greet());
        assert!(serve(&[0, 0, 0, 5, 17, 0, 0, 0, 3][..], Vec::new()).is_err());
    }
}

//! The way in: an SSH server for this machine's one person, root.
//!
//! Public keys only. `server.rs` accepts connections and limits them, `login.rs` decides who
//! may enter, `session.rs` runs one shell or command, `terminal.rs` and `descriptor.rs` are
//! its pseudo-terminal and pipes, `exemption.rs` keeps the way in open when memory runs out. The
//! protocol itself is russh's.

mod descriptor;
mod exemption;
mod keys;
mod login;
mod program;
mod server;
mod session;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line may change.
pub struct Options {
    pub port: u16,
    pub folder: PathBuf,
}

fn main() -> ExitCode {
    let outcome = options().and_then(|options| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        exemption::begin();
        runtime.block_on(server::serve(options))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("sshd: {message}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    use lexopt::prelude::*;
    let mut options = Options {
        port: 22,
        folder: "/etc/ssh".into(),
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        let read = match argument {
            Short('p') | Long("port") => arguments
                .value()
                .and_then(|text| text.parse())
                .map(|port| options.port = port),
            Short('d') | Long("folder") => {
                arguments.value().map(|text| options.folder = text.into())
            }
            other => Err(other.unexpected()),
        };
        read.map_err(|error| format!("{error}\nusage: sshd [--port 22] [--folder /etc/ssh]"))?;
    }
    Ok(options)
}

//! How programs read their words and report what is wrong.

use std::process::ExitCode;

/// Runs the program; a message that comes back is printed with the program's name.
pub fn run(name: &str, program: impl FnOnce() -> Result<ExitCode, String>) -> ExitCode {
    program().unwrap_or_else(|message| {
        eprintln!("{name}: {message}");
        ExitCode::FAILURE
    })
}

/// The same for what people put into pipelines: it ends quietly, as other tools do, when whoever
/// reads its output has gone. (Rust ignores `SIGPIPE`, and then `println!` panics.)
pub fn run_tool(name: &str, program: impl FnOnce() -> Result<ExitCode, String>) -> ExitCode {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: the default action runs no code of this program.
    let restored = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    run(name, || {
        restored
            .map_err(|error| error.to_string())
            .and_then(|_| program())
    })
}

/// The value of an option, as a number or any other type that reads itself from text.
pub fn value<T>(arguments: &mut lexopt::Parser) -> Result<T, String>
where
    T: std::str::FromStr,
    T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    use lexopt::ValueExt;
    arguments
        .value()
        .and_then(|text| text.parse())
        .map_err(|error| error.to_string())
}

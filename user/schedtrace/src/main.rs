//! `schedtrace`: records what the scheduler of every CPU does and exports it for a trace viewer.
//!
//! `record` copies the kernel's rings into a file (`capture.rs`) until its time is up, its command
//! has ended, or somebody says `stop`. `export` turns such a file into Chrome's trace format,
//! which ui.perfetto.dev and chrome://tracing read: `timeline.rs` puts the events of all CPUs in
//! order and follows each thread, `chrome.rs` writes them down.

mod capture;
mod chrome;
mod record;
mod timeline;

use common::arguments::{self, value};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: schedtrace record [-o FILE] [--syscalls] [-s SECONDS | COMMAND...]
       schedtrace stop
       schedtrace export [FILE] [-o FILE.json]
  record   into FILE (weft.trace), for some seconds, while a command runs, or until `stop`
  export   FILE (weft.trace), for ui.perfetto.dev or chrome://tracing";

fn main() -> ExitCode {
    arguments::run_tool("schedtrace", || {
        let mut parser = lexopt::Parser::from_env();
        let word = parser.value().map_err(|_| USAGE)?;
        match word.to_string_lossy().as_ref() {
            "record" => record::run(&record_options(&mut parser)?),
            "stop" => record::stop(),
            "export" => export(&mut parser),
            _ => Err(USAGE.into()),
        }
    })
}

fn record_options(parser: &mut lexopt::Parser) -> Result<record::Options, String> {
    use lexopt::prelude::*;
    let mut options = record::Options::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('o') => options.file = value(parser)?,
            Short('s') => options.seconds = Some(value(parser)?),
            Long("syscalls") => options.syscalls = true,
            Value(word) => {
                options.command.push(word);
                options
                    .command
                    .extend(parser.raw_args().map_err(|error| error.to_string())?);
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    Ok(options)
}

fn export(parser: &mut lexopt::Parser) -> Result<ExitCode, String> {
    use lexopt::prelude::*;
    let (mut source, mut target) = (None::<PathBuf>, None::<PathBuf>);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('o') => target = Some(value(parser)?),
            Value(file) if source.is_none() => source = Some(file.into()),
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    let source = source.unwrap_or_else(|| record::DEFAULT_FILE.into());
    let target = target.unwrap_or_else(|| source.with_extension("json"));
    let named = |path: &PathBuf, error| format!("{}: {error}", path.display());
    let bytes = std::fs::read(&source).map_err(|error| named(&source, error))?;
    let capture = capture::parse(&bytes)?;
    let text = chrome::export(&timeline::build(&capture));
    std::fs::write(&target, text).map_err(|error| named(&target, error))?;
    println!(
        "{}: {} events, {} lost",
        target.display(),
        capture.events.len(),
        capture.lost.iter().map(|lost| lost.count).sum::<u64>()
    );
    Ok(ExitCode::SUCCESS)
}

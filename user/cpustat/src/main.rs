//! `cpustat`: what every CPU does, live: time, queue, switches, steals, interrupts between CPUs.
//!
//! On a terminal it redraws one screen (`screen.rs`); elsewhere, or with `--json`, it prints
//! lines. Keys: q quits, p or space pauses, s sorts by load or by number.

mod plain;
mod screen;
mod view;

use common::arguments::{self, value};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: cpustat [-n COUNT] [-i SECONDS] [--plain] [--json]";

pub struct Options {
    /// How many times; without end when absent.
    pub count: Option<u64>,
    pub interval: Duration,
    pub json: bool,
    pub plain: bool,
}

fn main() -> ExitCode {
    arguments::run_tool("cpustat", || {
        let options = parse()?;
        match options.json || options.plain || !std::io::stdout().is_terminal() {
            true => plain::run(&options)?,
            false => screen::run(&options)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn parse() -> Result<Options, String> {
    use lexopt::prelude::*;
    let mut options = Options {
        count: None,
        interval: Duration::from_secs(1),
        json: false,
        plain: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('n') => options.count = Some(value(&mut parser)?),
            Short('i') => {
                let seconds: f64 = value(&mut parser)?;
                options.interval = Duration::try_from_secs_f64(seconds.max(0.05))
                    .map_err(|error| error.to_string())?;
            }
            Long("json") => options.json = true,
            Long("plain") => options.plain = true,
            Short('h') | Long("help") => return Err(USAGE.into()),
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    Ok(options)
}

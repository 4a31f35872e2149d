//! `launch bench`: Weft against Linux, the same programs on the same emulated machine.
//!
//! `bench.toml` says what is compared and where (`rows.rs`); `contender.rs` boots one kernel
//! and `figures.rs` reads what `user/bench` said; `table.rs` shows who won.

pub mod contender;
mod figures;
mod results;
pub mod rows;
mod table;
mod verdict;

use crate::Result;
use contender::Contender;
use results::Results;
use rows::{Row, Setting};
use std::process::ExitCode;

struct Options {
    words: Vec<String>,
    settings: Vec<Setting>,
    default_linux: bool,
    ours_alone: bool,
}

pub fn command(arguments: lexopt::Parser) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let rows = rows::load(&options.words)?;
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let contenders = contenders(&options);
    let mut results = Results::default();
    for &setting in &options.settings {
        let names = program_rows(&rows, setting);
        if names.is_empty() {
            continue;
        }
        for contender in &contenders {
            eprintln!(
                "== {}: {}, {} rows",
                contender.title,
                setting.title(),
                names.len()
            );
            results.add(setting, contender.key, contender.run(setting, &names, 5)?);
        }
        table::print(setting.title(), &table::lines(&results, &rows, setting));
    }
    Ok(ExitCode::SUCCESS)
}

fn contenders(options: &Options) -> Vec<Contender> {
    let mut contenders = vec![contender::weft()];
    if options.ours_alone {
        return contenders;
    }
    match contender::linux() {
        Ok([tuned, default]) => {
            contenders.push(tuned);
            contenders.extend(options.default_linux.then_some(default));
        }
        Err(why) => eprintln!("== {why}; Weft runs alone"),
    }
    contenders
}

/// The words for `user/bench`, each once, in the table's order.
fn program_rows(rows: &[Row], setting: Setting) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.on.contains(&setting)) {
        if !names.contains(&row.program_row()) {
            names.push(row.program_row());
        }
    }
    names
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options {
        words: Vec::new(),
        settings: Vec::new(),
        default_linux: false,
        ours_alone: false,
    };
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("one") => options.settings.push(Setting::One),
            Long("four") => options.settings.push(Setting::Four),
            Long("wall") => options.settings.push(Setting::Wall),
            Long("default-linux") => options.default_linux = true,
            Long("ours") => options.ours_alone = true,
            Value(word) => options.words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.settings.is_empty() {
        options.settings = Setting::ALL.to_vec();
    }
    Ok(options)
}

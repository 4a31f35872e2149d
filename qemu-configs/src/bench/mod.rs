//! `launch bench`: Weft against Linux, the same programs on the same emulated machine.
//!
//! `bench.toml` says what is compared and where (`rows.rs`); `contender.rs` boots one kernel
//! and `figures.rs` reads what `user/bench` said; `login.rs` times boots to a login; `table.rs`
//! shows who won. `--record` keeps
//! the figures (`results.rs`) and makes the page in docs and its plots (`pages.rs`, `plot.rs`).

pub mod contender;
pub mod figures;
mod login;
pub mod measure;
mod pages;
mod plot;
mod results;
pub mod rows;
pub mod sched;
mod table;
mod verdict;

use crate::Result;
use contender::Contender;
use results::Results;
use rows::Setting;
use std::path::Path;
use std::process::ExitCode;

#[derive(Default)]
struct Options {
    words: Vec<String>,
    settings: Vec<Setting>,
    default_linux: bool,
    ours_alone: bool,
    record: bool,
    twice: bool,
}

pub fn command(arguments: lexopt::Parser) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let rows = rows::load(&options.words)?;
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let contenders = contenders(&options);
    let mut results = match options.record {
        true => Results::load(pages::STORE.as_ref())?,
        false => Results::default(),
    };
    let mut repeated = true;
    for &setting in &options.settings {
        if measure::program_rows(&rows, setting).is_empty() {
            continue;
        }
        repeated &= measure::setting(&mut results, setting, &rows, &contenders, options.twice);
        table::print(setting.title(), &table::lines(&results, &rows, setting));
        // After each setting: what comes may be interrupted.
        results.save(Path::new("build/bench/results.json"))?;
        if options.record {
            results.save(pages::STORE.as_ref())?;
            pages::write(&results, &rows)?;
        }
    }
    Ok(if repeated {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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

fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("one") => options.settings.push(Setting::One),
            Long("four") => options.settings.push(Setting::Four),
            Long("wall") => options.settings.push(Setting::Wall),
            Long("boot") => options.settings.push(Setting::Boot),
            Long("default-linux") => options.default_linux = true,
            Long("ours") => options.ours_alone = true,
            Long("record") => options.record = true,
            Long("twice") => options.twice = true,
            Value(word) => options.words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.settings.is_empty() {
        options.settings = Setting::BENCH.to_vec();
    }
    match options.record && !options.words.is_empty() {
        true => Err("--record takes all rows: what it keeps is the whole table".into()),
        false => Ok(options),
    }
}

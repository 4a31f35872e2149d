//! One setting, measured: every contender boots and runs the rows.

use super::contender::Contender;
use super::figures::{Figures, differences};
use super::login;
use super::results::Results;
use super::rows::{Row, Setting};

/// Samples of each row in a boot that counts instructions: they hardly differ.
const EXACT_SAMPLES: usize = 5;
/// Boots and samples for wall-clock times: best of 40, in turn.
const ROUNDS: usize = 8;
const WALL_SAMPLES: usize = 5;

/// Measures into `results`; true when the figures can be repeated.
pub fn setting(
    results: &mut Results,
    setting: Setting,
    rows: &[Row],
    contenders: &[Contender],
    twice: bool,
) -> bool {
    let names = program_rows(rows, setting);
    results.begin(setting);
    let rounds = if setting.best() { ROUNDS } else { 1 };
    let mut repeated = true;
    for round in 1..=rounds {
        for contender in contenders {
            let (title, count) = (contender.title, names.len());
            eprintln!(
                "== {}: {title}, {count} rows, {round} of {rounds}",
                setting.title()
            );
            let figures = once(contender, setting, &names);
            if twice && !setting.best() {
                let again = once(contender, setting, &names);
                let differing = differences(&figures, &again);
                repeated &= differing.is_empty();
                say_differences(title, &differing);
            }
            results.add(setting, contender.key, figures);
        }
    }
    repeated
}

fn once(contender: &Contender, setting: Setting, names: &[&str]) -> Figures {
    match setting {
        Setting::Boot => login::measure(contender, names),
        Setting::Wall => contender.run(setting, names, WALL_SAMPLES),
        _ => contender.run(setting, names, EXACT_SAMPLES),
    }
}

fn say_differences(title: &str, differing: &[String]) {
    match differing {
        [] => eprintln!("== {title}: a second boot gave the same digits"),
        names => eprintln!("== {title}: a second boot differed in {}", names.join(", ")),
    }
}

/// The words for `user/bench`, each once, in the table's order.
pub fn program_rows(rows: &[Row], setting: Setting) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.on.contains(&setting)) {
        if !names.contains(&row.program_row()) {
            names.push(row.program_row());
        }
    }
    names
}

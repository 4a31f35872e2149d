//! Every row by name; one family per file.

mod bandwidth;
mod calls;
mod events;
mod files;
mod futex;
mod kernel;
mod latency;
mod memory;
mod messages;
mod parallel;
mod ping_pong;
mod process;
mod service;
mod signals;
mod sleep;
mod storms;
mod switch;
mod threads;
mod wasted;

use crate::measure::{Outcome, Plan};

pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub run: fn(Plan) -> Outcome,
}

pub const fn row(name: &'static str, what: &'static str, run: fn(Plan) -> Outcome) -> Row {
    Row { name, what, run }
}

pub fn all() -> Vec<&'static Row> {
    [
        calls::ROWS,
        switch::ROWS,
        futex::ROWS,
        ping_pong::ROWS,
        process::ROWS,
        threads::ROWS,
        memory::ROWS,
        signals::ROWS,
        sleep::ROWS,
        messages::ROWS,
        events::ROWS,
        bandwidth::ROWS,
        files::ROWS,
        latency::ROWS,
        service::ROWS,
        storms::ROWS,
        kernel::ROWS,
        parallel::ROWS,
        wasted::ROWS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rows of these names, or all; a name that no row has is an error.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Row>, String> {
    let rows = all();
    if names.is_empty() {
        return Ok(rows);
    }
    let find = |name: &String| {
        let found = rows.iter().find(|row| row.name == name);
        found.copied().ok_or(format!("no row is called {name}"))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_unknown_ones_refused() {
        let mut names: Vec<_> = all().iter().map(|row| row.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(chosen(&["nothing".into()]).is_err());
    }
}

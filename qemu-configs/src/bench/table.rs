//! The table of one setting, as cells; printed for a terminal here.

use super::figures::{Figure, find};
use super::results::Results;
use super::rows::{Row, Setting};
use super::verdict::{Verdict, ratio};

pub const HEADER: [&str; 8] = [
    "",
    "Weft",
    "Linux",
    "default Linux",
    "floor",
    "ratio",
    "target",
    "",
];

pub struct Line {
    pub cells: [String; 8],
    pub verdict: Option<Verdict>,
    pub ratio: Option<f64>,
    pub target: Option<f64>,
    /// Why it is not what it should be.
    pub reason: Option<String>,
}

pub fn lines(results: &Results, rows: &[Row], setting: Setting) -> Vec<Line> {
    let rows = rows.iter().filter(|row| row.on.contains(&setting));
    rows.map(|row| line(results, row, setting)).collect()
}

fn line(results: &Results, row: &Row, setting: Setting) -> Line {
    let look = |key| match results.of(setting, key) {
        Some(figures) => find(figures, &row.name),
        None => Err(""),
    };
    let (ours, theirs) = (look("weft"), look("linux"));
    let ratio = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => Some(ratio(ours, theirs, value(setting))),
        _ => None,
    };
    let target = row.target_on(setting);
    let verdict = ratio.map(|ratio| Verdict::of(target, ratio));
    let cell = |figure: Result<&Figure, &str>| match figure {
        Ok(figure) => number(value(setting)(figure), figure.index),
        Err(why) => why.split(':').next().unwrap_or_default().to_string(),
    };
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or(String::new(), |value| format!("{value:.digits$}"))
    };
    Line {
        cells: [
            row.title.clone(),
            cell(ours),
            cell(theirs),
            cell(look("default")),
            optional(row.floor_on(setting), 0),
            optional(ratio, 2),
            optional(target, 2),
            verdict.map_or("", Verdict::word).to_string(),
        ],
        verdict,
        ratio,
        target,
        reason: match verdict {
            Some(Verdict::AboveTarget | Verdict::Lost) => row.reason.clone(),
            _ => None,
        },
    }
}

/// Exact settings show the median; on a busy host only the best time means something.
pub fn value(setting: Setting) -> fn(&Figure) -> f64 {
    match setting.best() {
        true => |figure| if figure.index { figure.max } else { figure.min },
        false => |figure| figure.median,
    }
}

/// `12,345`, or `0.9876` for an index.
pub fn number(value: f64, index: bool) -> String {
    if index {
        return format!("{value:.4}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn print(title: &str, lines: &[Line]) {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line.cells[column].chars().count());
        cells.chain([HEADER[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let show = |cells: [&str; 8]| {
        let padded = cells.iter().zip(&widths).enumerate();
        let text = padded.map(|(column, (cell, &width))| match column {
            0 | 7 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("{}", text.collect::<Vec<_>>().join("  ").trim_end());
    };
    println!("\n{title}");
    show(HEADER);
    lines
        .iter()
        .for_each(|line| show(line.cells.each_ref().map(String::as_str)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        assert_eq!(super::number(1_234_567.4, false), "1,234,567");
        assert_eq!(super::number(315.0, false), "315");
        assert_eq!(super::number(0.98765, true), "0.9877");
    }
}

//! The lines that tools read, one figure each:
//!
//! ```text
//! bench NAME median=M min=M max=M samples=N unit=ns|index|count
//! bench NAME unsupported: WHY
//! bench NAME failed: WHY
//! ```

use crate::measure::{Figure, Outcome, Trouble, Unit};

pub fn lines(row: &str, outcome: &Outcome) -> Vec<String> {
    match outcome {
        Ok(figures) => figures.iter().map(|figure| line(row, figure)).collect(),
        Err(Trouble::Unsupported(why)) => vec![format!("bench {row} unsupported: {why}")],
        Err(Trouble::Failed(why)) => vec![format!("bench {row} failed: {why}")],
    }
}

fn line(row: &str, figure: &Figure) -> String {
    let mut sorted = figure.samples.clone();
    sorted.sort_by(f64::total_cmp);
    let (median, min, max) = (
        sorted[sorted.len() / 2],
        sorted[0],
        sorted[sorted.len() - 1],
    );
    let dot = if figure.part.is_empty() { "" } else { "." };
    let (unit, digits) = match figure.unit {
        Unit::Nanoseconds => ("ns", 1),
        Unit::Index => ("index", 4),
        Unit::Count => ("count", 3),
    };
    format!(
        "bench {row}{dot}{} median={median:.digits$} min={min:.digits$} max={max:.digits$} samples={} unit={unit}",
        figure.part,
        sorted.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{figure, index};

    #[test]
    fn a_figure_is_one_line() {
        let outcome = Ok(vec![
            figure("p50", vec![3.0, 1.0, 2.25]),
            index("", vec![0.5]),
        ]);
        assert_eq!(
            lines("row", &outcome),
            [
                "bench row.p50 median=2.2 min=1.0 max=3.0 samples=3 unit=ns",
                "bench row median=0.5000 min=0.5000 max=0.5000 samples=1 unit=index",
            ]
        );
    }

    #[test]
    fn a_missing_call_is_said() {
        let outcome = Err(Trouble::Unsupported("Function not implemented".into()));
        assert_eq!(
            lines("row", &outcome),
            ["bench row unsupported: Function not implemented"]
        );
    }
}

//! Reads the lines of `user/bench` (their form: `user/bench/src/report.rs`).

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// More is better: an index or a factor. Otherwise nanoseconds, and less is.
    pub index: bool,
}

/// By name; a row that could not run has the reason under its own name.
pub type Figures = BTreeMap<String, Result<Figure, String>>;

/// The figures of a serial line, or why they are not complete.
pub fn read(serial: &str) -> Result<Figures, String> {
    let mut figures = Figures::new();
    for line in serial.lines() {
        let Some(rest) = line.trim_end().strip_prefix("bench ") else {
            continue;
        };
        if rest.starts_with("ends: ") {
            return Ok(figures);
        }
        let (name, rest) = rest.split_once(' ').ok_or(format!("cannot read: {line}"))?;
        figures.insert(name.to_string(), figure(rest).ok_or(rest.to_string()));
    }
    Err("it ended before its last row".into())
}

fn figure(text: &str) -> Option<Figure> {
    let word = |key: &str| text.split(' ').find_map(|word| word.strip_prefix(key));
    Some(Figure {
        median: word("median=")?.parse().ok()?,
        min: word("min=")?.parse().ok()?,
        max: word("max=")?.parse().ok()?,
        index: word("unit=")? == "index",
    })
}

/// What a name stands for: its figure, or why its row has none.
pub fn find<'a>(figures: &'a Figures, name: &str) -> Result<&'a Figure, &'a str> {
    let row = name.split('.').next().unwrap_or_default();
    match figures.get(name).or_else(|| figures.get(row)) {
        Some(Ok(figure)) => Ok(figure),
        Some(Err(why)) => Err(why),
        None => Err("not measured"),
    }
}

/// The best of two runs of the same rows, figure by figure.
pub fn best(old: &mut Figures, new: Figures) {
    for (name, figure) in new {
        match (old.get_mut(&name), figure) {
            (Some(Ok(old)), Ok(new)) => {
                old.min = old.min.min(new.min);
                old.max = old.max.max(new.max);
                old.median = old.median.min(new.median);
            }
            (Some(Ok(_)), Err(_)) => {}
            (_, figure) => drop(old.insert(name, figure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "[0.1] boot\nbench a median=2.0 min=1.0 max=3.0 samples=5 unit=ns\r\n\
        bench b.p50 median=0.5 min=0.5 max=0.5 samples=1 unit=index\n\
        bench c unsupported: no such call\nbench ends: 0 failed\n";

    #[test]
    fn figures_and_reasons_are_found() {
        let figures = read(LINES).unwrap();
        assert_eq!(find(&figures, "a").unwrap().median, 2.0);
        assert!(find(&figures, "b.p50").unwrap().index);
        assert_eq!(find(&figures, "c.p50"), Err("unsupported: no such call"));
        assert_eq!(find(&figures, "d"), Err("not measured"));
    }

    #[test]
    fn an_early_end_is_noticed() {
        assert!(read("bench a median=1.0 min=1.0 max=1.0 samples=1 unit=ns\n").is_err());
    }
}

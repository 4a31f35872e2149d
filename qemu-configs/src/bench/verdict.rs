//! Ours against Linux's: the ratio, and what it means.

use super::figures::Figure;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Below the target.
    Won,
    /// Below Linux, above the target.
    AboveTarget,
    Lost,
}

impl Verdict {
    pub fn of(target: Option<f64>, ratio: f64) -> Self {
        match ratio {
            ratio if ratio <= target.unwrap_or(1.0) => Self::Won,
            ratio if ratio < 1.0 => Self::AboveTarget,
            _ => Self::Lost,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::AboveTarget => "won, target missed",
            Self::Lost => "LOST",
        }
    }
}

/// Ours divided by theirs; the other way round where more is better, so that less than 1 is
/// always ours.
pub fn ratio(ours: &Figure, theirs: &Figure, value: fn(&Figure) -> f64) -> f64 {
    match ours.index {
        true => value(theirs) / value(ours),
        false => value(ours) / value(theirs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(median: f64, index: bool) -> Figure {
        Figure {
            median,
            min: median,
            max: median,
            index,
        }
    }

    #[test]
    fn less_than_one_is_ours() {
        let median = |figure: &Figure| figure.median;
        assert_eq!(ratio(&figure(1.0, false), &figure(2.0, false), median), 0.5);
        assert_eq!(ratio(&figure(2.0, true), &figure(1.0, true), median), 0.5);
    }

    #[test]
    fn a_target_is_more_than_a_win() {
        let words = [0.5, 0.9, 1.0].map(|ratio| Verdict::of(Some(0.5), ratio));
        assert_eq!(words, [Verdict::Won, Verdict::AboveTarget, Verdict::Lost]);
    }
}

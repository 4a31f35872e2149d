//! Reads `test NAME ... ok` lines, as cargo, the kernel and the user tests print them.
//!
//! On a console other lines may come in between: a name without a verdict waits for one.

#[derive(Default)]
pub struct Lines {
    pending: Option<String>,
    pub results: Vec<(String, Result<(), String>)>,
    /// The counts of the closing line, once it has come.
    pub closing: Option<(usize, usize)>,
}

impl Lines {
    pub fn of(text: &str) -> Self {
        let mut lines = Self::default();
        text.lines().for_each(|line| lines.take(line));
        lines
    }

    pub fn take(&mut self, line: &str) {
        let line = line.trim_end_matches('\r');
        if let Some(counts) = closing(line) {
            self.closing = Some(counts);
        } else if let Some((name, rest)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ..."))
        {
            self.pending = Some(name.to_string());
            self.verdict(rest.trim_start());
        } else {
            self.verdict(line);
        }
    }

    fn verdict(&mut self, text: &str) {
        let outcome = match text.trim_end() {
            "ok" => Ok(()),
            _ if text.starts_with("FAILED") => Err(text
                .trim_start_matches("FAILED")
                .trim_start_matches(": ")
                .to_string()),
            _ => return,
        };
        if let Some(name) = self.pending.take() {
            self.results.push((name, outcome));
        }
    }

    /// The closing line has come and says what the lines before it said.
    pub fn complete(&self) -> Result<(), String> {
        let failed = self
            .results
            .iter()
            .filter(|(_, outcome)| outcome.is_err())
            .count();
        let seen = (self.results.len() - failed, failed);
        match (self.closing, &self.pending) {
            (None, Some(name)) => Err(format!("it ended within {name}")),
            (None, None) => Err("there was no closing line".into()),
            (Some((0, 0)), _) => Err("no test ran".into()),
            (Some(counts), _) if counts != seen => Err(format!(
                "counted {seen:?}, the closing line says {counts:?}"
            )),
            (Some(_), _) => Ok(()),
        }
    }
}

/// `3 passed, 1 failed`
fn closing(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some((
        passed.parse().ok()?,
        failed.strip_suffix(" failed")?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_may_come_late_and_are_counted() {
        let lines =
            Lines::of("test a ... ok\ntest b ... [1.0] noise\nFAILED: why\r\n1 passed, 1 failed\n");
        assert_eq!(
            lines.results,
            [("a".into(), Ok(())), ("b".into(), Err("why".into()))]
        );
        assert!(lines.complete().is_ok());
    }

    #[test]
    fn an_early_end_is_noticed() {
        assert!(
            Lines::of("test a ... ok\ntest b ... ")
                .complete()
                .unwrap_err()
                .contains('b')
        );
        assert!(Lines::of("0 passed, 0 failed").complete().is_err());
        assert!(
            Lines::of("test a ... ok\n2 passed, 0 failed")
                .complete()
                .is_err()
        );
    }
}

//! The picture of one moment as lines of text with colours; no terminal needed to make it.

use common::cpus::Interval;
use std::collections::{HashMap, VecDeque};

const USER: &str = "\x1b[32m";
const SYSTEM: &str = "\x1b[33m";
const IRQ: &str = "\x1b[35m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const HISTORY: usize = 120;

#[derive(Default)]
pub struct View {
    /// Busy part of each CPU, oldest first.
    history: HashMap<usize, VecDeque<f64>>,
    pub by_load: bool,
    pub paused: bool,
}

impl View {
    pub fn remember(&mut self, intervals: &[Interval]) {
        for interval in intervals {
            let strip = self.history.entry(interval.number).or_default();
            strip.push_back(interval.busy());
            if strip.len() > HISTORY {
                strip.pop_front();
            }
        }
    }

    /// At most `rows` lines of at most `columns` places.
    pub fn lines(
        &self,
        intervals: &[Interval],
        names: &HashMap<u32, String>,
        columns: usize,
        rows: usize,
    ) -> Vec<String> {
        let mut order: Vec<&Interval> = intervals.iter().collect();
        if self.by_load {
            order.sort_by(|a, b| b.busy().total_cmp(&a.busy()));
        }
        // Number, bar, the fixed columns, and what is left over for history.
        let bar = (columns.saturating_sub(78) / 2).clamp(10, 40);
        let strip = columns.saturating_sub(bar + 74).min(HISTORY);
        let mut lines = vec![self.title(intervals), heading(bar)];
        lines.extend(
            order
                .iter()
                .map(|interval| self.line(interval, names, bar, strip)),
        );
        lines.push(format!("{DIM}{USER}█{PLAIN} user {SYSTEM}█{PLAIN} system {IRQ}█{PLAIN} interrupts   q quit  p pause  s sort"));
        lines.truncate(rows);
        lines
    }

    fn title(&self, intervals: &[Interval]) -> String {
        let busy: f64 = intervals.iter().map(Interval::busy).sum();
        let count = intervals.len();
        let state = if self.paused { "   paused" } else { "" };
        format!(
            "{BOLD}{count} CPUs, {:.1} % busy{PLAIN}{state}",
            100.0 * busy / count.max(1) as f64
        )
    }

    fn line(
        &self,
        interval: &Interval,
        names: &HashMap<u32, String>,
        bar: usize,
        strip: usize,
    ) -> String {
        let mut line = format!(
            "{:>3} {} {:>5.1}% ",
            interval.number,
            coloured_bar(interval, bar),
            100.0 * interval.busy()
        );
        line += &match &interval.rates {
            Some(rates) => {
                let current = rates
                    .current
                    .map_or("idle".into(), |id| match names.get(&id) {
                        Some(name) => format!("{name} {id}"),
                        None => id.to_string(),
                    });
                format!(
                    "{:>5} {current:18.18} {:>8.0} {:>7.0} {:>7.0} {:>7.0} ",
                    rates.ready, rates.switches, rates.steals, rates.migrations, rates.ipis
                )
            }
            None => format!(
                "{:>5} {:18} {:>8} {:>7} {:>7} {:>7} ",
                "-", "-", "-", "-", "-", "-"
            ),
        };
        line + &self.strip(interval.number, strip)
    }

    fn strip(&self, cpu: usize, width: usize) -> String {
        let Some(history) = self.history.get(&cpu) else {
            return String::new();
        };
        let recent = history.iter().skip(history.len().saturating_sub(width));
        recent
            .map(|busy| HEIGHTS[((busy * 8.0) as usize).min(7)])
            .collect()
    }
}

fn heading(bar: usize) -> String {
    format!(
        "{DIM}cpu {:bar$} {:>6} {:>5} {:18} {:>8} {:>7} {:>7} {:>7} history{PLAIN}",
        "", "busy", "ready", "running", "switch/s", "steal/s", "move/s", "ipi/s"
    )
}

fn coloured_bar(interval: &Interval, width: usize) -> String {
    let mut left = width;
    let mut bar = String::new();
    for (colour, part) in [
        (USER, interval.user),
        (SYSTEM, interval.system),
        (IRQ, interval.irq),
    ] {
        let places = ((part * width as f64).round() as usize).min(left);
        left -= places;
        bar += colour;
        bar.extend(std::iter::repeat_n('█', places));
    }
    bar += PLAIN;
    bar += DIM;
    bar.extend(std::iter::repeat_n('·', left));
    bar + PLAIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_always_as_wide_as_asked() {
        for (user, system, irq) in [
            (0.0, 0.0, 0.0),
            (0.5, 0.5, 0.0),
            (0.34, 0.33, 0.33),
            (1.0, 0.1, 0.1),
        ] {
            let interval = Interval {
                user,
                system,
                irq,
                ..Interval::default()
            };
            let places = coloured_bar(&interval, 20)
                .chars()
                .filter(|c| "█·".contains(*c))
                .count();
            assert_eq!(places, 20);
        }
    }

    #[test]
    fn the_busiest_comes_first_when_sorted_and_rows_are_kept() {
        let cpu = |number, user| Interval {
            number,
            user,
            ..Interval::default()
        };
        let view = View {
            by_load: true,
            ..View::default()
        };
        let lines = view.lines(&[cpu(0, 0.1), cpu(1, 0.9)], &HashMap::new(), 100, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].starts_with("  1"));
    }
}

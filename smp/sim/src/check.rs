//! `sim --check FILE`: what a guest counted (`stress --drill`) beside what the simulator says of
//! the same threads on the same CPUs.

use std::fmt::Write as _;

use crate::costs::Costs;
use crate::hardware::{Hardware, Layout};
use crate::machine::Machine;
use crate::policy::Kind;
use crate::workload::drill;

/// How far the two may be apart.
const LIMIT: f64 = 0.10;
/// Figures below this (per wake) are compared by their difference from it.
const FEW: f64 = 0.05;
const WARM_UP_NS: u64 = 20_000_000;
const SEEDS: u64 = 20;

/// What is compared: its name, and whether the guest's number is counted per wake.
const ROWS: [(&str, bool); 7] = [
    ("wakes per ms", false),
    ("switches per wake", true),
    ("preemptions per wake", true),
    ("steals per wake", true),
    ("migrations per wake", true),
    ("interrupts per wake", true),
    ("mean delay, ns", false),
];

type Values = [f64; ROWS.len()];

/// One drill in the guest.
struct Drill<'a> {
    name: &'a str,
    cpus: usize,
    span_ns: u64,
    values: Values,
}

/// A table of all drills whose lines are in `text`, and how many figures are too far apart.
pub fn table(text: &str) -> Result<(String, usize), String> {
    let mut table = String::from(
        "| drill | CPUs | figure | guest | simulator | apart | |\n|---|---|---|---|---|---|---|\n",
    );
    let drills: Vec<Drill> = text.lines().filter_map(parse).collect();
    if drills.is_empty() {
        return Err("no drill in what the guest printed".into());
    }
    let mut misses = 0;
    for drill in &drills {
        let simulated = drill.simulate().ok_or(format!("no drill {}", drill.name))?;
        for (row, (figure, _)) in ROWS.iter().enumerate() {
            let (guest, here) = (drill.values[row], simulated[row]);
            let apart = (here - guest) / guest.max(FEW);
            let mark = if apart.abs() <= LIMIT { "" } else { "🔴" };
            misses += usize::from(!mark.is_empty());
            let Drill { name, cpus, .. } = drill;
            let percent = 100.0 * apart;
            let _ = writeln!(
                table,
                "| {name} | {cpus} | {figure} | {guest:.3} | {here:.3} | {percent:+.1} % | {mark} |"
            );
        }
    }
    Ok((table, misses))
}

fn parse(line: &str) -> Option<Drill<'_>> {
    let line = line.get(line.find("drill=")?..)?;
    let word = |key: &str| {
        let mut words = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        words.find_map(|(name, value)| (name == key).then_some(value))
    };
    let number = |key: &str| word(key)?.parse::<f64>().ok();
    let (wakes, span_ns) = (number("wakes")?, number("span_ns")?);
    let preempted = number("involuntary")?;
    let counts = [
        wakes * 1e6 / span_ns,
        number("voluntary")? + preempted,
        preempted,
        number("steals")?,
        number("migrations")?,
        number("ipis_sent")?,
        number("delay_mean")?,
    ];
    let scaled = |row: usize| counts[row] / if ROWS[row].1 { wakes } else { 1.0 };
    Some(Drill {
        name: word("drill")?,
        cpus: word("cpus")?.parse().ok()?,
        span_ns: span_ns as u64,
        values: std::array::from_fn(scaled),
    })
}

impl Drill<'_> {
    /// The mean over some seeds.
    fn simulate(&self) -> Option<Values> {
        let mut sum = Values::default();
        for seed in 1..=SEEDS {
            for (sum, value) in sum.iter_mut().zip(self.once(seed)?) {
                *sum += value / SEEDS as f64;
            }
        }
        Some(sum)
    }

    fn once(&self, seed: u64) -> Option<Values> {
        let hardware = Hardware::new(Layout::flat(self.cpus, self.cpus), Costs::EXACT);
        let policy = Kind::Weft.build(&hardware, seed);
        let workload = drill::by_name(self.name, self.cpus as u32, seed)?;
        let mut machine = Machine::new(hardware, policy, workload);
        machine.run_until(WARM_UP_NS);
        machine.measure_from_here();
        machine.run_until(WARM_UP_NS + self.span_ns);
        let measure = &machine.measure;
        let counts = measure.counts(machine.hardware().counts());
        let wakes = measure.delay.count() as f64;
        let per_wake = |count: u64| count as f64 / wakes;
        Some([
            wakes * 1e6 / self.span_ns as f64,
            per_wake(counts.left),
            per_wake(counts.left - measure.done),
            per_wake(counts.steals),
            per_wake(measure.moves.iter().sum()),
            per_wake(counts.ipis),
            measure.delay.mean(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "drill=pair cpus=4 span_ns=200000000 wakes=8860 voluntary=8860 involuntary=0 \
                        steals=0 migrations=0 ipis_sent=8860 delay_mean=2376";

    #[test]
    fn a_guest_that_is_far_off_is_noticed() {
        let (_, misses) = table(LINE).unwrap();
        assert_eq!(misses, 0, "{}", table(LINE).unwrap().0);
        let (_, misses) = table(&LINE.replace("ipis_sent=8860", "ipis_sent=10100")).unwrap();
        assert_eq!(misses, 1);
    }

    #[test]
    fn nothing_to_compare_is_an_error() {
        assert!(table("Weft: booted").is_err());
    }
}

//! The table of `--report`: one line per worker, then the spread between them.

use crate::worker::Outcome;
use std::time::Duration;

pub fn print(outcomes: &[Outcome], elapsed: Duration) {
    for (number, outcome) in outcomes.iter().enumerate() {
        let places: Vec<String> = outcome
            .seen
            .iter()
            .map(|(cpu, count)| format!("{cpu}:{count}"))
            .collect();
        println!(
            "worker {number} {} iterations {} cpu {:.3}s share {:.1}% seen {}",
            outcome.kind.name(),
            outcome.iterations,
            outcome.cpu_time.as_secs_f64(),
            100.0 * outcome.cpu_time.as_secs_f64() / elapsed.as_secs_f64(),
            places.join(","),
        );
    }
    let times = || {
        outcomes
            .iter()
            .map(|outcome| outcome.cpu_time.as_secs_f64())
    };
    let (least, most) = (
        times().fold(f64::INFINITY, f64::min),
        times().fold(0.0, f64::max),
    );
    println!(
        "total iterations {} cpu {:.3}s in {:.3}s; least {least:.3}s most {most:.3}s per worker",
        outcomes
            .iter()
            .map(|outcome| outcome.iterations)
            .sum::<u64>(),
        times().sum::<f64>(),
        elapsed.as_secs_f64(),
    );
}

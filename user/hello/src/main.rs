//! `hello COUNT DELAY_MS`: a line, a pause, a line: the smallest program that sleeps.

use std::io::Write;
use std::time::Duration;

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let (count, delay_ms) = match numbers[..] {
        [] => (1, 0),
        [count] => (count, 1000),
        [count, delay_ms, ..] => (count, delay_ms),
    };
    for round in 1..=count {
        let line = format!(
            "hello {round}/{count} from process {}\n",
            std::process::id()
        );
        if std::io::stdout().write_all(line.as_bytes()).is_err() {
            return; // nobody reads on
        }
        if round < count {
            std::thread::sleep(Duration::from_millis(delay_ms));
        }
    }
}

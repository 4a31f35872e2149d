//! Lines for files and programs: a table per interval, or one JSON object.

use crate::Options;
use common::cpus::{self, Interval, Sample};
use std::io::Write;

pub fn run(options: &Options) -> Result<(), String> {
    let mut old = Sample::take()?;
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        std::thread::sleep(options.interval);
        let new = Sample::take()?;
        let intervals = cpus::between(&old, &new);
        let text = if options.json {
            format!("{}\n", cpus::json(&intervals))
        } else {
            table(&intervals)
        };
        let mut out = std::io::stdout().lock();
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(()); // the reader has seen enough
        }
        old = new;
        left -= 1;
    }
    Ok(())
}

fn table(intervals: &[Interval]) -> String {
    let mut text = format!(
        "{:>3} {:>6} {:>6} {:>6} {:>6} {:>5} {:>7} {:>9} {:>8} {:>8} {:>8}\n",
        "cpu",
        "user%",
        "sys%",
        "irq%",
        "idle%",
        "ready",
        "thread",
        "switch/s",
        "steal/s",
        "move/s",
        "ipi/s"
    );
    for interval in intervals {
        let percent = |part: f64| format!("{:6.1}", 100.0 * part);
        text += &format!(
            "{:>3} {} {} {} {}",
            interval.number,
            percent(interval.user),
            percent(interval.system),
            percent(interval.irq),
            percent(1.0 - interval.busy()),
        );
        text += &match &interval.rates {
            Some(rates) => format!(
                " {:>5} {:>7} {:>9.0} {:>8.0} {:>8.0} {:>8.0}\n",
                rates.ready,
                rates
                    .current
                    .map_or("idle".into(), |thread| thread.to_string()),
                rates.switches,
                rates.steals,
                rates.migrations,
                rates.ipis,
            ),
            None => format!(
                " {:>5} {:>7} {:>9} {:>8} {:>8} {:>8}\n",
                "-", "-", "-", "-", "-", "-"
            ),
        };
    }
    text
}

//! `--drill`: three small programs that the simulator runs too (`smp/sim`, `make sim-check`), and
//! what the kernel counted meanwhile.
//!
//! A drill warms up, reads the counters, goes on for its span and reads them again. One line says
//! how much they grew, and how long threads waited from their wake to their first instruction.

mod clock;
mod counters;
mod parts;

use crate::random::Random;
use counters::Counters;
use parts::{Kind, Stage};
use std::process::ExitCode;
use std::time::Duration;

pub struct Plan {
    pub kind: String,
    pub seed: u64,
    pub seconds: f64,
}

const WARM_UP: Duration = Duration::from_millis(20);

pub fn run(plan: &Plan) -> Result<ExitCode, String> {
    let kind = Kind::by_name(&plan.kind).ok_or("--drill: pair, mixed or burst")?;
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let stage = Stage::new(kind, cpus);
    let (stage, seed) = (&stage, plan.seed);
    let (counts, mut delays, span) = std::thread::scope(|scope| {
        let part = |number| {
            let random = Random::new(seed, number as u64);
            scope.spawn(move || parts::play(stage, number, random))
        };
        let threads: Vec<_> = (0..stage.threads()).map(part).collect();
        std::thread::sleep(WARM_UP);
        let (before, from) = (Counters::now(), clock::now());
        std::thread::sleep(Duration::from_secs_f64(plan.seconds));
        let (after, until) = (Counters::now(), clock::now());
        stage.end();
        let waits = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default());
        let inside = waits.filter(|wait| (from..until).contains(&wait.woken_at));
        let delays: Vec<u64> = inside.map(|wait| wait.delay).collect();
        (after.grown(&before), delays, until - from)
    });
    delays.sort_unstable();
    let count = delays.len().max(1);
    let mean = delays.iter().sum::<u64>() / count as u64;
    let at = |percent: usize| delays.get(count * percent / 100).copied().unwrap_or(0);
    println!(
        "drill={} cpus={cpus} span_ns={span} wakes={} {counts} delay_mean={mean} delay_p50={} \
         delay_p99={}",
        plan.kind,
        delays.len(),
        at(50),
        at(99),
    );
    Ok(ExitCode::SUCCESS)
}

//! Random and PCT searches, a seed each, and mutants that they must find.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use smp::sync::mutant;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

/// Schedules tried with one seed. PCT learns from the first how long a run is.
const SCHEDULES: usize = 20;
/// Forced changes of priority in a PCT schedule.
const CHANGES: usize = 3;
/// A bug that two mistimed steps bring out is found within so many seeds, many times over.
const SEEDS_FOR_A_MUTANT: u64 = 400;

/// How many seeds a model that holds is tried with: `WEFT_SEEDS`, or a few.
fn seeds() -> u64 {
    let set = std::env::var("WEFT_SEEDS").ok();
    set.map_or(30, |seeds| seeds.parse().expect("WEFT_SEEDS is a number"))
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.max_steps = MaxSteps::FailAfter(2_000_000);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config
}

/// The queues of timers are static, and shuttle's atomics belong to one search at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Tries one seed's schedules: random ones for even seeds, PCT for odd.
fn try_seed(seed: u64, model: fn()) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    fn run(scheduler: impl Scheduler + 'static, model: fn()) {
        Runner::new(scheduler, config()).run(model);
    }
    match seed % 2 {
        0 => run(RandomScheduler::new_from_seed(seed, SCHEDULES), model),
        _ => run(PctScheduler::new_from_seed(seed, CHANGES, SCHEDULES), model),
    }
}

/// The model holds in every schedule tried.
pub fn holds(model: fn()) {
    let chosen = std::env::var("WEFT_SEED").ok();
    let range = match chosen.map(|seed| seed.parse::<u64>().expect("WEFT_SEED is a number")) {
        Some(seed) => seed..seed + 1,
        None => 0..seeds(),
    };
    for seed in range {
        if let Err(why) = catch_unwind(AssertUnwindSafe(|| try_seed(seed, model))) {
            eprintln!("seed {seed}; run it again with WEFT_SEED={seed}");
            resume_unwind(why);
        }
    }
}

/// With `name` active, some schedule makes the model fail and give one of `reasons`: its own, or
/// what the scheduler's checker says when it is quicker.
pub fn finds(name: &'static str, reasons: &[&str], model: fn()) {
    mutant::activate(name);
    for seed in 0..SEEDS_FOR_A_MUTANT {
        let Err(why) = catch_unwind(AssertUnwindSafe(|| try_seed(seed, model))) else {
            continue;
        };
        let text = why
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| why.downcast_ref::<&str>().map(|text| text.to_string()))
            .unwrap_or_default();
        assert!(
            reasons.iter().any(|reason| text.contains(reason)),
            "{name} fails for another reason: {text}"
        );
        println!("{name}: found with seed {seed}");
        return;
    }
    panic!("{name}: no schedule shows it");
}

//! `--storm`: threads that wake, sleep, pin, re-prioritise, kill and end one another at random,
//! and the checks that nobody is lost or where they should not be.
//!
//! Everything random comes from `--seed`. A monitor starts threads anew that have ended, sends
//! wakes so that the storm never dies down, and finds threads that sleep although they were woken.
//! What the kernel's own checkers found is added from /proc/schedstat.

mod kernel;
mod slot;
mod steps;

use crate::random::Random;
use slot::Slot;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How big a storm, and how long: until either limit is reached.
pub struct Plan {
    pub threads: usize,
    pub seed: u64,
    pub seconds: f64,
    pub switches: u64,
}

/// What all threads of a storm share.
pub struct Storm {
    slots: Vec<Slot>,
    cpus: Vec<usize>,
    stop: AtomicBool,
    breaches: AtomicU64,
    counts: [AtomicU64; steps::KINDS],
}

impl Storm {
    /// Something that must not happen has happened.
    fn breach(&self, what: std::fmt::Arguments<'_>) {
        self.breaches.fetch_add(1, Relaxed);
        println!("storm: BREACH: {what}");
    }
}

/// A wake that has not arrived after this long is lost, on a busy host too.
const PATIENCE: Duration = Duration::from_secs(60);
const REPORT_EVERY: Duration = Duration::from_secs(10);

pub fn run(plan: &Plan) -> ExitCode {
    let storm = Arc::new(Storm {
        slots: (0..plan.threads).map(|_| Slot::default()).collect(),
        cpus: steps::own_cpus(),
        stop: AtomicBool::new(false),
        breaches: AtomicU64::new(0),
        counts: [const { AtomicU64::new(0) }; steps::KINDS],
    });
    steps::install_handler();
    steps::be_urgent();
    println!(
        "storm: seed {}, {} threads, CPUs {:?}",
        plan.seed, plan.threads, storm.cpus
    );
    let before = kernel::switches();
    let started = Instant::now();
    monitor(plan, &storm, before, started);
    let switches = kernel::switches() - before;
    let found = storm.breaches.load(Relaxed) + kernel::breaches();
    for (name, count) in steps::NAMES.iter().zip(&storm.counts) {
        print!("{name} {}  ", count.load(Relaxed));
    }
    println!(
        "\nstorm: seed {}: {switches} switches in {:.0} s, {found} breaches",
        plan.seed,
        started.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(found != 0))
}

/// Keeps the storm going until its time is up, then waits for every thread.
fn monitor(plan: &Plan, storm: &Arc<Storm>, before: u64, started: Instant) {
    let mut random = Random::new(plan.seed, u64::MAX);
    let mut lives = 0;
    let mut threads: Vec<Option<JoinHandle<()>>> = (0..plan.threads).map(|_| None).collect();
    let mut reported = started;
    let over = |now: Instant| {
        let switches = kernel::switches() - before;
        (now - started).as_secs_f64() >= plan.seconds || switches >= plan.switches
    };
    while !over(Instant::now()) {
        for (index, thread) in threads.iter_mut().enumerate() {
            if thread.as_ref().is_none_or(JoinHandle::is_finished) {
                lives += 1;
                *thread = start(storm, index, Random::new(plan.seed, lives));
            }
        }
        for _ in 0..8 {
            storm.slots[random.below(plan.threads)].post();
        }
        find_lost_wakes(storm);
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            let switches = kernel::switches() - before;
            println!("storm: {switches} switches, {lives} lives");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    storm.stop.store(true, Relaxed);
    while threads.iter().flatten().any(|thread| !thread.is_finished()) {
        storm.slots.iter().for_each(Slot::post);
        find_lost_wakes(storm);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn start(storm: &Arc<Storm>, index: usize, mut random: Random) -> Option<JoinHandle<()>> {
    let storm = Arc::clone(storm);
    let life = move || steps::live(&storm, index, &mut random);
    let thread = std::thread::Builder::new().name(format!("storm-{index}"));
    // No memory for another: the next round of the monitor tries again.
    thread.stack_size(64 << 10).spawn(life).ok()
}

fn find_lost_wakes(storm: &Storm) {
    for (index, slot) in storm.slots.iter().enumerate() {
        if slot.has_overslept(PATIENCE) {
            storm.breach(format_args!("storm-{index} sleeps through a wake"));
        }
    }
}

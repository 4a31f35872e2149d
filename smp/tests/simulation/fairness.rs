//! Shares of the fair class: on one CPU within the bounds of EEVDF, across CPUs over time.

use crate::machine::{MS, Machine, Step, US};
use crate::{cpus, jain, spec};
use smp::{Policy, ThreadRef};

fn ran(machine: &Machine, thread: &ThreadRef) -> u64 {
    thread.stats_at(machine.now()).run_ns
}

/// Nobody is ever further from the ideal than a slice of the one and the slice of another.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn lag_stays_within_a_slice_either_way() {
    let nice = [0, 0, 3, -5, 10];
    let weights = [1024.0, 1024.0, 526.0, 3121.0, 110.0];
    let total: f64 = weights.iter().sum();
    let mut machine = Machine::new(1, 1);
    let hogs: Vec<_> = nice.map(|nice| machine.hog(spec().nice(nice))).into();
    // The first request was made while fewer wanted to run.
    machine.run_until(100 * MS);
    let before: Vec<u64> = hogs.iter().map(|hog| ran(&machine, hog)).collect();
    let begin = machine.now();
    for at in 100..2000 {
        machine.run_until(at * MS + 137 * US);
        for (n, hog) in hogs.iter().enumerate() {
            let served = (ran(&machine, hog) - before[n]) as f64;
            let ideal = (machine.now() - begin) as f64 * weights[n] / total;
            let lag = (ideal - served) / MS as f64;
            assert!(lag.abs() < 3.0, "nice {} at {at} ms: lag {lag} ms", nice[n]);
        }
    }
}

/// The lightest weight makes the fastest clock.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn shares_are_even_after_years_of_one_idle_class_thread() {
    const MINUTE: u64 = 60 * 1000 * MS;
    let mut machine = Machine::new(1, 1);
    let lightest = || spec().policy(Policy::Idle);
    let first = machine.hog(lightest());
    let seldom = vec![
        Step::Run(10 * US),
        Step::Sleep(15 * MINUTE),
        Step::Repeat(u64::MAX),
    ];
    machine.spawn(spec(), seldom);
    machine.run_until(3 * 365 * 24 * 60 * MINUTE);
    let second = machine.hog(lightest());
    let before = ran(&machine, &first);
    machine.run_until(machine.now() + 1000 * MS);
    let (one, other) = (ran(&machine, &first) - before, ran(&machine, &second));
    assert!(one.abs_diff(other) < 20 * MS, "{one} and {other} ns");
}

/// Jain's index of `hogs` threads on four CPUs over three seconds.
fn fairness_of(hogs: usize) -> f64 {
    let mut machine = Machine::new(4, 4);
    let hogs: Vec<_> = (0..hogs).map(|_| machine.hog(spec())).collect();
    machine.run_until(3000 * MS);
    assert!(machine.wasted_ns < MS, "wasted {} ns", machine.wasted_ns);
    jain(&machine, &hogs)
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn uneven_counts_come_to_even_shares() {
    for hogs in [5, 6, 7, 8, 9, 11] {
        let index = fairness_of(hogs);
        assert!(index >= 0.99, "{hogs} hogs on 4 CPUs: Jain {index}");
    }
}

/// The share of a CPU each of the hogs of such nice values gets on `cpus` CPUs.
fn shares(cpus: usize, nice: &[i8]) -> Vec<f64> {
    const BEGIN: u64 = 500 * MS;
    const TIME: u64 = 8000 * MS;
    let mut machine = Machine::new(cpus, cpus);
    let hogs: Vec<_> = nice.iter().map(|&n| machine.hog(spec().nice(n))).collect();
    machine.run_until(BEGIN);
    let before: Vec<u64> = hogs.iter().map(|hog| ran(&machine, hog)).collect();
    machine.run_until(BEGIN + TIME);
    let after = hogs.iter().map(|hog| ran(&machine, hog));
    let times = after.zip(before).map(|(after, before)| after - before);
    times.map(|time| time as f64 / TIME as f64).collect()
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn weights_count_across_cpus_too() {
    let cases: [(usize, &[i8], &[f64]); 4] = [
        (4, &[0, 19, 0, 19, 0, 19, 0, 19], &[0.985, 0.015]),
        (4, &[0, 0, 0, 0, 19, 19, 19, 19], &[0.985, 0.015]),
        // A thread cannot use more than one CPU; the others have what it leaves.
        (2, &[-10, 0, 0, 0], &[1.0, 0.333]),
        (4, &[-3, 0, 0, 0, 0, 2, 5], &[1.0, 0.604, 0.386, 0.198]),
    ];
    for (cpus, nice, ideal) in cases {
        let mut by_nice: Vec<i8> = nice.to_vec();
        by_nice.sort_unstable();
        by_nice.dedup();
        for (share, nice_of) in shares(cpus, nice).iter().zip(nice) {
            let ideal = ideal[by_nice.partition_point(|nice| nice < nice_of)];
            let near = (share - ideal).abs() < 0.05;
            assert!(near, "nice {nice_of} of {nice:?}: {share}, ideally {ideal}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn restricted_threads_take_turns_too() {
    let mut machine = Machine::new(4, 4);
    let hogs: Vec<_> = (0..4)
        .map(|_| machine.hog(spec().affinity(cpus("0-2"))))
        .collect();
    machine.run_until(3000 * MS);
    let index = jain(&machine, &hogs);
    assert!(index >= 0.99, "4 hogs on 3 of 4 CPUs: Jain {index}");
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn short_naps_do_not_buy_more_than_a_share() {
    let mut machine = Machine::new(1, 1);
    (0..4).for_each(|_| drop(machine.hog(spec())));
    let steps = vec![Step::Run(MS), Step::Sleep(200 * US), Step::Repeat(10_000)];
    let napper = machine.spawn(spec(), steps);
    machine.run_until(3000 * MS);
    let share = ran(&machine, &napper) as f64 / machine.now() as f64;
    assert!((0.15..0.22).contains(&share), "share {share} of a fifth");
}

/// One CPU, and on it a hog that has had what it asked for when it came.
fn beside_a_hog() -> Machine {
    let mut machine = Machine::new(1, 1);
    machine.hog(spec());
    machine.run_until(10 * MS);
    machine
}

/// How long a thread that wakes waits for a CPU that a normal hog has, on average.
fn wait_beside_a_hog(policy: Policy) -> u64 {
    let mut machine = beside_a_hog();
    let steps = vec![Step::Run(100 * US), Step::Sleep(20 * MS), Step::Repeat(50)];
    let thread = machine.spawn(spec().policy(policy), steps);
    machine.run_until(2000 * MS);
    let stats = thread.stats_at(machine.now());
    stats.wait_ns / stats.runs
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_batch_thread_does_not_preempt_when_it_wakes() {
    let (normal, batch) = (
        wait_beside_a_hog(Policy::Normal),
        wait_beside_a_hog(Policy::Batch),
    );
    assert!(normal < 20 * US, "normal: {normal} ns");
    assert!(batch > 200 * US, "batch: {batch} ns");
}

/// How long one waits, on average, whom a thread wakes that has woken itself and runs on for
/// 200 us, beside a hog on the same CPU.
fn wait_for_a_newcomer(wake: fn(u32) -> Step) -> u64 {
    let mut machine = beside_a_hog();
    let answers = vec![Step::Park, Step::Run(20 * US), Step::Repeat(u64::MAX)];
    let answerer = machine.spawn(spec(), answers);
    let asks = vec![
        Step::Sleep(10 * MS),
        wake(answerer.tid()),
        Step::Run(200 * US),
        Step::Repeat(u64::MAX),
    ];
    machine.spawn(spec(), asks);
    machine.run_until(500 * MS);
    let stats = answerer.stats_at(machine.now());
    assert!(stats.runs > 40, "{} runs", stats.runs);
    stats.wait_ns / stats.runs
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_newcomer_is_preempted_by_whom_it_calls_and_not_by_whom_it_wakes() {
    let (called, woken) = (
        wait_for_a_newcomer(Step::Call),
        wait_for_a_newcomer(Step::Wake),
    );
    assert!(called < 30 * US, "called: {called} ns");
    assert!(woken > 2 * called, "woken: {woken} ns");
}

/// A writer that wakes its reader every 30 us, on one CPU: how often the reader runs in half a
/// second; and how long a thread that a timer wakes waits beside them, on average.
fn beside_a_writer(first: Step) -> (u64, u64) {
    let mut machine = Machine::new(1, 1);
    let read = vec![Step::Park, Step::Run(10 * US), Step::Repeat(u64::MAX)];
    let reader = machine.spawn(spec(), read);
    let naps = vec![
        Step::Sleep(20 * MS),
        Step::Run(100 * US),
        Step::Repeat(u64::MAX),
    ];
    let napper = machine.spawn(spec(), naps);
    let (run, wake) = (Step::Run(30 * US), Step::Wake(reader.tid()));
    machine.spawn(spec(), vec![first, run, wake, Step::Repeat(u64::MAX)]);
    machine.run_until(500 * MS);
    let naps = napper.stats_at(machine.now());
    (
        reader.stats_at(machine.now()).runs,
        naps.wait_ns / naps.runs,
    )
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_bulk_transfer_is_not_preempted_by_whom_it_wakes() {
    let (runs, usual_ns) = beside_a_writer(Step::Run(US));
    assert!(runs > 5_000, "after every write: {runs} runs");
    let (runs, wait_ns) = beside_a_writer(Step::MoveBulk);
    assert!(
        runs < 500,
        "when a request of the writer is served: {runs} runs"
    );
    assert!(
        wait_ns < usual_ns + 20 * US,
        "interrupts are no transfer: {wait_ns} ns, {usual_ns} ns without one"
    );
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn an_idle_thread_gets_what_is_left_and_gives_way_at_once() {
    let mut machine = Machine::new(1, 1);
    let idle = machine.hog(spec().policy(Policy::Idle));
    machine.run_until(100 * MS);
    assert!(ran(&machine, &idle) > 99 * MS, "nobody else wants to run");
    let steps = vec![Step::Run(100 * US), Step::Sleep(5 * MS), Step::Repeat(100)];
    let normal = machine.spawn(spec(), steps);
    machine.run_until(1000 * MS);
    let stats = normal.stats_at(machine.now());
    assert!(
        stats.wait_ns / stats.runs < 10 * US,
        "{} ns a run",
        stats.wait_ns / stats.runs
    );
    let before = ran(&machine, &idle);
    machine.hog(spec());
    machine.run_until(11_000 * MS);
    let share = (ran(&machine, &idle) - before) as f64 / 10_000.0 / MS as f64;
    assert!(
        (0.001..0.005).contains(&share),
        "share {share}, by weight 3 of 1027"
    );
}

/// A yield is a place behind all that wait: whoever comes waits for one turn of each at most.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn those_that_yield_take_turns_with_a_newcomer() {
    const TURN: u64 = 5 * US;
    const OTHERS: u64 = 20;
    let mut machine = Machine::new(1, 1);
    for _ in 0..OTHERS {
        let steps = vec![Step::Run(TURN), Step::Yield, Step::Repeat(u64::MAX)];
        machine.spawn(spec(), steps);
    }
    for at in 1..50 {
        machine.run_until(at * 7 * MS);
        let newcomer = machine.spawn(
            spec(),
            vec![Step::Run(TURN), Step::Sleep(MS), Step::Run(US)],
        );
        machine.run_until((at + 1) * 7 * MS - 1);
        let waited = newcomer.stats_at(machine.now()).wait_ns;
        let bound = 2 * (OTHERS + 1) * (TURN + US);
        assert!(waited <= bound, "waited {waited} ns twice, not {bound}");
    }
}

/// A limit of 0 leaves real time what the fair class does not want, and the CPU in peace: its
/// timer is not set for a period that is over.
#[test]
fn real_time_without_a_budget_waits_for_the_fair_class() {
    let mut machine = Machine::new(1, 1);
    let limit = smp::Runtime::realtime_limit(&machine.sched);
    limit.set_runtime_ns(Some(0)).unwrap();
    let urgent = machine.hog(spec().policy(Policy::Fifo(1)));
    let fair = machine.hog(spec());
    machine.run_until(2_000 * MS);
    // What had begun when the limit was not known yet lasts for a turn.
    assert!(ran(&machine, &fair) > 1_800 * MS);
    assert!(ran(&machine, &urgent) < 200 * MS);
}

/// A wake that arrives while a real-time thread yields is not taken for served by that: without a
/// budget left the fair class goes first.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn real_time_that_yields_does_not_overlook_who_comes() {
    let mut machine = Machine::new(2, 1);
    let limit = smp::Runtime::realtime_limit(&machine.sched);
    limit.set_runtime_ns(Some(0)).unwrap();
    let on = |cpu| spec().affinity(cpus(cpu));
    let again = Step::Repeat(u64::MAX);
    let yields = vec![Step::Run(US), Step::Yield, again.clone()];
    machine.spawn(on("0").policy(Policy::Fifo(1)), yields);
    let answers = vec![Step::Park, Step::Run(5 * US), again.clone()];
    let answerer = machine.spawn(on("0"), answers);
    let asks = vec![Step::Run(37 * US), Step::Wake(answerer.tid()), again];
    machine.spawn(on("1"), asks);
    machine.run_until(500 * MS);
    let stats = answerer.stats_at(machine.now());
    assert!(stats.runs > 10_000, "{} runs", stats.runs);
    assert!(stats.wait_ns / stats.runs < 10 * US, "{} ns", stats.wait_ns);
}

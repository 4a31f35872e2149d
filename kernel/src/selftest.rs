//! Tests that only the machine itself can answer, run by `weft.selftest` on the command line:
//! `weft.selftest` runs all of them, `weft.selftest=a,b` the named ones; then the power goes off.
//!
//! One line each, `test NAME ... ok` or `FAILED: why`, and at the end `N passed, N failed`. A test
//! that hangs is the runner's to notice.

mod costs;
mod hardware;
mod hotplug;
mod inversion;
mod kernel_threads;
mod memory;
mod scheduling;
mod storms;

use crate::arch::aarch64::psci;
use crate::machine::Machine;
use crate::report::print;

pub use memory::overflow_was_wanted;

/// Why a test failed.
type Outcome = Result<(), &'static str>;

type Test = (&'static str, fn() -> Outcome);

const TESTS: &[Test] = &[
    ("clock", hardware::clock_moves_on_every_cpu),
    ("fp-registers", hardware::fp_registers_follow_their_owner),
    ("store-buffer", hardware::fences_order_stores_before_loads),
    (
        "write-xor-execute",
        memory::nothing_is_writable_and_executable,
    ),
    ("user-copies", memory::bad_user_addresses_are_fixed_up),
    ("heap", memory::heap_survives_all_cpus),
    ("stack-guard", memory::overflow_hits_the_guard),
    ("sleep", scheduling::sleeps_last_as_long_as_asked),
    ("idle-sleeps", scheduling::idle_cpus_sleep),
    ("preemption", scheduling::spinning_threads_are_preempted),
    ("spread", scheduling::load_reaches_every_cpu),
    ("wake-remote", scheduling::wakes_cross_cpus),
    ("affinity", scheduling::affinity_is_obeyed),
    (
        "urgent-elsewhere",
        scheduling::urgent_threads_wait_for_nobody,
    ),
    ("thread-churn", storms::threads_leave_nothing_behind),
    ("kthread-handles", kernel_threads::handles),
    ("kthread-waiting", kernel_threads::waiting),
    ("inversion", inversion::inversion),
    ("cpu-time", storms::cpu_time_adds_up),
    ("ten-thousand", storms::ten_thousand_threads_leave_nothing),
    ("four-thousand", storms::four_thousand_threads_at_once),
    ("hotplug", hotplug::cpus_come_and_go),
];

/// Tests that take long, and figures that mean something under icount: run only when named.
const NAMED_TESTS: &[Test] = &[
    ("hotplug-1000", hotplug::cpus_come_and_go_for_long),
    ("kernel-yield-round", costs::yield_round),
    ("kernel-threads-1000", costs::thousand_threads),
];

/// The error unless `condition` holds.
fn check(condition: bool, why: &'static str) -> Outcome {
    if condition { Ok(()) } else { Err(why) }
}

/// Runs the tests the command line asks for and powers the machine off.
pub fn run(machine: &Machine) {
    let wanted = machine.option("weft.selftest").unwrap_or_default();
    let is_named = |name: &str| wanted.split(',').any(|word| word == name);
    let usual = TESTS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || is_named(name));
    let named = NAMED_TESTS.iter().filter(|(name, _)| is_named(name));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in usual.chain(named) {
        match test() {
            Ok(()) => {
                passed += 1;
                print(format_args!("test {name} ... ok\n"));
            }
            Err(why) => {
                failed += 1;
                print(format_args!("test {name} ... FAILED: {why}\n"));
            }
        }
    }
    let is_known = |word: &str| {
        [TESTS, NAMED_TESTS]
            .concat()
            .iter()
            .any(|(name, _)| *name == word)
    };
    let unknown = |word: &&str| !word.is_empty() && !is_known(word);
    for word in wanted.split(',').filter(unknown) {
        failed += 1;
        print(format_args!("test {word} ... FAILED: no such test\n"));
    }
    print(format_args!("{passed} passed, {failed} failed\n"));
    log::error!("power off failed: {:?}", psci::system_off());
}

/// Runs `work(index)` in one thread for each online CPU, pinned there, and waits for all.
fn on_every_cpu(work: impl Fn(usize) + Send + Sync + Clone + 'static) {
    let cpus = smp::online_cpus();
    let spawn = |(index, cpu): (usize, percpu::CpuId)| {
        let work = work.clone();
        let spec = smp::ThreadSpec::new("selftest", move || work(index));
        smp::spawn(spec.affinity(core::iter::once(cpu).collect())).expect("memory for a thread")
    };
    let threads: alloc::vec::Vec<_> = cpus.iter().enumerate().map(spawn).collect();
    threads.iter().for_each(|thread| thread.join());
}

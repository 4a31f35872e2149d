//! Each checker can fail: the real scheduler with one fault put in by hand.

use percpu::{CpuId, CpuSet};

use crate::Runtime;
use crate::held::Held;
use crate::testing::bench::bench;

#[test]
#[should_panic(expected = "scheduler check Token")]
fn a_thread_taken_twice_is_found() {
    let bench = bench();
    let thread = bench.thread(CpuSet::ALL);
    bench.start(&thread);
    // SAFETY: the fault under test; nothing is done with either.
    let _first = unsafe { Held::assume(&raw const *thread) };
    // SAFETY: as above.
    let _second = unsafe { Held::assume(&raw const *thread) };
}

#[test]
#[should_panic(expected = "scheduler check TwoCpus")]
fn a_thread_on_two_cpus_is_found() {
    let bench = bench();
    let thread = bench.thread(CpuSet::ALL);
    bench.start(&thread);
    bench.idle_look();
    assert_eq!(bench.current(), thread);
    bench.on(1).force(&thread);
}

#[test]
#[should_panic(expected = "scheduler check Affinity")]
fn a_thread_on_a_forbidden_cpu_is_found() {
    let bench = bench();
    let thread = bench.thread(CpuSet::single(CpuId::new(0)));
    bench.start(&thread);
    // As if CPU 1 had picked it without looking.
    bench.on(1).force(&thread);
}

/// CPU 1 sleeps; CPU 0 runs one thread while another waits for `wait_ns`.
fn wait_beside_a_sleeper(is_findable: bool, wait_ns: u64) {
    let bench = bench();
    bench.on(1).idle_look();
    assert!(bench.begin_wait());
    if !is_findable {
        // The fault: it sleeps, and nobody can know.
        bench.idle.remove(&bench.map, CpuId::new(1));
    }
    let first = bench.thread(CpuSet::single(CpuId::new(0)));
    let second = bench.thread(CpuSet::ALL);
    bench.on(0).start(&first);
    bench.idle_look();
    bench.start(&second);
    assert_eq!(second.cpu(), CpuId::new(usize::from(is_findable)));
    for _ in 0..20 {
        bench.pass(wait_ns / 20);
        bench.on_reschedule_ipi();
    }
    bench.bury_current();
}

#[test]
#[should_panic(expected = "scheduler check Conservation")]
fn a_cpu_that_sleeps_while_work_waits_is_found() {
    wait_beside_a_sleeper(false, 50_000_000);
}

#[test]
fn a_short_wait_and_a_cpu_that_was_asked_are_no_breach() {
    wait_beside_a_sleeper(false, 10_000_000);
    wait_beside_a_sleeper(true, 50_000_000);
}

/// A peer has posted the thread's control node and is slow to deliver it.
#[test]
fn a_change_of_ones_own_affinity_does_not_wait_for_a_node_in_flight() {
    let bench = bench();
    let thread = bench.thread(CpuSet::ALL);
    bench.start(&thread);
    bench.idle_look();
    assert_eq!(bench.current(), thread);
    thread
        .control_posted
        .store(true, crate::sync::Ordering::Release);
    let elsewhere = CpuSet::single(CpuId::new(1));
    bench
        .set_affinity(&thread, &elsewhere)
        .expect("CPU 1 is online");
    bench.preempt_if_needed();
    assert_ne!(bench.current(), thread, "it goes on where it may not");
}

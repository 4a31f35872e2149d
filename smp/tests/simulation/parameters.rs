//! Changed parameters take effect at once, wherever the thread is; and a real-time thread's place
//! among its equals afterwards is the one sched(7) gives it.

use crate::machine::{MS, Machine, US};
use crate::spec;
use smp::{CpuId, CpuSet, Params, Policy, ThreadRef};

fn fifo(machine: &mut Machine, priority: u8) -> ThreadRef {
    machine.hog(spec().policy(Policy::Fifo(priority)))
}

fn ran(machine: &Machine, thread: &ThreadRef) -> u64 {
    thread.stats_at(machine.now()).run_ns
}

/// The one of `threads` that runs on CPU 0.
fn runs<'a>(machine: &Machine, threads: &'a [ThreadRef]) -> Option<&'a ThreadRef> {
    let current = smp::Runtime::cpu_stats(&machine.sched, CpuId::new(0)).current;
    threads.iter().find(|thread| Some(thread.id()) == current)
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_nice_value_counts_at_once() {
    let mut machine = Machine::new(2, 2);
    let both = [0, 1].map(|_| machine.hog(spec().affinity(CpuSet::single(CpuId::new(1)))));
    machine.run_until(100 * MS);
    machine.set_nice(&both[0], 19);
    machine.set_nice(&both[1], -20);
    let before = both.each_ref().map(|thread| ran(&machine, thread));
    machine.run_until(1100 * MS);
    let [weak, strong] = [0, 1].map(|n| ran(&machine, &both[n]) - before[n]);
    assert!(strong > 990 * MS, "it ran {strong} ns, the other {weak} ns");
}

#[test]
fn a_raised_thread_preempts_at_once_from_any_cpu() {
    for changer in [0, 1] {
        let mut machine = Machine::new(2, 2);
        let on_zero = || spec().affinity(CpuSet::single(CpuId::new(0)));
        let first = machine.hog(on_zero().policy(Policy::Fifo(10)));
        let second = machine.hog(on_zero());
        machine.run_until(5 * MS);
        let both = [first.clone(), second.clone()];
        assert_eq!(runs(&machine, &both), Some(&first));
        let policy = Policy::Fifo(11);
        machine.change(changer, &second, &|params| Params { policy, ..params });
        machine.run_until(machine.now() + 10 * US);
        assert_eq!(runs(&machine, &both), Some(&second), "from CPU {changer}");
        // And lowered while it runs, it gives way at once.
        let policy = Policy::Fifo(9);
        machine.change(changer, &second, &|params| Params { policy, ..params });
        machine.run_until(machine.now() + 10 * US);
        assert_eq!(runs(&machine, &both), Some(&first), "from CPU {changer}");
    }
}

/// Three wait at priority 5 behind one that runs at 50. One's priority goes away and back again.
fn order_after(there: u8, and_back: u8) -> Vec<usize> {
    let mut machine = Machine::new(1, 1);
    let blocker = fifo(&mut machine, 50);
    let three: Vec<_> = (0..3).map(|_| fifo(&mut machine, 5)).collect();
    machine.set_policy(&three[1], Policy::Fifo(there));
    machine.set_policy(&three[1], Policy::Fifo(and_back));
    machine.set_policy(&blocker, Policy::Normal);
    let mut order = Vec::new();
    for _ in 0..3 {
        let running = runs(&machine, &three).expect("real time goes first");
        order.push(three.iter().position(|thread| thread == running).unwrap());
        let running = running.clone();
        machine.set_policy(&running, Policy::Normal);
    }
    order
}

#[test]
fn lowered_goes_before_its_equals_and_raised_behind_them() {
    assert_eq!(order_after(6, 5), [1, 0, 2], "lowered to 5");
    assert_eq!(order_after(4, 5), [0, 2, 1], "raised to 5");
    assert_eq!(order_after(5, 5), [0, 1, 2], "not changed");
}

#[test]
fn a_preempted_thread_goes_on_before_its_equals_and_one_that_slept_behind_them() {
    let mut machine = Machine::new(1, 1);
    let both = [0, 1].map(|_| fifo(&mut machine, 5));
    machine.run_until(MS);
    let urgent = fifo(&mut machine, 6);
    machine.run_until(2 * MS);
    assert!(runs(&machine, &both).is_none());
    machine.set_policy(&urgent, Policy::Normal);
    assert_eq!(runs(&machine, &both), Some(&both[0]));
}

#[test]
fn a_change_that_is_none_does_not_renew_a_turn() {
    let mut machine = Machine::new(1, 1);
    let both = [0, 1].map(|_| machine.hog(spec().policy(Policy::RoundRobin(5))));
    for at in 1..15 {
        machine.run_until(at * 10 * MS);
        machine.set_nice(&both[0], (at % 3) as i8);
    }
    let ran = both.each_ref().map(|thread| ran(&machine, thread));
    assert!(ran[1] >= 39 * MS, "the second ran {} ns of 140 ms", ran[1]);
}

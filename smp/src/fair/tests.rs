//! In which order those that come are served, and what they ask for.

use super::*;
use crate::Runtime;
use crate::body::Body;
use crate::ordered::{NOBODY, body_of};
use crate::params::Params;
use crate::share::{Share, UNIT};
use crate::testing::bench::bench;
use percpu::CpuSet;

const MS: u64 = 1_000_000;

fn queue() -> FairQueue {
    FairQueue::new(CpuId::new(0), true)
}

/// The share of one that was owed `lag` when it went to sleep, as it wakes in `queue` beside one of
/// the unit weight; due before `limit`.
fn woken(queue: &mut FairQueue, lag: i64, limit: u64) -> Share {
    let mut body = Body::new(Params::default());
    (body.share.lag, body.slept_ns) = (lag, 1);
    queue.attach(&mut body, (UNIT, limit), 0);
    body.share
}

/// A running hog moves the clock on between any two that come.
#[test]
fn of_those_that_wake_the_first_goes_first_whatever_they_are_owed() {
    let mut queue = queue();
    let mut running = Share::new(UNIT as u32);
    running.attach(queue.clock, 6 * MS);
    let owed = [0, 2 * MS as i64, MS as i64];
    let due = owed.map(|lag| {
        running.charge(MS / 10, || unreachable!("not served"));
        queue.advance(Some(&running), MS / 10);
        woken(&mut queue, lag, NOBODY).deadline
    });
    assert!(due.is_sorted(), "{due:?}");
    assert!(due[2] < queue.clock, "before those that had their turn");
}

#[test]
fn who_wakes_in_debt_is_due_that_much_later() {
    let mut queue = queue();
    let [free, debtor] = [0, -(MS as i64)].map(|lag| woken(&mut queue, lag, NOBODY));
    assert!(queue.is_eligible(&free) && !queue.is_eligible(&debtor));
    // One nanosecond of sleep paid half a nanosecond off.
    assert_eq!(debtor.deadline - free.deadline, MS);
}

#[test]
fn who_is_called_is_due_before_its_caller() {
    let mut queue = queue();
    let caller = woken(&mut queue, 0, NOBODY);
    let called = woken(&mut queue, 0, caller.deadline);
    assert!(called.deadline < caller.deadline);
    let hog = queue.clock + MS;
    assert!(woken(&mut queue, 0, hog).deadline < queue.clock);
}

#[test]
fn who_comes_takes_turns_when_its_request_is_served() {
    let mut queue = queue();
    let mut share = woken(&mut queue, 0, NOBODY);
    let asked = share.left_ns();
    assert_eq!(asked, share::slice_ns(2));
    share.charge(asked - 1, || unreachable!("not served"));
    assert!(share.woken && share.deadline < queue.clock);
    share.charge(1, || MS);
    assert!(!share.woken);
    assert_eq!(share.deadline, share.start + MS);
}

/// It keeps its place on the clock of another CPU, and among those that have a new weight.
#[test]
fn a_request_moves_with_its_deadline() {
    let mut queue = queue();
    let mut share = woken(&mut queue, 0, NOBODY);
    let early = share.start - share.deadline;
    share.detach(queue.clock);
    share.rejoin(queue.clock + MS);
    assert_eq!(share.start, queue.clock + MS);
    assert_eq!(share.start - share.deadline, early);
    assert_eq!(share.left_ns(), share::slice_ns(2));
}

/// Those that must wait here do not hide one that another CPU would run.
#[test]
fn who_came_from_elsewhere_is_found_among_many_that_must_stay() {
    let [here, there] = [0, 1].map(|cpu| CpuSet::single(CpuId::new(cpu)));
    let bench = bench();
    bench.start(&bench.thread(there));
    bench.on(1).idle_look();
    for _ in 0..40 {
        bench.on(0).start(&bench.thread(here));
    }
    bench.idle_look();
    let last = bench.thread(here);
    body_of(&last, |body| body.stolen = true);
    bench.start(&last);
    bench.set_affinity(&last, &CpuSet::ALL).unwrap();
    bench.on_reschedule_ipi();
    assert_eq!(last.cpu(), CpuId::new(0));
    bench.on(1).bury_current();
    bench.idle_look();
    bench.on(0).on_reschedule_ipi();
    assert_eq!(last.cpu(), CpuId::new(1), "it is idle");
    bench.bury_current();
}

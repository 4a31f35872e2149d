//! What those that wake ask for.

use super::*;
use crate::Runtime;
use crate::body::Body;
use crate::ordered::body_of;
use crate::params::Params;
use crate::share::UNIT;
use crate::testing::bench::bench;
use percpu::CpuSet;

/// What a thread asks for that wakes beside one of the unit weight that asked for `asked_ns`.
fn request_ns(running: (u64, u64)) -> u64 {
    let mut body = Body::new(Params::default());
    body.slept_ns = 1;
    FairQueue::new(CpuId::new(0), true).attach(&mut body, running, 0);
    body.share.deadline - body.share.start
}

#[test]
fn who_wakes_asks_for_no_less_than_who_woke_before() {
    let alone = request_ns((0, 0));
    assert_eq!(alone, share::slice_ns(2));
    let beside_a_hog = request_ns((UNIT, 0));
    assert_eq!(beside_a_hog, share::slice_ns(2));
    let beside_one_that_woke = request_ns((UNIT, share::slice_ns(1)));
    assert_eq!(beside_one_that_woke, share::slice_ns(1));
}

#[test]
fn a_request_is_the_first_until_it_is_served() {
    let mut body = Body::new(Params::default());
    body.slept_ns = 1;
    FairQueue::new(CpuId::new(0), true).attach(&mut body, (0, 0), 0);
    let first_ns = body.share.first_ns;
    body.share
        .charge(first_ns - 1, || unreachable!("not served"));
    assert_eq!(body.share.first_ns, first_ns);
    body.share.charge(1, || 1);
    assert_eq!(body.share.first_ns, 0);
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

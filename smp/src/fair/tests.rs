//! What those that wake ask for.

use super::*;
use crate::body::Body;
use crate::params::Params;
use crate::share::UNIT;

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

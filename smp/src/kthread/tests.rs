use super::*;
use crate::event::{Event, Unsignal};
use crate::spec::Policy;
use crate::testing::{in_threads, until};
use crate::wait_queue::TimedOut;
use alloc::vec::Vec;

fn gate() -> (Arc<Event>, Arc<Event>) {
    let gate = Arc::new(Event::new(Unsignal::Manual, false));
    (gate.clone(), gate)
}

#[test]
fn a_suspended_thread_runs_when_resumed_and_only_once() {
    let thread = KernelThread::create("worker", Priority::DEFAULT, || 42).unwrap();
    assert_eq!(thread.thread().phase(), Phase::New);
    assert_eq!(thread.join(Timeout::Now), Err(JoinError::TimedOut));
    assert_eq!(thread.join(Timeout::ms(2)), Err(JoinError::TimedOut));
    assert!(thread.resume());
    assert!(!thread.resume());
    assert_eq!(thread.join(Timeout::Never), Ok(42));
    // The code stays for whoever asks later.
    assert_eq!(thread.clone().join(Timeout::Now), Ok(42));
}

#[test]
fn exit_gives_the_code_from_any_depth() {
    let thread = spawn("leaver", || {
        assert_eq!(
            KernelThread::current().unwrap().join(Timeout::Never),
            Err(JoinError::OwnEnd)
        );
        exit(-7)
    });
    assert_eq!(thread.unwrap().join(Timeout::ms(60_000)), Ok(-7));
}

#[test]
fn joiners_are_told_of_a_detach() {
    let (gate, opened) = gate();
    let thread = spawn("waits", move || {
        opened.wait(Timeout::Never).map_or(1, |()| 0)
    });
    let thread = thread.unwrap();
    let joined = thread.clone();
    let joiners = in_threads(2, move || joined.join(Timeout::Never));
    until(|| thread.0.control.joiner_count() == 2);
    thread.detach();
    assert_eq!(joiners.join(), [Err(JoinError::Detached); 2]);
    assert_eq!(thread.join(Timeout::Now), Err(JoinError::Detached));
    gate.signal();
    thread.thread().join();
}

#[test]
fn a_thread_never_resumed_leaves_with_its_last_handle() {
    let thread = KernelThread::create("unborn", Priority::LOW, || 0).unwrap();
    let tid = thread.thread().tid();
    let known = || runtime::threads().any(|thread| thread.tid() == tid);
    let other = thread.clone();
    drop(thread);
    assert!(known());
    drop(other);
    assert!(!known());
}

#[test]
fn priorities_keep_their_order_in_the_classes() {
    let all: Vec<_> = (0..Priority::COUNT)
        .map(|p| Priority::new(p).unwrap())
        .collect();
    let urgency = |(policy, nice): (Policy, i8)| match policy {
        Policy::Idle => (0, 0),
        Policy::Fifo(p) | Policy::RoundRobin(p) => (2, i32::from(p)),
        _ => (1, -i32::from(nice)),
    };
    for realtime in [false, true] {
        let mapped: Vec<_> = all.iter().map(|p| urgency(p.class(realtime))).collect();
        assert!(mapped.is_sorted_by(|a, b| a < b), "{mapped:?}");
    }
    assert_eq!(Priority::new(32), None);
    assert_eq!(Priority::LOWEST.class(false).0, Policy::Idle);
    assert_eq!(Priority::new(1).unwrap().class(false), (Policy::Normal, 19));
    assert_eq!(Priority::DEFAULT.class(false), (Policy::Normal, 0));
    assert_eq!(
        Priority::new(17).unwrap().class(false),
        (Policy::Normal, -3)
    );
    assert_eq!(
        Priority::new(23).unwrap().class(false),
        (Policy::Normal, -20)
    );
    assert_eq!(Priority::HIGH.class(false).0, Policy::RoundRobin(73));
    assert_eq!(Priority::HIGHEST.class(true).0, Policy::Fifo(94));
    assert_eq!(Priority::DEFAULT.class(true).0, Policy::Fifo(49));
}

#[test]
fn a_changed_priority_reaches_the_thread() {
    let (gate, opened) = gate();
    let thread = spawn("changed", move || {
        opened.wait(Timeout::Never).map_or(1, |()| 0)
    });
    let thread = thread.unwrap();
    thread.set_priority(Priority::HIGH);
    assert_eq!(thread.thread().policy(), Policy::RoundRobin(73));
    thread.set_realtime(true);
    assert_eq!(
        (thread.is_realtime(), thread.thread().policy()),
        (true, Policy::Fifo(73))
    );
    thread.set_realtime(false);
    thread.set_priority(Priority::LOW);
    assert_eq!(
        (thread.thread().policy(), thread.thread().nice()),
        (Policy::Normal, 10)
    );
    gate.signal();
    assert_eq!(thread.join(Timeout::Never), Ok(0));
}

#[test]
fn slots_are_each_threads_own() {
    const SLOT: Slot = Slot::new(3);
    assert_eq!((SLOT.replace(11), SLOT.get()), (0, 11));
    let seen = in_threads(2, || (SLOT.get(), SLOT.replace(5), SLOT.get())).join();
    assert_eq!(seen, [(0, 0, 5); 2]);
    assert_eq!(SLOT.replace(0), 11);
}

#[test]
fn timeouts_of_a_wait_queue() {
    let queue = crate::WaitQueue::new();
    assert_eq!(queue.wait_for(Timeout::Now, || None::<()>), Err(TimedOut));
    assert_eq!(
        queue.wait_for(Timeout::After(1000), || None::<()>),
        Err(TimedOut)
    );
    assert_eq!(queue.wait_for(Timeout::Now, || Some(1)), Ok(1));
    assert_eq!(queue.wait_for(Timeout::Never, || Some(2)), Ok(2));
}

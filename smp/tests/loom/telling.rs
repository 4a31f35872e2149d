//! Telling a running thread something: signals and membarrier(2) against the switch to a thread.
//!
//! What is told is stored first; then the CPU that runs the thread is interrupted, and a thread
//! that does not run must find it by itself. All accesses are relaxed: only the two full fences
//! order them.

use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed},
    fence,
};
use smp::Runtime;
use smp::barriers::{Answered, Requests};

use crate::harness::model;
use crate::machine::Machine;

const MISSED: &str = "missed";

model!(notice_meets_switch within 3, teller_fence: MISSED, switch_fence: MISSED);
model!(barrier_meets_switch within 3, teller_fence: MISSED, switch_fence: MISSED);
model!(barrier_answers_its_request within 3,
    request_fence: MISSED, answer_fence: MISSED, answer_to_later: MISSED);

/// A thread begins to run and looks, as on the way to user mode, while there comes to be something
/// to see.
fn notice_meets_switch() {
    let machine = Machine::new(2);
    let thread = machine.create(Some(0));
    machine.0.start(&thread);
    let notice = Arc::new(AtomicUsize::new(0));
    let interrupted = Arc::new(AtomicUsize::new(0));
    let (raised, sent, told) = (notice.clone(), interrupted.clone(), thread.clone());
    let teller = machine.on(1, move |_| {
        raised.store(1, Relaxed);
        sent.store(usize::from(told.running_on().is_some()), Relaxed);
    });
    machine.0.idle_look();
    assert_eq!(machine.0.current(), thread);
    let saw = notice.load(Relaxed) == 1;
    teller.join().unwrap();
    let told = interrupted.load(Relaxed) == 1;
    assert!(
        saw || told,
        "missed: it neither looked late nor was interrupted"
    );
}

/// A thread runs, does one half of a handshake without a barrier, and sleeps again. The other half
/// relies on a barrier in every thread that does not run.
fn barrier_meets_switch() {
    let machine = Machine::new(2);
    let thread = machine.create(Some(0));
    machine.0.start(&thread);
    let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (own, told) = (words.clone(), thread.clone());
    let slow = machine.on(1, move |_| {
        own[1].store(1, Relaxed);
        let runs = told.running_on().is_some();
        fence(Acquire);
        // Whoever runs is interrupted, which is a barrier of its own.
        own[1].store(
            if runs || own[0].load(Relaxed) == 1 {
                2
            } else {
                3
            },
            Relaxed,
        );
    });
    machine.0.idle_look();
    words[0].store(1, Relaxed);
    let saw = words[1].load(Relaxed) != 0;
    assert_eq!(machine.0.begin_park(None), None);
    slow.join().unwrap();
    let other_saw = words[1].load(Relaxed) == 2;
    assert!(saw || other_saw, "missed: neither side saw the other");
}

/// A CPU still answers an earlier request when the next begins, and runs a thread's half of a
/// handshake before it answers that one too.
fn barrier_answers_its_request() {
    let requests = Arc::new((Requests::new(), Answered::new()));
    let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let _earlier = requests.0.begin();
    let (asked, own) = (requests.clone(), words.clone());
    let interrupted = loom::thread::spawn(move || {
        asked.0.answer(&asked.1);
        own[0].store(1, Relaxed);
        let saw = own[1].load(Relaxed) == 1;
        asked.0.answer(&asked.1);
        saw
    });
    words[1].store(1, Relaxed);
    let request = requests.0.begin();
    // Not yet answered is as good: the requester goes on waiting.
    let other_saw = !requests.1.has(request) || words[0].load(Relaxed) == 1;
    let saw = interrupted.join().unwrap();
    assert!(saw || other_saw, "missed: neither side saw the other");
}

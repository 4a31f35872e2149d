//! The trace ring: a reader beside the writer never returns a record that was overwritten while
//! it copied, or that was not whole yet.

use crate::harness::model;
use loom::sync::Arc;
use loom::thread;
use smp::trace::{Record, Recorder, Ring};

model!(ring_returns_whole_records within 3,
    ring_fence: "not the record of its number",
    ring_reader_fence: "not the record of its number",
    ring_publish_relaxed: "not the record of its number",
    ring_unchecked: "not the record of its number",
);

model!(no_record_is_lost_to_a_longer_ring within 3,
    ring_counts_anew: "not the record of its number",
    offer_relaxed: "Causality violation",
);

/// A CPU is offered another ring while it records and while somebody reads.
fn no_record_is_lost_to_a_longer_ring() {
    let recorder = Arc::new(Recorder::new());
    recorder.offer(Box::new(Ring::new(2)));
    let keep = |recorder: &Recorder, number: u64| recorder.keep(Record([number + 1; 4]));
    keep(&recorder, 0);
    let others = [recorder.clone(), recorder.clone()];
    let [offering, reading] = others;
    let offers = thread::spawn(move || offering.offer(Box::new(Ring::new(4))));
    let reads = thread::spawn(move || {
        let next = check(&reading, 0);
        check(&reading, next)
    });
    keep(&recorder, 1);
    offers.join().unwrap();
    let next = reads.join().unwrap();
    keep(&recorder, 2);
    let next = check(&recorder, next);
    assert_eq!(
        check(&recorder, next),
        3,
        "not the record of its number: lost"
    );
}

/// Reads on from record `next`; says which comes after.
fn check(recorder: &Recorder, next: u64) -> u64 {
    let read = recorder.ring().expect("it has one").read(next, 4);
    assert_eq!(read.first, next, "not the record of its number: it is gone");
    for (number, record) in (next..).zip(&read.records) {
        assert_eq!(record.0, [number + 1; 4], "not the record of its number");
    }
    next + read.records.len() as u64
}

/// The ring is full; the owner overwrites its oldest record while somebody reads.
fn ring_returns_whole_records() {
    let ring = Arc::new(Ring::new(2));
    let push = |ring: &Ring, number: u64| ring.push(Record([number + 1; 4]));
    (0..2).for_each(|number| push(&ring, number));
    let other = ring.clone();
    let reader = thread::spawn(move || {
        let read = other.read(0, 2);
        for (number, record) in (read.first..).zip(&read.records) {
            assert_eq!(record.0, [number + 1; 4], "not the record of its number");
        }
    });
    push(&ring, 2);
    reader.join().unwrap();
    let read = ring.read(0, 2);
    assert_eq!((read.first, read.records.len()), (1, 2));
}

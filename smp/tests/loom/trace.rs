//! The trace ring: a reader beside the writer never returns a record that was overwritten while
//! it copied, or that was not whole yet.

use crate::harness::model;
use loom::sync::Arc;
use loom::thread;
use smp::trace::{Record, Ring};

model!(ring_returns_whole_records within 3,
    ring_fence: "not the record of its number",
    ring_reader_fence: "not the record of its number",
    ring_publish_relaxed: "not the record of its number",
    ring_unchecked: "not the record of its number",
);

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

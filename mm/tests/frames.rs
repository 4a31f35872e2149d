//! The frame allocator: nothing is handed out twice, nothing is lost.

mod common;

use common::Random;
use mm::frame::{self, Block, Frame, MAX_ORDER};
use mm::testing::machine;
use std::collections::HashSet;

#[test]
fn frames_are_distinct_zeroed_and_returned() {
    let _machine = machine();
    let before = frame::free();
    assert!(before > 0 && before < frame::total());
    let mut frames: Vec<Frame> = (0..300).map(|_| frame::alloc_zeroed().unwrap()).collect();
    assert_eq!(frame::free(), before - 300);
    let numbers: HashSet<_> = frames.iter().map(Frame::number).collect();
    assert_eq!(numbers.len(), 300);
    for frame in &mut frames {
        assert!(frame.bytes().iter().all(|&byte| byte == 0));
        frame.bytes_mut().fill(0xa5);
    }
    drop(frames);
    assert_eq!(frame::free(), before);
}

#[test]
fn shares_are_counted() {
    let _machine = machine();
    let before = frame::free();
    let first = frame::alloc().unwrap().share();
    let second = first.clone();
    assert_eq!((first.shares(), second.number()), (2, first.number()));
    drop(first);
    assert_eq!((second.shares(), frame::free()), (1, before - 1));
    drop(second);
    assert_eq!(frame::free(), before);
}

#[test]
fn blocks_are_aligned_and_merge_again() {
    let _machine = machine();
    let before = frame::free();
    let random = &mut Random::new(7);
    let rounds = if cfg!(miri) { 40 } else { 4_000 };
    let mut held: Vec<Block> = Vec::new();
    for _ in 0..rounds {
        if random.below(2) == 0 && !held.is_empty() {
            held.swap_remove(random.below(held.len()));
        } else if let Ok(block) = frame::alloc_contiguous(random.below(6)) {
            assert_eq!(block.address().as_u64() as usize % block.size(), 0);
            let apart = |other: &Block| {
                let (a, b) = (block.address().as_u64(), other.address().as_u64());
                a + block.size() as u64 <= b || b + other.size() as u64 <= a
            };
            assert!(held.iter().all(apart));
            held.push(block);
        }
    }
    held.clear();
    assert_eq!(frame::free(), before);
    let largest = if cfg!(miri) { 8 } else { MAX_ORDER };
    assert!(
        frame::alloc_contiguous(largest).is_ok(),
        "everything has merged"
    );
    assert!(frame::alloc_contiguous(MAX_ORDER + 1).is_err());
}

#[test]
fn exhaustion_is_an_error_and_ends() {
    let _machine = machine();
    let before = frame::free();
    let mut hoard = Vec::new();
    while let Ok(frame) = frame::alloc_user() {
        hoard.push(frame);
    }
    let reserve: Vec<_> = std::iter::from_fn(|| frame::alloc().ok()).collect();
    assert!(
        reserve.len() >= 16,
        "only {} left for the kernel",
        reserve.len()
    );
    assert!(frame::alloc_contiguous(0).is_err());
    hoard.truncate(hoard.len() / 2);
    drop(reserve);
    assert!(frame::alloc_user().is_ok());
    drop(hoard);
    assert_eq!(frame::free(), before);
}

#[test]
fn frames_move_between_cpus() {
    let _machine = machine();
    let before = frame::free();
    let (rounds, batch) = if cfg!(miri) { (2, 40) } else { (200, 100) };
    let (sender, receiver) = std::sync::mpsc::sync_channel::<Vec<Frame>>(4);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let sender = sender.clone();
            scope.spawn(move || {
                for _ in 0..rounds {
                    sender
                        .send((0..batch).map(|_| frame::alloc().unwrap()).collect())
                        .unwrap();
                }
            });
        }
        drop(sender);
        scope.spawn(move || receiver.into_iter().for_each(drop));
    });
    assert_eq!(frame::free(), before);
}

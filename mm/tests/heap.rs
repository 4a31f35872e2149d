//! The kernel heap as an allocator of its own (the tests themselves use the host's).

mod common;

use common::Random;
use mm::KernelHeap;
use mm::heap::standby;
use mm::testing::machine;
use std::alloc::{GlobalAlloc, Layout};

static HEAP: KernelHeap = KernelHeap::new();

/// A block filled with its own tag.
struct Held {
    pointer: *mut u8,
    layout: Layout,
    tag: u8,
}

// SAFETY: plain memory.
unsafe impl Send for Held {}

impl Held {
    fn new(layout: Layout, tag: u8) -> Self {
        // SAFETY: the size is not zero.
        let pointer = unsafe { HEAP.alloc(layout) };
        assert!(
            !pointer.is_null() && pointer.addr() % layout.align() == 0,
            "{layout:?}"
        );
        // SAFETY: as large as asked for.
        unsafe { pointer.write_bytes(tag, layout.size()) };
        Self {
            pointer,
            layout,
            tag,
        }
    }

    fn check(&self, length: usize) {
        // SAFETY: ours.
        let bytes = unsafe { std::slice::from_raw_parts(self.pointer, length) };
        assert!(
            bytes.iter().all(|&byte| byte == self.tag),
            "{:?} was overwritten",
            self.layout
        );
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: ours, with this layout.
        self.pointer = unsafe { HEAP.realloc(self.pointer, self.layout, size) };
        let kept = size.min(self.layout.size());
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        self.check(kept);
        // SAFETY: as large as asked for.
        unsafe { self.pointer.write_bytes(self.tag, size) };
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: ours, with this layout, once.
        unsafe { HEAP.dealloc(self.pointer, self.layout) };
    }
}

fn some_layout(random: &mut Random) -> Layout {
    let size = match random.below(10) {
        0 => 1 + random.below(20_000),
        1..=3 => 1 + random.below(2_048),
        _ => 1 + random.below(128),
    };
    Layout::from_size_align(size, 1 << random.below(8)).unwrap()
}

fn churn(seed: u64, rounds: usize) {
    let random = &mut Random::new(seed);
    let mut held = Vec::new();
    for round in 0..rounds {
        match random.below(5) {
            0 | 1 if !held.is_empty() => drop(held.swap_remove(random.below(held.len()))),
            2 if !held.is_empty() => {
                let index = random.below(held.len());
                let held: &mut Held = &mut held[index];
                held.resize(some_layout(random).size());
            }
            _ if held.len() < 400 => held.push(Held::new(some_layout(random), round as u8)),
            _ => {}
        }
    }
}

#[test]
fn blocks_never_overlap() {
    let _machine = machine();
    churn(3, if cfg!(miri) { 150 } else { 30_000 });
}

#[test]
fn cpus_share_the_heap() {
    let _machine = machine();
    let rounds = if cfg!(miri) { 40 } else { 10_000 };
    std::thread::scope(|scope| {
        (0..4).for_each(|seed| drop(scope.spawn(move || churn(100 + seed, rounds))));
    });
}

#[test]
fn blocks_travel_between_cpus() {
    let _machine = machine();
    let count = if cfg!(miri) { 50 } else { 20_000 };
    let (sender, receiver) = std::sync::mpsc::sync_channel(100);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let random = &mut Random::new(11);
            (0..count).for_each(|round| {
                sender
                    .send(Held::new(some_layout(random), round as u8))
                    .unwrap()
            });
        });
        scope.spawn(move || receiver.into_iter().for_each(drop));
    });
}

#[test]
fn memory_goes_back_when_it_is_freed() {
    let _machine = machine();
    let layout = Layout::from_size_align(64, 8).unwrap();
    let count = if cfg!(miri) { 300 } else { 50_000 };
    let before = mm::heap::frames();
    drop(
        (0..count)
            .map(|round| Held::new(layout, round as u8))
            .collect::<Vec<_>>(),
    );
    assert!(
        mm::heap::frames() <= before + 3,
        "{} frames stay in the heap",
        mm::heap::frames() - before
    );
}

#[test]
fn running_out_gives_null() {
    let _machine = machine();
    let layout = Layout::from_size_align(1 << 20, 8).unwrap();
    let mut held = Vec::new();
    loop {
        // SAFETY: the size is not zero.
        let pointer = unsafe { HEAP.alloc(layout) };
        if pointer.is_null() {
            break;
        }
        held.push(pointer);
    }
    assert!(!held.is_empty());
    // SAFETY: from the heap, once.
    held.into_iter()
        .for_each(|pointer| unsafe { HEAP.dealloc(pointer, layout) });
    // SAFETY: the size is not zero.
    assert!(unsafe { HEAP.alloc(Layout::from_size_align(usize::MAX / 4, 8).unwrap()) }.is_null());
}

#[test]
fn the_standby_region_serves_while_memory_is_out() {
    let _machine = machine();
    let frames: Vec<_> = std::iter::from_fn(|| mm::frame::alloc().ok()).collect();
    let layouts = [17, 500, 3_000, 40_000].map(|size| Layout::from_size_align(size, 16).unwrap());
    // What magazines and partial slabs still have goes first.
    let mut held = Vec::new();
    while standby::in_use() == 0 {
        held.push(Held::new(layouts[1], 1));
    }
    held.extend(layouts.iter().map(|&layout| Held::new(layout, 2)));
    assert!(mm::frame::is_scarce(), "the gates close");
    held.last_mut().unwrap().resize(50_000);

    let too_much = Layout::from_size_align(1 << 20, 16).unwrap();
    // SAFETY: the size is not zero.
    assert!(unsafe { HEAP.alloc(too_much) }.is_null());

    drop(held);
    assert_eq!(standby::in_use(), 0, "all of it came back");
    drop(frames);
    assert!(!mm::frame::is_scarce(), "the gates open");
}

#[test]
fn a_little_that_stays_in_the_standby_region_closes_no_gate() {
    let _machine = machine();
    let stays = standby::take(64 << 10);
    assert!(!stays.is_null() && !mm::frame::is_scarce());
    let more = standby::take(128 << 10);
    assert!(!more.is_null() && mm::frame::is_scarce(), "too much");
    standby::give(more, 128 << 10);
    assert!(!mm::frame::is_scarce());
    standby::give(stays, 64 << 10);
}

//! Threads of one process hammering its address space, as allocators do.

mod common;

use common::{PAGE, Random, leaks, leave, private, put_away, read_write};
use mm::space::{AddressSpace, Advice, Fault, Placement, Prot, RemapTo};
use mm::testing::{check_coherence, load_byte, machine, store_byte};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const THREADS: usize = 4;
const SHARED: usize = 0x4000_0000;
const SHARED_PAGES: usize = 16;
/// After so long, a thread that has not answered hangs.
const LONG: Duration = Duration::from_secs(20);

/// One thread's life: mappings of its own that must keep their bytes, whatever the others do.
fn worker(space: &Arc<AddressSpace>, seed: u64, rounds: usize) {
    space.activate();
    let random = &mut Random::new(seed);
    let mut mine: Vec<(usize, usize, u8)> = Vec::new();
    for round in 0..rounds {
        let tag = round as u8;
        match random.below(6) {
            0 | 1 => {
                let pages = 1 + random.below(4);
                let start = space
                    .map(private(Placement::Hint(0), pages * PAGE, read_write()))
                    .unwrap();
                (0..pages).for_each(|page| store_byte(space, start + page * PAGE, tag).unwrap());
                mine.push((start, pages, tag));
            }
            2 if !mine.is_empty() => {
                let (start, pages, tag) = mine.swap_remove(random.below(mine.len()));
                check(space, start, pages, tag);
                space.unmap(start, pages * PAGE).unwrap();
            }
            3 if !mine.is_empty() => {
                let index = random.below(mine.len());
                let (start, pages, tag) = mine[index];
                let moved = space
                    .remap(start, pages * PAGE, (pages + 1) * PAGE, RemapTo::Anywhere)
                    .unwrap();
                check(space, moved, pages, tag);
                store_byte(space, moved + pages * PAGE, tag).unwrap();
                mine[index] = (moved, pages + 1, tag);
            }
            4 if !mine.is_empty() => {
                let (start, pages, tag) = mine[random.below(mine.len())];
                space.protect(start, pages * PAGE, Prot::READ).unwrap();
                assert_eq!(store_byte(space, start, 0), Err(Fault::NotAllowed));
                space.protect(start, pages * PAGE, read_write()).unwrap();
                check(space, start, pages, tag);
            }
            _ => {
                // Everybody faults the same pages in, and somebody throws them out again.
                let page = SHARED + random.below(SHARED_PAGES) * PAGE;
                store_byte(space, page, 1).unwrap();
                assert!(load_byte(space, page).unwrap() <= 1);
                if random.below(8) == 0 {
                    space
                        .advise(SHARED, SHARED_PAGES * PAGE, Advice::Discard)
                        .unwrap();
                }
            }
        }
    }
    for (start, pages, tag) in mine {
        check(space, start, pages, tag);
        space.unmap(start, pages * PAGE).unwrap();
    }
    mm::space::deactivate();
}

fn check(space: &AddressSpace, start: usize, pages: usize, tag: u8) {
    (0..pages).for_each(|page| assert_eq!(load_byte(space, start + page * PAGE), Ok(tag)));
}

#[test]
fn memory_calls_from_many_threads_at_once() {
    let machine = machine();
    let rounds = if cfg!(miri) { 12 } else { 1_500 };
    let leaked = leaks(&machine, || {
        let space = AddressSpace::new().unwrap();
        space
            .map(private(
                Placement::Fixed(SHARED),
                SHARED_PAGES * PAGE,
                read_write(),
            ))
            .unwrap();
        std::thread::scope(|scope| {
            for seed in 0..THREADS {
                let space = space.clone();
                scope.spawn(move || {
                    worker(&space, seed as u64 + 1, rounds);
                    leave();
                });
            }
        });
        check_coherence();
        assert_eq!(space.areas().count(), 1);
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

/// Copy-on-write is broken by several threads at once while the process forks again and again:
/// no write may be lost, and no child may see a later one.
#[test]
fn threads_race_to_break_copy_on_write() {
    let machine = machine();
    let rounds = if cfg!(miri) { 3 } else { 150 };
    let leaked = leaks(&machine, || {
        let space = AddressSpace::new().unwrap();
        space
            .map(private(Placement::Fixed(SHARED), 2 * PAGE, read_write()))
            .unwrap();
        let (done, writes) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for slot in 0..THREADS - 1 {
                let (space, done, writes) = (space.clone(), &done, &writes);
                scope.spawn(move || {
                    space.activate();
                    let mut value = 0u8;
                    while !done.load(Relaxed) {
                        // Each thread owns a byte in both pages.
                        value = value.wrapping_add(1);
                        for page in [SHARED, SHARED + PAGE] {
                            store_byte(&space, page + slot, value).unwrap();
                            assert_eq!(
                                load_byte(&space, page + slot),
                                Ok(value),
                                "a write was lost"
                            );
                        }
                        writes.fetch_add(1, Relaxed);
                    }
                    leave();
                });
            }
            space.activate();
            for _ in 0..rounds {
                let seen = writes.load(Relaxed);
                let child = space.fork().unwrap();
                child.activate();
                let bytes = || [0, 1, 2].map(|slot| load_byte(&child, SHARED + slot).unwrap());
                let at_fork = bytes();
                while writes.load(Relaxed) < seen + 3 {
                    std::thread::yield_now();
                }
                assert_eq!(bytes(), at_fork, "the child sees the parent's later writes");
                space.activate();
                put_away_quietly(child);
            }
            done.store(true, Relaxed);
            leave();
        });
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

/// Without the coherence check, which is for quiet moments.
fn put_away_quietly(space: Arc<AddressSpace>) {
    mm::testing::forget_space(&space);
    drop(space);
}

/// Broadcasts are slow. A CPU that switches to a thread of the space must not wait for one.
#[test]
fn a_switch_does_not_wait_for_a_broadcast() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = AddressSpace::new().unwrap();
        space
            .map(private(Placement::Fixed(SHARED), PAGE, read_write()))
            .unwrap();
        let (go, gone) = (mpsc::channel(), mpsc::channel());
        std::thread::scope(|scope| {
            let peer = space.clone();
            scope.spawn(move || {
                peer.activate();
                store_byte(&peer, SHARED, 1).unwrap();
                mm::space::deactivate();
                gone.0.send(()).unwrap();
                go.1.recv().unwrap();
                // The other CPU's broadcast is under way.
                peer.activate();
                gone.0.send(()).unwrap();
                leave();
            });
            space.activate();
            gone.1.recv().unwrap();
            assert_eq!(load_byte(&space, SHARED), Ok(1));
            let came = Arc::new(AtomicBool::new(false));
            let waited = came.clone();
            mm::testing::during_broadcast(&machine, move || {
                go.0.send(()).unwrap();
                waited.store(gone.1.recv_timeout(LONG).is_ok(), Relaxed);
            });
            space.unmap(SHARED, PAGE).unwrap();
            assert!(came.load(Relaxed), "the switch waited for the broadcast");
            leave();
        });
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

//! Fork: what is shared, what is copied, what if memory runs out.

use std::sync::Arc;

use mm::frame;
use mm::space::{Advice, Fault, MapFlags, Prot, SharedMemory};
use mm::testing::{check_coherence, load_byte, machine, store_byte};

use super::common::{PAGE, leaks, put_away, read_write};
use super::scene::{BASE, active_space, map_at, map_source};

#[test]
fn fork_shares_until_either_side_writes() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let parent = active_space();
        map_at(&parent, BASE, 4);
        (0..3).for_each(|page| store_byte(&parent, BASE + page * PAGE, 10 + page as u8).unwrap());
        let before = frame::free();
        let child = parent.fork().unwrap();
        check_coherence();
        assert!(
            before - frame::free() <= 4,
            "only the child's tables are new"
        );

        store_byte(&parent, BASE, 20).unwrap();
        check_coherence();
        child.activate();
        assert_eq!(load_byte(&child, BASE), Ok(10));
        store_byte(&child, BASE + PAGE, 31).unwrap();
        assert_eq!(load_byte(&child, BASE + 3 * PAGE), Ok(0));
        parent.activate();
        assert_eq!(load_byte(&parent, BASE), Ok(20));
        assert_eq!(load_byte(&parent, BASE + PAGE), Ok(11));
        assert_eq!(load_byte(&parent, BASE + 2 * PAGE), Ok(12));

        let frames = frame::free();
        put_away(child);
        store_byte(&parent, BASE + 2 * PAGE, 22).unwrap();
        assert!(frame::free() > frames, "the last owner writes in place");
        put_away(parent);
    });
    assert_eq!(leaked, 0);
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn fork_keeps_what_is_shared_and_obeys_advice() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let parent = active_space();
        map_source(
            &parent,
            BASE,
            Arc::new(SharedMemory::new()),
            0,
            2,
            read_write(),
            MapFlags::SHARED,
        );
        map_at(&parent, BASE + 4 * PAGE, 1);
        map_at(&parent, BASE + 6 * PAGE, 1);
        [0, 4, 6]
            .iter()
            .for_each(|page| store_byte(&parent, BASE + page * PAGE, 1).unwrap());
        parent
            .advise(BASE + 4 * PAGE, PAGE, Advice::DontFork)
            .unwrap();
        parent
            .advise(BASE + 6 * PAGE, PAGE, Advice::WipeOnFork)
            .unwrap();
        let child = parent.fork().unwrap();
        child.activate();
        assert_eq!(load_byte(&child, BASE), Ok(1));
        store_byte(&child, BASE + PAGE, 2).unwrap();
        assert_eq!(load_byte(&child, BASE + 4 * PAGE), Err(Fault::NotMapped));
        assert_eq!(load_byte(&child, BASE + 6 * PAGE), Ok(0));
        parent.activate();
        assert_eq!(load_byte(&parent, BASE + PAGE), Ok(2));
        put_away(child);
        put_away(parent);
    });
    assert_eq!(leaked, 0);
}

#[test]
#[cfg_attr(miri, ignore = "takes all memory, page by page")]
fn fork_without_memory_fails_and_leaks_nothing() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let parent = active_space();
        // A page in each of many tables, so that the child needs many frames.
        for table in 0..40 {
            map_at(&parent, BASE + (table << 21), 1);
            store_byte(&parent, BASE + (table << 21), table as u8).unwrap();
        }
        let mut hoard = Vec::new();
        while let Ok(frame) = frame::alloc() {
            hoard.push(frame);
        }
        hoard.truncate(hoard.len() - 20);
        assert!(parent.fork().is_err());
        drop(hoard);
        check_coherence();
        for table in 0..40 {
            assert_eq!(load_byte(&parent, BASE + (table << 21)), Ok(table as u8));
            store_byte(&parent, BASE + (table << 21), 1).unwrap();
        }
        put_away(parent);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn protect_does_not_undo_copy_on_write() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let parent = active_space();
        map_at(&parent, BASE, 1);
        store_byte(&parent, BASE, 1).unwrap();
        let child = parent.fork().unwrap();
        parent.protect(BASE, PAGE, Prot::READ).unwrap();
        parent.protect(BASE, PAGE, read_write()).unwrap();
        store_byte(&parent, BASE, 2).unwrap();
        child.activate();
        assert_eq!(load_byte(&child, BASE), Ok(1));
        put_away(parent);
        put_away(child);
    });
    assert_eq!(leaked, 0);
}

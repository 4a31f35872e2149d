//! Every operation that owes a flush must be seen to owe it.

use std::sync::Arc;

use mm::space::{AddressSpace, Advice, Placement, Prot, RemapTo};
use mm::testing::{DroppedFlushes, check_coherence, load_byte, machine, store_byte};

use super::common::{PAGE, private, put_away, read_write};
use super::scene::{BASE, active_space, map_at};

/// Whether the checker complains when `change` is made to a page that is in use, and its flush is
/// dropped. Every operation that owes a flush must be seen to owe it.
fn owes_a_flush(change: impl FnOnce(&Arc<AddressSpace>)) -> bool {
    let machine = machine();
    let space = active_space();
    map_at(&space, BASE, 2);
    store_byte(&space, BASE, 1).unwrap();
    check_coherence();
    let dropped = DroppedFlushes::new(&machine);
    change(&space);
    let caught = std::panic::catch_unwind(check_coherence).is_err();
    drop(dropped);
    put_away(space);
    caught
}

#[test]
fn a_missing_flush_of_munmap_is_noticed() {
    assert!(owes_a_flush(|space| space.unmap(BASE, PAGE).unwrap()));
}

#[test]
fn a_missing_flush_of_an_unlinked_table_is_noticed() {
    assert!(owes_a_flush(|space| space.unmap(BASE, 2 * PAGE).unwrap()));
}

#[test]
fn a_missing_flush_of_mprotect_is_noticed() {
    assert!(owes_a_flush(|space| space
        .protect(BASE, PAGE, Prot::READ)
        .unwrap()));
}

#[test]
fn a_missing_flush_of_mremap_is_noticed() {
    assert!(owes_a_flush(|space| {
        space
            .remap(BASE, PAGE, PAGE, RemapTo::Fixed(BASE + 8 * PAGE))
            .unwrap();
    }));
}

#[test]
fn a_missing_flush_of_madvise_is_noticed() {
    assert!(owes_a_flush(|space| space
        .advise(BASE, PAGE, Advice::Discard)
        .unwrap()));
}

#[test]
fn a_missing_flush_of_fork_is_noticed() {
    assert!(owes_a_flush(|space| drop(space.fork().unwrap())));
}

#[test]
fn a_missing_flush_of_a_broken_copy_is_noticed() {
    assert!(owes_a_flush(|space| {
        let child = space.fork().unwrap();
        // The page changes its frame; this CPU remembers the old one.
        let _ = mm::testing::load_byte(space, BASE);
        let _ = space.write(BASE, &[2]);
        drop(child);
    }));
}

/// The same checker is content when only rights are added, which owes no flush elsewhere.
#[test]
fn adding_rights_owes_nothing() {
    assert!(!owes_a_flush(|space| {
        space
            .map(private(Placement::Fixed(BASE + 4 * PAGE), PAGE, Prot::READ))
            .unwrap();
        load_byte(space, BASE + 4 * PAGE).unwrap();
        space.protect(BASE + 4 * PAGE, PAGE, read_write()).unwrap();
    }));
}

//! Protection and advice, and faults that find no memory.

use mm::frame;
use mm::space::{Access, Advice, Fault, Locking, MapFlags, Placement, Prot, SpaceError};
use mm::testing::{check_coherence, load_byte, machine, store_byte};

use super::common::{PAGE, leaks, private, put_away, read_write};
use super::scene::{BASE, Numbered, active_space, map_at, map_source};

#[test]
fn protection_is_enforced_and_given_back() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        map_at(&space, BASE, 3);
        store_byte(&space, BASE + PAGE, 5).unwrap();
        space.protect(BASE + PAGE, PAGE, Prot::READ).unwrap();
        check_coherence();
        assert_eq!(store_byte(&space, BASE + PAGE, 6), Err(Fault::NotAllowed));
        assert_eq!(load_byte(&space, BASE + PAGE), Ok(5));
        assert_eq!(space.areas().count(), 3);
        space.protect(BASE + PAGE, PAGE, Prot::empty()).unwrap();
        check_coherence();
        assert_eq!(load_byte(&space, BASE + PAGE), Err(Fault::NotAllowed));
        space.protect(BASE + PAGE, PAGE, read_write()).unwrap();
        assert_eq!(space.areas().count(), 1, "alike again, one again");
        store_byte(&space, BASE + PAGE, 7).unwrap();
        assert_eq!(
            space.handle_fault(BASE, Access::Execute),
            Err(Fault::NotAllowed)
        );
        assert_eq!(
            space.protect(BASE, 4 * PAGE, Prot::READ),
            Err(SpaceError::NoMemory)
        );
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn memory_that_may_be_written_may_be_read() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        let writable = private(Placement::Fixed(BASE), 2 * PAGE, Prot::WRITE);
        space.map(writable).unwrap();
        map_source(
            &space,
            BASE + 2 * PAGE,
            Numbered::new(2),
            0,
            2,
            Prot::WRITE,
            MapFlags::SHARED,
        );
        for page in 0..4 {
            // The first access is a read: it must not fault for ever.
            load_byte(&space, BASE + page * PAGE).unwrap();
            store_byte(&space, BASE + page * PAGE, 9).unwrap();
            assert_eq!(load_byte(&space, BASE + page * PAGE), Ok(9));
        }
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn a_read_only_file_cannot_become_a_shared_write() {
    let _machine = machine();
    let space = active_space();
    let flags = MapFlags::SHARED | MapFlags::NEVER_WRITE;
    map_source(&space, BASE, Numbered::new(1), 0, 1, Prot::READ, flags);
    assert_eq!(
        space.protect(BASE, PAGE, read_write()),
        Err(SpaceError::Denied)
    );
    put_away(space);
}

#[test]
fn discarded_pages_are_zero_again() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        map_at(&space, BASE, 4);
        (0..4).for_each(|page| store_byte(&space, BASE + page * PAGE, 9).unwrap());
        space
            .advise(BASE + PAGE, 2 * PAGE, Advice::Discard)
            .unwrap();
        check_coherence();
        let bytes = [0, 1, 2, 3].map(|page| load_byte(&space, BASE + page * PAGE).unwrap());
        assert_eq!(bytes, [9, 0, 0, 9]);
        assert_eq!(
            space.advise(BASE, 5 * PAGE, Advice::Discard),
            Err(SpaceError::NoMemory)
        );
        space.lock_pages(BASE, PAGE, Locking::Now).unwrap();
        assert_eq!(
            space.advise(BASE, PAGE, Advice::Discard),
            Err(SpaceError::Invalid)
        );
        assert_eq!(space.resident(BASE, 2 * PAGE).unwrap(), [true, false]);
        space.unmap(BASE + 2 * PAGE, 2 * PAGE).unwrap();
        assert_eq!(space.resident(BASE, 3 * PAGE), Err(SpaceError::NoMemory));
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
#[cfg_attr(miri, ignore = "takes all memory, page by page")]
fn a_user_fault_fails_before_the_kernel_starves() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        map_at(&space, BASE, 1 << 16);
        let mut page = 0;
        while store_byte(&space, BASE + page * PAGE, 1).is_ok() {
            page += 1;
        }
        assert_eq!(
            store_byte(&space, BASE + page * PAGE, 1),
            Err(Fault::OutOfMemory)
        );
        assert!(frame::alloc().is_ok(), "the reserve is the kernel's");
        assert_eq!(space.usage().resident_pages, page);
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

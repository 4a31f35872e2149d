//! The break, stacks, limits, and memory that must be there from the start.

use mm::AddressSpace;
use mm::space::{
    Fault, Label, Limits, Locking, MapFlags, MapRequest, Placement, Prot, RemapTo, SpaceError,
};
use mm::testing::{load_byte, machine, store_byte};

use super::common::{PAGE, leaks, private, put_away, read_write};
use super::scene::{BASE, active_space, map_at};

#[test]
fn brk_moves_within_its_limits() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        space.set_brk_start(BASE);
        assert_eq!(space.set_brk(0), BASE);
        assert_eq!(space.set_brk(BASE + 100), BASE + 100);
        store_byte(&space, BASE + 99, 1).unwrap();
        assert_eq!(space.set_brk(BASE + 3 * PAGE), BASE + 3 * PAGE);
        store_byte(&space, BASE + 2 * PAGE, 1).unwrap();
        assert_eq!(space.set_brk(BASE + PAGE), BASE + PAGE);
        assert_eq!(load_byte(&space, BASE + 2 * PAGE), Err(Fault::NotMapped));
        assert_eq!(space.set_brk(BASE + 3 * PAGE), BASE + 3 * PAGE);
        assert_eq!(load_byte(&space, BASE + 2 * PAGE), Ok(0));
        map_at(&space, BASE + 4 * PAGE, 1);
        assert_eq!(space.set_brk(BASE + 5 * PAGE), BASE + 3 * PAGE);
        space.set_limits(Limits {
            data: 4 * PAGE,
            ..space.limits()
        });
        assert_eq!(space.set_brk(BASE + 4 * PAGE), BASE + 3 * PAGE);
        assert_eq!(space.areas().next().unwrap().label, Label::Heap);
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

/// A stack of one page that may grow.
fn map_stack_below(space: &AddressSpace, top: usize) {
    let request = private(Placement::Fixed(top - PAGE), PAGE, read_write());
    let stack = MapRequest {
        flags: MapFlags::GROWS_DOWN,
        label: Label::Stack,
        ..request
    };
    space.map(stack).unwrap();
}

#[test]
fn stacks_grow_down_to_their_limit() {
    let _machine = machine();
    let space = active_space();
    let top = BASE + (32 << 20);
    map_stack_below(&space, top);
    space.set_limits(Limits {
        stack: 8 << 20,
        ..space.limits()
    });
    store_byte(&space, top - 20 * PAGE, 1).unwrap();
    assert_eq!(space.areas().next().unwrap().range, top - 20 * PAGE..top);
    store_byte(&space, top - (8 << 20), 1).unwrap();
    assert_eq!(
        store_byte(&space, top - (8 << 20) - 1, 1),
        Err(Fault::NotMapped)
    );
    put_away(space);

    let space = active_space();
    map_at(&space, top - 300 * PAGE, 1);
    map_stack_below(&space, top);
    assert_eq!(
        store_byte(&space, top - 100 * PAGE, 1),
        Err(Fault::NotMapped),
        "the gap stays"
    );
    assert_eq!(store_byte(&space, top - 43 * PAGE, 1), Ok(()));
    put_away(space);
}

#[test]
fn limits_hold() {
    let _machine = machine();
    let space = active_space();
    space.set_limits(Limits {
        address_space: 4 * PAGE,
        ..space.limits()
    });
    map_at(&space, BASE, 3);
    let more = private(Placement::Hint(0), 2 * PAGE, Prot::READ);
    assert_eq!(space.map(more), Err(SpaceError::NoMemory));
    map_at(&space, BASE, 4);
    assert_eq!(
        space.remap(BASE, 4 * PAGE, 5 * PAGE, RemapTo::Anywhere),
        Err(SpaceError::NoMemory)
    );
    put_away(space);
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn future_mappings_are_locked_when_asked() {
    let _machine = machine();
    let space = active_space();
    space.lock_future(Locking::Now);
    map_at(&space, BASE, 2);
    space.set_brk_start(BASE + 16 * PAGE);
    space.set_brk(BASE + 17 * PAGE);
    assert_eq!(
        (space.usage().resident_pages, space.usage().locked_pages),
        (3, 3)
    );
    let child = space.fork().unwrap();
    assert_eq!(child.usage().locked_pages, 0);
    space.lock_future(Locking::Off);
    space.lock_all(Locking::Off).unwrap();
    map_at(&space, BASE + 4 * PAGE, 1);
    assert_eq!(
        (space.usage().resident_pages, space.usage().locked_pages),
        (3, 0)
    );
    put_away(space);
}

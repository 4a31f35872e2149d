//! Pages on demand, holes, room for mappings, and moving them.

use mm::space::{Fault, Placement, Prot, RemapTo, SpaceError};
use mm::testing::{check_coherence, load_byte, machine, store_byte};

use super::common::{PAGE, leaks, private, put_away, read_write};
use super::scene::{BASE, active_space, map_at};

#[test]
fn zeros_appear_on_demand_and_memory_comes_back() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        map_at(&space, BASE, 8);
        assert_eq!(space.usage().resident_pages, 0);
        assert_eq!(load_byte(&space, BASE + 5), Ok(0));
        assert_eq!(
            space.usage().resident_pages,
            0,
            "a read takes the shared page of zeros"
        );
        store_byte(&space, BASE + 5, 7).unwrap();
        store_byte(&space, BASE + 3 * PAGE, 8).unwrap();
        assert_eq!(load_byte(&space, BASE + 5), Ok(7));
        assert_eq!(load_byte(&space, BASE + 4), Ok(0));
        assert_eq!(space.usage().resident_pages, 2);
        assert_eq!(load_byte(&space, BASE + 8 * PAGE), Err(Fault::NotMapped));
        assert_eq!(load_byte(&space, 0), Err(Fault::NotMapped));
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn unmapping_cuts_holes_and_frees_pages_and_tables() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        map_at(&space, BASE, 8);
        (0..8).for_each(|page| store_byte(&space, BASE + page * PAGE, page as u8).unwrap());
        space.unmap(BASE + 2 * PAGE, 3 * PAGE).unwrap();
        check_coherence();
        assert_eq!(space.areas().count(), 2);
        assert_eq!(space.usage().resident_pages, 5);
        assert_eq!(load_byte(&space, BASE + 2 * PAGE), Err(Fault::NotMapped));
        assert_eq!(load_byte(&space, BASE + 5 * PAGE), Ok(5));
        space.unmap(BASE, 8 * PAGE).unwrap();
        check_coherence();
        assert_eq!(
            space.usage(),
            mm::space::Usage {
                table_pages: 1,
                peak_resident_pages: 8,
                ..Default::default()
            }
        );
        assert_eq!(space.unmap(BASE + 1, PAGE), Err(SpaceError::Invalid));
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn mappings_find_room_and_respect_each_other() {
    let _machine = machine();
    let space = active_space();
    let anywhere = |length| {
        space
            .map(private(Placement::Hint(0), length, read_write()))
            .unwrap()
    };
    let (first, second) = (anywhere(PAGE), anywhere(3 * PAGE));
    assert_eq!(second + 3 * PAGE, first);
    assert_eq!(space.areas().count(), 1);
    space.unmap(first, PAGE).unwrap();
    assert_eq!(anywhere(PAGE), first, "freed room is used again");
    let hinted = space
        .map(private(Placement::Hint(BASE + 5), PAGE, Prot::READ))
        .unwrap();
    assert_eq!(hinted, BASE);
    let exact = |placement| space.map(private(placement, PAGE, Prot::READ));
    assert_eq!(
        exact(Placement::FixedNoReplace(BASE)),
        Err(SpaceError::Exists)
    );
    assert_eq!(
        exact(Placement::FixedNoReplace(BASE + PAGE)),
        Ok(BASE + PAGE)
    );
    assert_eq!(exact(Placement::Fixed(0)), Err(SpaceError::Invalid));
    assert_eq!(
        exact(Placement::Fixed(mm::USER_END)),
        Err(SpaceError::Invalid)
    );
    assert_eq!(
        space.map(private(Placement::Hint(0), mm::USER_END, Prot::READ)),
        Err(SpaceError::NoMemory)
    );
    assert_eq!(
        space.map(private(Placement::Hint(0), 0, Prot::READ)),
        Err(SpaceError::Invalid)
    );
    put_away(space);
}

#[test]
fn remap_grows_moves_and_shrinks() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = active_space();
        map_at(&space, BASE, 2);
        store_byte(&space, BASE, 1).unwrap();
        store_byte(&space, BASE + PAGE, 2).unwrap();
        assert_eq!(
            space.remap(BASE, 2 * PAGE, 4 * PAGE, RemapTo::InPlace),
            Ok(BASE)
        );
        store_byte(&space, BASE + 3 * PAGE, 4).unwrap();
        map_at(&space, BASE + 5 * PAGE, 1);
        assert_eq!(
            space.remap(BASE, 4 * PAGE, 6 * PAGE, RemapTo::InPlace),
            Err(SpaceError::NoMemory)
        );
        let moved = space
            .remap(BASE, 4 * PAGE, 6 * PAGE, RemapTo::Anywhere)
            .unwrap();
        check_coherence();
        assert_eq!(load_byte(&space, BASE), Err(Fault::NotMapped));
        let bytes = [0, 1, 2, 3, 5].map(|page| load_byte(&space, moved + page * PAGE).unwrap());
        assert_eq!(bytes, [1, 2, 0, 4, 0]);
        let target = BASE + 5 * PAGE;
        assert_eq!(
            space.remap(moved, 6 * PAGE, 3 * PAGE, RemapTo::Fixed(target)),
            Ok(target)
        );
        check_coherence();
        assert_eq!(load_byte(&space, moved), Err(Fault::NotMapped));
        assert_eq!(load_byte(&space, target), Ok(1), "what was there is gone");
        assert_eq!(
            space.remap(target, 3 * PAGE, PAGE, RemapTo::InPlace),
            Ok(target)
        );
        assert_eq!(load_byte(&space, target + PAGE), Err(Fault::NotMapped));
        assert_eq!(
            space.remap(target, 2 * PAGE, PAGE, RemapTo::InPlace),
            Err(SpaceError::NotMapped)
        );
        assert_eq!(space.usage().resident_pages, 1);
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

//! Mappings of files and shared memory, and spaces that are not active.

use std::sync::Arc;

use mm::space::{AddressSpace, Fault, MapFlags, PageSource, Prot, SharedMemory};
use mm::testing::{load_byte, machine, store_byte};

use super::common::{PAGE, leaks, put_away, read_write};
use super::scene::{BASE, Numbered, active_space, map_at, map_source};

#[test]
fn private_file_mappings_copy_and_shared_ones_write_through() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let file = Numbered::new(3);
        let space = active_space();
        map_source(
            &space,
            BASE,
            file.clone(),
            1,
            4,
            read_write(),
            MapFlags::empty(),
        );
        assert_eq!(load_byte(&space, BASE), Ok(2));
        store_byte(&space, BASE, 100).unwrap();
        store_byte(&space, BASE + PAGE, 101).unwrap();
        assert_eq!(
            (load_byte(&space, BASE), load_byte(&space, BASE + PAGE + 1)),
            (Ok(100), Ok(3))
        );
        assert_eq!(load_byte(&space, BASE + 2 * PAGE), Err(Fault::Bus));
        assert!(file.dirtied.lock().unwrap().is_empty());

        let shared = BASE + 0x10_0000;
        map_source(
            &space,
            shared,
            file.clone(),
            0,
            3,
            read_write(),
            MapFlags::SHARED,
        );
        assert_eq!(
            load_byte(&space, shared + PAGE),
            Ok(2),
            "private writes stay private"
        );
        store_byte(&space, shared + PAGE, 50).unwrap();
        store_byte(&space, shared + 2 * PAGE, 51).unwrap();
        assert_eq!(*file.dirtied.lock().unwrap(), [1, 2]);
        assert_eq!((file.byte(1), file.byte(2)), (50, 51));
        let area = space.areas().nth(1).unwrap();
        assert_eq!(
            (area.offset, area.identity.as_ref().unwrap().inode),
            (0, 42)
        );
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

/// The file's pages 1 to 7 lie in the first window, the others in the next; some were never asked
/// for.
#[test]
fn a_read_of_a_shared_file_maps_what_is_there_around_it() {
    const START: usize = BASE + 9 * PAGE;
    let machine = machine();
    let leaked = leaks(&machine, || {
        let (file, space) = (Numbered::new(12), active_space());
        for index in [2, 4, 5, 9] {
            file.page(index, false).unwrap();
        }
        let map = |start, flags| {
            map_source(&space, start, file.clone(), 1, 12, read_write(), flags);
        };
        map(START, MapFlags::SHARED);
        let resident = || space.usage().resident_pages;
        assert_eq!(load_byte(&space, START + 2 * PAGE), Ok(4));
        assert_eq!(resident(), 4, "page 3 itself, and 2, 4 and 5");
        assert_eq!(load_byte(&space, START + 5 * PAGE), Ok(7), "was not there");
        assert_eq!(resident(), 5);
        store_byte(&space, START + PAGE, 77).unwrap();
        assert_eq!(*file.dirtied.lock().unwrap(), [2], "neighbours are read");
        assert_eq!(file.byte(2), 77);
        assert_eq!(load_byte(&space, START + 11 * PAGE), Err(Fault::Bus));

        map(START + 0x10_0000, MapFlags::empty());
        assert_eq!(load_byte(&space, START + 0x10_0000 + PAGE), Ok(77));
        assert_eq!(resident(), 6, "one page at a time where it is private");
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn the_kernel_reads_and_writes_spaces_that_are_not_active() {
    let machine = machine();
    let leaked = leaks(&machine, || {
        let space = AddressSpace::new().unwrap();
        map_at(&space, BASE, 3);
        let text: Vec<u8> = (0..PAGE + 100).map(|index| index as u8).collect();
        space.write(BASE + PAGE - 50, &text).unwrap();
        let mut back = vec![0; text.len()];
        space.read(BASE + PAGE - 50, &mut back).unwrap();
        assert_eq!(text, back);
        assert_eq!(
            space.write(BASE + 3 * PAGE - 1, &[1, 2]),
            Err(Fault::NotMapped)
        );
        space
            .protect(BASE, 3 * PAGE, Prot::READ | Prot::EXEC)
            .unwrap();
        assert_eq!(space.write(BASE, &[1]), Err(Fault::NotAllowed));
        space.write_initial(BASE, &[77]).unwrap();
        space.activate();
        assert_eq!(load_byte(&space, BASE), Ok(77));
        assert_eq!(store_byte(&space, BASE, 1), Err(Fault::NotAllowed));
        let file = Numbered::new(1);
        map_source(
            &space,
            BASE,
            file.clone(),
            0,
            1,
            Prot::READ,
            MapFlags::empty(),
        );
        space.write_initial(BASE, &[78]).unwrap();
        assert_eq!(
            (load_byte(&space, BASE), load_byte(&space, BASE + 1)),
            (Ok(78), Ok(1))
        );
        assert_eq!(file.byte(0), 1);
        assert_eq!(
            space.write_initial(usize::MAX, &[1, 2]),
            Err(Fault::NotMapped)
        );
        put_away(space);
    });
    assert_eq!(leaked, 0);
}

#[test]
fn only_shared_words_have_a_key_beyond_their_space() {
    let _machine = machine();
    let (one, other) = (active_space(), AddressSpace::new().unwrap());
    let memory: Arc<dyn PageSource> = Arc::new(SharedMemory::new());
    map_source(
        &one,
        BASE,
        memory.clone(),
        0,
        1,
        read_write(),
        MapFlags::SHARED,
    );
    map_source(
        &other,
        BASE + PAGE,
        memory,
        0,
        1,
        Prot::READ,
        MapFlags::SHARED,
    );
    map_at(&one, BASE + PAGE, 1);
    let key = one.shared_word(BASE + 8).unwrap();
    assert!(key.is_some());
    assert_eq!(other.shared_word(BASE + PAGE + 8), Ok(key));
    assert_eq!(one.shared_word(BASE + PAGE), Ok(None));
    assert_eq!(one.shared_word(BASE + 2 * PAGE), Err(Fault::NotMapped));
    put_away(one);
}

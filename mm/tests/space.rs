//! Address spaces, one behaviour at a time, seen through simulated TLBs.

mod common;

use common::{PAGE, leaks, private, put_away, read_write};
use mm::space::{
    Access, AddressSpace, Advice, Backing, Fault, Label, Limits, Locking, MapFlags, MapRequest,
    PageError, PageSource, Placement, Prot, RemapTo, SharedMemory, SourceIdentity, SpaceError,
};
use mm::testing::{DroppedFlushes, check_coherence, load_byte, machine, store_byte};
use mm::{FrameRef, frame};
use std::sync::{Arc, Mutex};

const BASE: usize = 0x10_0000;

fn active_space() -> Arc<AddressSpace> {
    let space = AddressSpace::new().unwrap();
    space.activate();
    space
}

fn map_at(space: &AddressSpace, start: usize, pages: usize) {
    space
        .map(private(Placement::Fixed(start), pages * PAGE, read_write()))
        .unwrap();
}

/// A file in memory whose page `n` is full of the byte `n + 1`.
struct Numbered {
    pages: Mutex<Vec<Option<FrameRef>>>,
    dirtied: Mutex<Vec<u64>>,
}

impl Numbered {
    fn new(pages: usize) -> Arc<Self> {
        Arc::new(Self {
            pages: Mutex::new(vec![None; pages]),
            dirtied: Mutex::default(),
        })
    }

    fn byte(&self, page: usize) -> u8 {
        let pages = self.pages.lock().unwrap();
        // SAFETY: a byte of a frame we hold.
        unsafe { pages[page].as_ref().unwrap().as_ptr().read() }
    }
}

impl PageSource for Numbered {
    fn page(&self, index: u64, for_write: bool) -> Result<FrameRef, PageError> {
        let mut pages = self.pages.lock().unwrap();
        let page = pages.get_mut(index as usize).ok_or(PageError::PastEnd)?;
        if for_write {
            self.dirtied.lock().unwrap().push(index);
        }
        if page.is_none() {
            let mut frame = frame::alloc_user().map_err(|_| PageError::OutOfMemory)?;
            frame.bytes_mut().fill(index as u8 + 1);
            *page = Some(frame.share());
        }
        Ok(page.clone().unwrap())
    }

    fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            device: (8, 1),
            inode: 42,
            name: "/numbered".into(),
        }
    }
}

fn map_source(
    space: &AddressSpace,
    start: usize,
    source: Arc<dyn PageSource>,
    first: u64,
    pages: usize,
    prot: Prot,
    flags: MapFlags,
) {
    let backing = Backing::Source { source, first };
    let request = MapRequest {
        placement: Placement::Fixed(start),
        length: pages * PAGE,
        prot,
        flags,
        backing,
        label: Label::None,
    };
    space.map(request).unwrap();
}

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

#[test]
fn stacks_grow_down_to_their_limit() {
    let _machine = machine();
    let space = active_space();
    let top = BASE + (32 << 20);
    let flags = MapFlags::GROWS_DOWN;
    let request = private(Placement::Fixed(top - PAGE), PAGE, read_write());
    space
        .map(MapRequest {
            flags,
            label: Label::Stack,
            ..request
        })
        .unwrap();
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
    let request = private(Placement::Fixed(top - PAGE), PAGE, read_write());
    space
        .map(MapRequest {
            flags,
            label: Label::Stack,
            ..request
        })
        .unwrap();
    assert_eq!(
        store_byte(&space, top - 100 * PAGE, 1),
        Err(Fault::NotMapped),
        "the gap stays"
    );
    assert_eq!(store_byte(&space, top - 43 * PAGE, 1), Ok(()));
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

#[test]
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

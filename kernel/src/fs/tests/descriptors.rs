//! Descriptor tables and open file descriptions.

use super::*;
use crate::error::Errno;
use crate::fs::FileTable;

fn file() -> Arc<OpenFile> {
    write(&caller(), "/f", b"0123456789").unwrap()
}

#[test]
fn the_lowest_free_descriptor_is_taken() {
    let table = FileTable::new();
    let file = file();
    for expected in 0..5 {
        assert_eq!(table.insert(file.clone(), false), Ok(expected));
    }
    table.remove(3).unwrap();
    table.remove(1).unwrap();
    assert_eq!(table.insert(file.clone(), false), Ok(1));
    assert_eq!(table.insert_from(4, file.clone(), false), Ok(5));
    assert_eq!(table.insert(file.clone(), false), Ok(3));
    assert_eq!(table.insert(file.clone(), false), Ok(6));
    assert_eq!(table.remove(9).err(), Some(Errno::EBADF));
}

#[test]
fn a_task_finds_in_its_own_table_what_those_left_who_shared_it() {
    let table = Arc::new(FileTable::new());
    // SAFETY: nobody uses it beside this thread when this thread does.
    let own = |fd| unsafe { FileTable::get_own(&table, fd) };
    table.insert(file(), false).unwrap();
    assert!(own(0).is_ok() && own(1).is_err());
    let shared = table.clone();
    assert!(own(0).is_ok(), "under the lock");
    let other = std::thread::spawn(move || {
        shared.remove(0).unwrap();
        shared.insert_from(7, file(), false).unwrap();
    });
    other.join().unwrap();
    assert!(own(0).is_err() && own(7).is_ok());
}

#[test]
fn a_table_counts_what_it_takes() {
    let table = FileTable::new();
    assert_eq!(table.table_bytes(), 0);
    table.set_limit(10_000);
    table.replace(9_999, file(), false).unwrap();
    assert!(table.table_bytes() >= 10_000 * size_of::<usize>());
}

#[test]
fn limits_hold() {
    let table = FileTable::new();
    table.set_limit(3);
    let file = file();
    for _ in 0..3 {
        table.insert(file.clone(), false).unwrap();
    }
    assert_eq!(table.insert(file.clone(), false), Err(Errno::EMFILE));
    assert_eq!(
        table.insert_from(3, file.clone(), false),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        table.replace(3, file.clone(), false).err(),
        Some(Errno::EBADF)
    );
    assert!(table.replace(2, file, false).unwrap().is_some());
}

#[test]
fn forks_share_offsets_but_not_descriptors() {
    let table = FileTable::new();
    table.insert(file(), false).unwrap();
    table
        .get(0)
        .unwrap()
        .with_offset(|offset| {
            *offset = 0;
            Ok(())
        })
        .unwrap();
    let child = table.duplicate().unwrap();
    let mut bytes = [0; 4];
    child
        .get(0)
        .unwrap()
        .read(&mut Sink::Kernel(&mut bytes))
        .unwrap();
    assert_eq!(table.get(0).unwrap().offset(), 4);
    child.remove(0).unwrap();
    assert!(table.get(0).is_ok());
}

#[test]
fn exec_closes_what_is_marked() {
    let table = FileTable::new();
    let file = file();
    for index in 0..4 {
        table.insert(file.clone(), index % 2 == 1).unwrap();
    }
    table.close_marked();
    assert_eq!(table.descriptors(0).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(table.descriptors(1).collect::<Vec<_>>(), [2]);
    table.set_close_on_exec_range(1, u32::MAX);
    assert_eq!(
        (table.close_on_exec(0), table.close_on_exec(2)),
        (Ok(false), Ok(true))
    );
    table.close_range(1, u32::MAX);
    assert_eq!(table.descriptors(0).collect::<Vec<_>>(), [0]);
    table.close_all();
    assert_eq!(Arc::strong_count(&file), 1);
}

#[test]
fn status_flags_change_only_what_they_may() {
    let file = file();
    file.set_flags(OpenFlags::APPEND | OpenFlags::NONBLOCK | OpenFlags::WRONLY | OpenFlags::CREAT);
    assert_eq!(
        file.flags(),
        OpenFlags::RDWR | OpenFlags::APPEND | OpenFlags::NONBLOCK
    );
}

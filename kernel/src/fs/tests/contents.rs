//! What files hold, and how much of it there may be.

use super::*;
use crate::error::Errno;
use crate::fs::node::Allocation;

#[test]
fn holes_read_as_zeros_and_cost_nothing() {
    let caller = caller();
    let file = write(&caller, "/f", b"head").unwrap();
    file.write_at(1 << 40, &mut Source::Kernel(b"tail"))
        .unwrap();
    let metadata = file.node().unwrap().metadata();
    assert_eq!((metadata.size, metadata.blocks), ((1 << 40) + 4, 16));
    assert_eq!(read_open(&file, (1 << 40) - 2), b"\0\0tail");
    assert_eq!(&read_open(&file, 0)[..6], b"head\0\0");
}

#[test]
fn a_full_file_system_says_so_and_frees_again() {
    let caller = caller();
    let data = vec![7; CAPACITY * 4096];
    write(&caller, "/full", &data).unwrap();
    assert_eq!(write(&caller, "/more", b"x").err(), Some(Errno::ENOSPC));
    // A write that fits in part tells how much.
    let file = caller.open(None, b"/full", OpenFlags::RDWR, 0).unwrap();
    file.node()
        .unwrap()
        .truncate(4096 * (CAPACITY as u64 - 1))
        .unwrap();
    assert_eq!(
        file.write_at(
            4096 * (CAPACITY as u64 - 1),
            &mut Source::Kernel(&[1; 8192])
        ),
        Ok(4096)
    );
    drop(file);
    caller.unlink(None, b"/full").unwrap();
    write(&caller, "/more", &data).unwrap();
}

#[test]
fn truncation_leaves_no_old_bytes_behind() {
    let caller = caller();
    let file = write(&caller, "/f", &[9; 6000]).unwrap();
    let node = file.node().unwrap();
    node.truncate(100).unwrap();
    node.truncate(6000).unwrap();
    let bytes = read_open(&file, 0);
    assert!(
        bytes[..100].iter().all(|&byte| byte == 9) && bytes[100..].iter().all(|&byte| byte == 0)
    );
    assert_eq!(bytes.len(), 6000);
    assert_eq!(node.truncate(u64::MAX), Err(Errno::EFBIG));
}

#[test]
fn punched_holes_read_as_zeros() {
    let caller = caller();
    let file = write(&caller, "/f", &[9; 12288]).unwrap();
    let node = file.node().unwrap();
    node.allocate(Allocation::PunchHole, 100, 8192).unwrap();
    let bytes = read_open(&file, 0);
    assert!(bytes[..100].iter().all(|&byte| byte == 9));
    assert!(bytes[100..8292].iter().all(|&byte| byte == 0));
    assert!(bytes[8292..].iter().all(|&byte| byte == 9));
    node.allocate(Allocation::Reserve { keep_size: false }, 12288, 10)
        .unwrap();
    assert_eq!(node.metadata().size, 12298);
}

#[test]
fn an_open_file_outlives_its_name() {
    let caller = caller();
    let file = write(&caller, "/f", b"still here").unwrap();
    caller.unlink(None, b"/f").unwrap();
    assert_eq!(file.node().unwrap().metadata().links, 0);
    assert_eq!(read_open(&file, 0), b"still here");
    assert_eq!(read(&caller, "/f").err(), Some(Errno::ENOENT));
}

#[test]
fn appending_goes_to_the_end() {
    let caller = caller();
    write(&caller, "/f", b"one").unwrap();
    let file = caller
        .open(None, b"/f", OpenFlags::WRONLY | OpenFlags::APPEND, 0)
        .unwrap();
    file.write(&mut Source::Kernel(b"two")).unwrap();
    assert_eq!(file.offset(), 6);
    assert_eq!(read(&caller, "/f").unwrap(), b"onetwo");
    assert_eq!(file.read(&mut Sink::Kernel(&mut [0; 4])), Err(Errno::EBADF));
}

#[test]
fn mapped_pages_are_the_files_pages() {
    let caller = caller();
    let file = write(&caller, "/f", b"seen").unwrap();
    let source = file.node().unwrap().page_source().unwrap();
    let frame = source.page(0, true).unwrap();
    // SAFETY: nobody else touches this frame in the test.
    unsafe { frame.as_mut_ptr().write(b'S') };
    assert_eq!(read_open(&file, 0), b"Seen");
    assert!(source.page(1, false).is_err());
}

#[test]
fn a_reservation_that_does_not_fit_takes_nothing() {
    let caller = caller();
    let file = write(&caller, "/f", b"x").unwrap();
    let node = file.node().unwrap();
    let whole = Allocation::Reserve { keep_size: false };
    assert_eq!(node.allocate(whole, 0, 1 << 60), Err(Errno::ENOSPC));
    assert_eq!((node.metadata().size, node.metadata().blocks), (1, 8));
    node.allocate(whole, 0, CAPACITY as u64 * 4096).unwrap();
}

#[test]
fn inodes_and_long_symlinks_are_limited() {
    let caller = caller();
    let make = |index: usize, text: &[u8]| {
        let path = format!("/tmp/{index}");
        caller
            .make(None, path.as_bytes(), NewNode::Symlink(text), 0o777)
            .map(|_| ())
    };
    for index in 0..CAPACITY {
        make(index, &[b'x'; 1000]).unwrap();
    }
    assert_eq!(make(CAPACITY, &[b'x'; 1000]), Err(Errno::ENOSPC));
    let made = (CAPACITY..)
        .take_while(|&index| make(index, b"short").is_ok())
        .count();
    assert_eq!(made, 1024 - CAPACITY - 2);
    caller.unlink(None, b"/tmp/0").unwrap();
    make(0, &[b'x'; 1000]).unwrap();
}

//! Ranges that are refused, and buffers and ranges that end early.

use super::*;
use crate::error::Errno;
use alloc::vec::Vec;

#[test]
fn kernel_addresses_are_refused() {
    let mut byte = [0];
    assert_eq!(
        copy_in(0xffff_0000_0000_0000, &mut byte),
        Err(Errno::EFAULT)
    );
    assert_eq!(copy_in(usize::MAX, &mut byte), Err(Errno::EFAULT));
    assert_eq!(copy_out(USER_END, &byte), Err(Errno::EFAULT));
}

#[test]
fn kernel_sink_and_source_move_what_fits() {
    let mut buffer = [0u8; 4];
    let mut sink = Sink::Kernel(&mut buffer);
    assert_eq!(sink.put(b"abc"), Ok(3));
    assert_eq!(sink.put(b"def"), Ok(1));
    assert_eq!(sink.remaining(), 0);
    assert_eq!(&buffer, b"abcd");
    let mut out = [0u8; 8];
    assert_eq!(Source::Kernel(&buffer).take(&mut out), Ok(4));
    let mut vec = Vec::with_capacity(8);
    vec.push(b'>');
    let mut source = Source::Kernel(&buffer);
    assert_eq!(source.append(&mut vec, 3), Ok(3));
    assert_eq!(vec, b">abc");
    assert_eq!((source.append(&mut vec, 3), source.remaining()), (Ok(1), 0));
}

#[test]
fn a_truncated_source_ends_in_its_first_range_or_after_a_whole_one() {
    let ranges = [
        UserSlice::new(0, 0),
        UserSlice::new(0x1000, 10),
        UserSlice::new(0x2000, 10),
    ];
    for (length, left) in [(0, 0), (4, 4), (10, 10), (15, 10), (20, 20), (99, 20)] {
        let mut source = Source::user_vectors(&ranges);
        source.truncate(length);
        assert_eq!(source.remaining(), left, "{length}");
    }
    let mut source = Source::Kernel(b"abcdef");
    source.truncate(2);
    assert_eq!(source.remaining(), 2);
}

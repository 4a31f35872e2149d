//! Text there and back, set algebra, order.

use super::*;
use std::format;
use std::string::ToString;

fn list(text: &str) -> CpuSet {
    CpuSet::parse_list(text).unwrap()
}

#[test]
fn lists_round_trip() {
    for text in ["", "0", "0-2,5", "63-64", "1,3,5,1023", "0-1023"] {
        assert_eq!(list(text).to_string(), text);
    }
    assert_eq!(list(" 4 , 0-6:2\n").to_string(), "0,2,4,6");
}

#[test]
fn bad_lists_are_named() {
    assert_eq!(CpuSet::parse_list("a"), Err(ParseError::BadNumber));
    assert_eq!(CpuSet::parse_list("3-1"), Err(ParseError::BadRange));
    assert_eq!(CpuSet::parse_list("0-4:0"), Err(ParseError::BadRange));
    assert_eq!(CpuSet::parse_list("1024"), Err(ParseError::OutOfRange));
}

#[test]
fn masks_round_trip() {
    for text in ["0", "f", "ff,ffffffff", "1,00000000,00000001"] {
        assert_eq!(format!("{:x}", CpuSet::parse_mask(text).unwrap()), text);
    }
    assert_eq!(CpuSet::parse_mask("0xA").unwrap(), list("1,3"));
    assert_eq!(CpuSet::parse_mask(""), Err(ParseError::BadNumber));
    let too_long = format!("1{}", "0".repeat(MAX_CPUS / 4));
    assert_eq!(CpuSet::parse_mask(&too_long), Err(ParseError::OutOfRange));
    let zeros = "0".repeat(MAX_CPUS);
    assert_eq!(CpuSet::parse_mask(&zeros), Ok(CpuSet::EMPTY));
}

#[test]
fn bytes_are_cpu_set_t() {
    let set = list("0,9,1023");
    let bytes = set.to_bytes();
    assert_eq!((bytes[0], bytes[1], bytes[127]), (1, 2, 0x80));
    let read = |length: usize| {
        let mut set = CpuSet::EMPTY;
        set.as_mut_bytes()[..length].copy_from_slice(&bytes[..length]);
        set
    };
    assert_eq!((read(128), read(2)), (set, list("0,9")));
}

#[test]
fn algebra() {
    let (low, odd) = (CpuSet::first_n(70), list("1,3,65,71"));
    assert_eq!(low & odd, list("1,3,65"));
    assert_eq!(odd - low, list("71"));
    assert_eq!((low | odd).count(), 71);
    assert!((low & odd).is_subset(&low) && !odd.is_subset(&low));
    assert!(low.intersects(&odd) && !(odd - low).intersects(&low));
    assert_eq!(!CpuSet::ALL, CpuSet::EMPTY);
}

#[test]
fn round_robin_goes_round() {
    let set = list("2,63,64,1023");
    let mut cpu = CpuId::new(2);
    let visited = [(); 4].map(|()| {
        cpu = set.next_after(cpu).unwrap();
        cpu.index()
    });
    assert_eq!(visited, [63, 64, 1023, 2]);
    assert_eq!(set.last().unwrap().index(), 1023);
    assert_eq!(CpuSet::EMPTY.next_after(cpu), None);
}

//! The kernel's own tables: blocks, the device window, stacks and their guards.

mod common;

use common::PAGE;
use mm::kernel_space::{
    self, KernelAccess, KernelTable, STACK_PAGES, Stack, is_stack_guard, map_device, translate,
};
use mm::testing::machine;
use mm::{PhysAddr, VirtAddr, frame};
use std::collections::HashSet;
use std::sync::Once;

const LINEAR: usize = mm::phys_map::LINEAR_BASE;

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| kernel_space::init(KernelTable::new().unwrap()));
}

#[test]
fn large_ranges_take_few_tables_and_translate_everywhere() {
    let _machine = machine();
    let before = frame::free();
    let mut table = KernelTable::new().unwrap();
    let (start, length) = (0x4020_0000usize, (3usize << 30) + 0x0060_3000);
    table
        .map(
            VirtAddr(LINEAR + start),
            PhysAddr(start as u64),
            length,
            KernelAccess::ReadWrite,
        )
        .unwrap();
    // Root, one of level 1, three of level 2 (both ends), one of level 3.
    assert!(
        before - frame::free() <= 5,
        "{} tables",
        before - frame::free()
    );
    let probes = [
        0,
        1,
        0x1f_ffff,
        0x20_0000,
        0x3fff_ffff,
        1 << 30,
        (2 << 30) + 77,
        length - 1,
    ];
    for offset in probes {
        let found = table.translate(VirtAddr(LINEAR + start + offset));
        assert_eq!(
            found,
            Some(PhysAddr((start + offset) as u64)),
            "{offset:#x}"
        );
    }
    assert_eq!(table.translate(VirtAddr(LINEAR + start - 1)), None);
    assert_eq!(table.translate(VirtAddr(LINEAR + start + length)), None);
}

#[test]
#[should_panic(expected = "mapped already")]
fn nothing_is_mapped_twice() {
    let _machine = machine();
    let mut table = KernelTable::new().unwrap();
    let mut map = |at: usize| {
        table
            .map(
                VirtAddr(LINEAR + at),
                PhysAddr(0),
                PAGE,
                KernelAccess::ReadOnly,
            )
            .unwrap()
    };
    map(PAGE);
    map(PAGE);
}

#[test]
fn device_registers_keep_their_offset() {
    let _machine = machine();
    install();
    let first = map_device(PhysAddr(0x0900_0010), 0x1000).unwrap();
    let second = map_device(PhysAddr(0x0a00_0000), 4).unwrap();
    assert_eq!(first.as_usize() % PAGE, 0x10);
    assert_eq!(translate(first), Some(PhysAddr(0x0900_0010)));
    assert_eq!(translate(first.offset(0xfff)), Some(PhysAddr(0x0900_100f)));
    assert_eq!(translate(second), Some(PhysAddr(0x0a00_0000)));
    assert_eq!(
        translate(second.offset(PAGE)),
        None,
        "a gap between devices"
    );
}

#[test]
fn stacks_have_pages_between_guards_and_are_recycled() {
    let _machine = machine();
    install();
    drop(Stack::new().unwrap());
    let warm = frame::free();
    let count = 100;
    let stacks: Vec<_> = (0..count).map(|_| Stack::new().unwrap()).collect();
    let mut frames = HashSet::new();
    for stack in &stacks {
        let (bottom, top) = (stack.bottom(), stack.top());
        assert_eq!(top.as_usize() - bottom.as_usize(), STACK_PAGES * PAGE);
        assert_eq!(top.as_usize() % 16, 0);
        for page in 0..STACK_PAGES {
            let frame = translate(bottom.offset(page * PAGE)).unwrap();
            assert!(frames.insert(frame), "a frame under two stacks");
        }
        for guard in [VirtAddr(bottom.as_usize() - 1), top] {
            assert!(translate(guard).is_none() && is_stack_guard(guard));
        }
        assert!(!is_stack_guard(bottom) && !is_stack_guard(VirtAddr(top.as_usize() - 1)));
    }
    assert!(stacks.iter().all(|stack| stack.used() == 0));
    let word = mm::phys_map::pointer(translate(VirtAddr(stacks[7].top().0 - 64)).unwrap());
    // SAFETY: inside the stack, which nobody runs on.
    unsafe { word.write(1) };
    assert_eq!(stacks[7].used(), 64);
    drop(stacks);
    // A bounded number stays for the next threads; what they need comes from there.
    let kept = warm - frame::free();
    assert!(kept < 70 * STACK_PAGES, "{kept} frames kept");
    let before = frame::free();
    let again: Vec<_> = (0..50).map(|_| Stack::new().unwrap()).collect();
    assert_eq!(frame::free(), before);
    assert!(again.iter().all(|stack| stack.used() == 0));
    drop(again);
}

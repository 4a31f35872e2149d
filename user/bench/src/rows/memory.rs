//! Mapping, touching, protecting and unmapping anonymous memory.

use super::{Row, row};
use crate::mapping::{Mapping, PAGE, READ, READ_WRITE};
use crate::measure::{Outcome, Plan, one};
use crate::{clock, cpus};

pub const ROWS: &[Row] = &[
    row("mmap-1", "mmap, touch and munmap of 1 page", |plan| {
        map_and_touch(plan, 1)
    }),
    row("mmap-64", "mmap, touch and munmap of 64 pages", |plan| {
        map_and_touch(plan, 64)
    }),
    row("page-fault", "the first touch of an anonymous page", faults),
    row(
        "mprotect",
        "mprotect to read-only and back, and a write",
        protect,
    ),
];

fn map_and_touch(plan: Plan, pages: usize) -> Outcome {
    cpus::stay()?;
    one(plan.try_batches(20, || {
        let start = clock::now();
        for _ in 0..20 {
            Mapping::anonymous(pages)?.touch_all();
        }
        Ok(clock::now() - start)
    })?)
}

fn faults(plan: Plan) -> Outcome {
    const PAGES: usize = 256;
    cpus::stay()?;
    one(plan.try_batches(PAGES as u32, || {
        let mapping = Mapping::anonymous(PAGES)?;
        Ok(clock::time(|| mapping.touch_all()))
    })?)
}

fn protect(plan: Plan) -> Outcome {
    cpus::stay()?;
    let mapping = Mapping::anonymous(1)?;
    debug_assert_eq!(mapping.length(), PAGE);
    mapping.touch_all();
    one(plan.try_batches(200, || {
        let start = clock::now();
        for _ in 0..200 {
            mapping.protect(READ)?;
            mapping.protect(READ_WRITE)?;
            mapping.touch_all();
        }
        Ok(clock::now() - start)
    })?)
}

//! Shared by the tests: random numbers with a seed, and spaces that are put away properly.
#![allow(dead_code, reason = "each test program uses its own part")]

use mm::space::{AddressSpace, Backing, Label, MapFlags, MapRequest, Placement, Prot};
use mm::testing::{Machine, check_coherence, forget_space, load_byte};
use std::sync::{Arc, OnceLock};

pub const PAGE: usize = mm::PAGE_SIZE;

/// xorshift64*: enough to choose operations, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// A private anonymous mapping.
pub fn private(placement: Placement, length: usize, prot: Prot) -> MapRequest {
    MapRequest {
        placement,
        length,
        prot,
        flags: MapFlags::empty(),
        backing: Backing::Anonymous,
        label: Label::None,
    }
}

pub fn read_write() -> Prot {
    Prot::READ | Prot::WRITE
}

/// Drops a space that is active on this CPU, after putting another one in its place.
pub fn put_away(space: Arc<AddressSpace>) {
    check_coherence();
    forget_space(&space);
    drop(space);
}

/// A space that is never dropped, for CPUs to have in TTBR0 when a test is over.
pub fn idle() -> &'static AddressSpace {
    static IDLE: OnceLock<Arc<AddressSpace>> = OnceLock::new();
    IDLE.get_or_init(|| {
        let idle = AddressSpace::new().expect("memory at the start");
        idle.activate();
        // The shared page of zeros stays once it is made.
        idle.map(private(Placement::Fixed(PAGE), PAGE, Prot::READ))
            .expect("memory at the start");
        load_byte(&idle, PAGE).expect("memory at the start");
        idle
    })
}

/// Leaves this CPU with nothing of the test in TTBR0.
pub fn leave() {
    idle().activate();
    mm::space::deactivate();
}

/// Frames still in use after `work` has dropped all it made. Its threads must [`leave`].
pub fn leaks(_machine: &Machine, work: impl FnOnce()) -> isize {
    leave();
    let before = mm::frame::free() as isize;
    work();
    leave();
    before - mm::frame::free() as isize
}

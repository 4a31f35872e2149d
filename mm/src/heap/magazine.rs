//! Per-CPU magazines: a few free objects of each class, taken and given with IRQs masked and no
//! lock. Half a magazine at a time moves to and from the slabs.

use super::class::{COUNT, Class};
use super::slab;
use core::cell::{Cell, UnsafeCell};
use percpu::{cpu_local, irq};

const CAPACITY: usize = 32;

struct Magazine {
    length: Cell<usize>,
    objects: UnsafeCell<[*mut u8; CAPACITY]>,
}

// SAFETY: the objects are free memory, which any thread may use.
unsafe impl Send for Magazine {}

cpu_local! {
    static MAGAZINES: [Magazine; COUNT] = [const { Magazine::new() }; COUNT];
}

impl Magazine {
    const fn new() -> Self {
        Self {
            length: Cell::new(0),
            objects: UnsafeCell::new([core::ptr::null_mut(); CAPACITY]),
        }
    }

    /// # Safety
    /// IRQs are masked and no other reference to the objects is alive.
    #[expect(
        clippy::mut_from_ref,
        reason = "the cell is private to this CPU; see the contract"
    )]
    unsafe fn objects(&self) -> &mut [*mut u8; CAPACITY] {
        // SAFETY: as asked of the caller.
        unsafe { &mut *self.objects.get() }
    }
}

/// Objects that a magazine of this class holds: fewer of the big ones.
fn capacity(class: Class) -> usize {
    match class.size() {
        0..=256 => CAPACITY,
        257..=1024 => CAPACITY / 2,
        _ => CAPACITY / 4,
    }
}

#[inline]
pub fn take(class: Class) -> Option<*mut u8> {
    let masked = irq::mask();
    let magazine = &MAGAZINES.get(&masked)[class.index()];
    // SAFETY: masked; the only reference in this function.
    let objects = unsafe { magazine.objects() };
    if magazine.length.get() == 0 {
        let taken = slab::take(class, &mut objects[..capacity(class) / 2]);
        magazine.length.set(taken);
    }
    let length = magazine.length.get().checked_sub(1)?;
    magazine.length.set(length);
    Some(objects[length])
}

#[inline]
pub fn give(class: Class, object: *mut u8) {
    let masked = irq::mask();
    let magazine = &MAGAZINES.get(&masked)[class.index()];
    // SAFETY: masked; the only reference in this function.
    let objects = unsafe { magazine.objects() };
    if magazine.length.get() == capacity(class) {
        let keep = capacity(class) / 2;
        slab::give(class, &objects[keep..capacity(class)]);
        magazine.length.set(keep);
    }
    let length = magazine.length.get();
    objects[length] = object;
    magazine.length.set(length + 1);
}

/// Gives everything back to the slabs: this CPU goes off.
#[cold]
pub fn leave_cpu() {
    let masked = irq::mask();
    for class in Class::all() {
        let magazine = &MAGAZINES.get(&masked)[class.index()];
        // SAFETY: masked; the only reference in this function.
        let objects = unsafe { magazine.objects() };
        slab::give(class, &objects[..magazine.length.replace(0)]);
    }
}

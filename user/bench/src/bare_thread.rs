//! Threads of the C library alone. Rust's own add an alternate signal stack to each (a mapping,
//! a guard page, two calls), which would be most of what the rows about threads see.

use crate::measure::Trouble;
use std::ffi::c_void;
use std::ptr;

pub struct BareThread(libc::pthread_t);

impl BareThread {
    /// Calls `work` in a new thread.
    ///
    /// # Safety
    ///
    /// `work` has to outlive the thread: join it before.
    pub unsafe fn start<F: Fn() + Sync>(work: &F) -> Result<Self, Trouble> {
        extern "C" fn enter<F: Fn()>(work: *mut c_void) -> *mut c_void {
            // SAFETY: `start` passes its closure, which outlives the thread.
            let work = unsafe { &*work.cast::<F>() };
            work();
            ptr::null_mut()
        }
        let mut thread = ptr::null_mut::<c_void>() as libc::pthread_t;
        let work = ptr::from_ref(work).cast_mut().cast();
        // SAFETY: the handle is ours to write; no attributes are given.
        match unsafe { libc::pthread_create(&mut thread, ptr::null(), enter::<F>, work) } {
            0 => Ok(Self(thread)),
            error => Err(nix::errno::Errno::from_raw(error).into()),
        }
    }

    pub fn join(self) {
        // SAFETY: the thread was started here and is joined once; its result is not asked for.
        unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
    }
}

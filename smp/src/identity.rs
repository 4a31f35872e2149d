//! Who the calling thread is, in two instructions: a lock's fast path notes its owner this way.
//!
//! A kernel stack is the upper half of an aligned block, so the stack pointer names the thread
//! whatever CPU it is on, and nothing need be masked. The highest words of the stack say which
//! thread that is, for whoever finds its name in a contended lock; null on the stack of a CPU's
//! idle thread. On the host, and in models, a name is an address.

pub(crate) use imp::{adopt_stack, on_this_stack, owner_of, token};

/// Kernel stacks lie in blocks of this size, so aligned, and end with them.
pub const STACK_BLOCK: usize = 1 << 16;
/// What the platform leaves free, and null, at the top of each stack it makes.
pub const STACK_TOP_RESERVED: usize = 16;

#[cfg(target_os = "none")]
mod imp {
    use super::{STACK_BLOCK, STACK_TOP_RESERVED};
    use crate::thread::{Thread, ThreadRef};
    use core::ptr;
    use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

    /// The calling thread's name: not 0, and the low bits are.
    #[inline(always)]
    pub(crate) fn token() -> usize {
        percpu::stack_pointer() & !(STACK_BLOCK - 1)
    }

    /// Where the stack that `token` names says whose it is.
    fn note(token: usize) -> *const AtomicPtr<Thread> {
        ptr::with_exposed_provenance(token + STACK_BLOCK - STACK_TOP_RESERVED)
    }

    /// The calling thread, if it has [adopted](adopt_stack) its stack.
    #[inline(always)]
    pub(crate) fn on_this_stack() -> Option<ThreadRef> {
        // SAFETY: it runs.
        unsafe { owner_of(token()) }
    }

    /// The calling thread runs on its stack for the first time.
    pub(crate) fn adopt_stack(thread: &ThreadRef) {
        // SAFETY: the top of the stack this runs on, left free for this.
        let note = unsafe { &*note(token()) };
        note.store(ptr::from_ref::<Thread>(thread).cast_mut(), Relaxed);
    }

    /// The thread of that name; `None` for a CPU's boot and idle context.
    ///
    /// # Safety
    /// The thread named is alive, and stays so until this returns.
    pub(crate) unsafe fn owner_of(token: usize) -> Option<ThreadRef> {
        // SAFETY: the stack of a living thread is mapped.
        let thread = unsafe { &*note(token) }.load(Relaxed);
        // SAFETY: alive, says the caller.
        (!thread.is_null()).then(|| unsafe { ThreadRef::share(thread) })
    }
}

#[cfg(all(not(target_os = "none"), not(loom)))]
mod imp {
    use crate::thread::{Thread, ThreadRef};
    use core::ptr;

    pub(crate) fn token() -> usize {
        // The host's table keeps it alive while its thread runs.
        ptr::from_ref::<Thread>(&crate::runtime::current()).expose_provenance()
    }

    pub(crate) fn adopt_stack(_thread: &ThreadRef) {}

    pub(crate) fn on_this_stack() -> Option<ThreadRef> {
        None
    }

    /// # Safety
    /// The thread named is alive, and stays so until this returns.
    pub(crate) unsafe fn owner_of(token: usize) -> Option<ThreadRef> {
        // SAFETY: alive, says the caller.
        Some(unsafe { ThreadRef::share(ptr::with_exposed_provenance(token)) })
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use crate::parker::{owner_of, token};

    pub(crate) fn adopt_stack(_thread: &crate::ThreadRef) {}

    pub(crate) fn on_this_stack() -> Option<crate::ThreadRef> {
        None
    }
}

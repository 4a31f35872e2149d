//! The calls themselves, as the tests want them: with their errors.

use nix::errno::Errno;

pub const NOBODY: i32 = 4_000_000;

pub const RESET: i32 = libc::SCHED_RESET_ON_FORK;

pub fn result(value: libc::c_long) -> Result<i32, Errno> {
    Errno::result(value).map(|value| value as i32)
}

pub fn set(tid: i32, policy: i32, priority: i32) -> Result<i32, Errno> {
    // SAFETY: the call reads an int.
    result(unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            tid,
            policy,
            &raw const priority,
        )
    })
}

pub fn set_priority(tid: i32, priority: i32) -> Result<i32, Errno> {
    // SAFETY: the call reads an int.
    result(unsafe { libc::syscall(libc::SYS_sched_setparam, tid, &raw const priority) })
}

pub fn policy(tid: i32) -> Result<i32, Errno> {
    // SAFETY: no pointer.
    result(unsafe { libc::syscall(libc::SYS_sched_getscheduler, tid) })
}

pub fn priority(tid: i32) -> Result<i32, Errno> {
    let mut priority = -1;
    // SAFETY: the call writes an int.
    result(unsafe { libc::syscall(libc::SYS_sched_getparam, tid, &raw mut priority) })?;
    Ok(priority)
}

/// Policy and priority of the calling thread; -1 is what cannot be told.
pub fn own_class() -> (i32, i32) {
    (policy(0).unwrap_or(-1), priority(0).unwrap_or(-1))
}

pub fn nice(which: i32, who: i32) -> Result<i32, Errno> {
    // SAFETY: no pointer. The bare call returns 20 - nice.
    result(unsafe { libc::syscall(libc::SYS_getpriority, which, who) }).map(|value| 20 - value)
}

pub fn set_nice(which: i32, who: i32, nice: i32) -> Result<i32, Errno> {
    // SAFETY: no pointer.
    result(unsafe { libc::syscall(libc::SYS_setpriority, which, who, nice) })
}

pub const DEADLINE: i32 = 6;

/// `struct sched_attr`, and room behind it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub clamps: [u32; 2],
    pub beyond: [u64; 2],
}

impl Attributes {
    /// As every kernel since 5.3 knows it, and before.
    pub const SIZE: u32 = 56;
    pub const FIRST_SIZE: u32 = 48;
    pub const KEEP_POLICY: u64 = 8;
    pub const KEEP_PARAMS: u64 = 16;
}

pub fn set_attributes(tid: i32, attributes: &Attributes, flags: u32) -> Result<i32, Errno> {
    let pointer = std::ptr::from_ref(attributes);
    // SAFETY: the call reads the struct, and at most writes its size.
    result(unsafe { libc::syscall(libc::SYS_sched_setattr, tid, pointer, flags) })
}

pub fn get_attributes(tid: i32, size: u32) -> Result<Attributes, Errno> {
    let mut attributes = Attributes::default();
    let pointer = &raw mut attributes;
    // SAFETY: the call writes no more than it knows, which is less than there is.
    result(unsafe { libc::syscall(libc::SYS_sched_getattr, tid, pointer, size, 0) })?;
    // What a fair thread's slice is depends on the kernel.
    attributes.runtime = 0;
    Ok(attributes)
}

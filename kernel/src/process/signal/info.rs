//! What travels with a signal: `siginfo_t` (sigaction(2)), 128 bytes as user space sees them.

use super::set::Signal;
use core::mem::size_of;

/// `si_code` values.
pub mod code {
    pub const USER: i32 = 0;
    pub const KERNEL: i32 = 0x80;
    pub const QUEUE: i32 = -1;
    pub const TIMER: i32 = -2;
    pub const TKILL: i32 = -6;
    pub const CHILD_EXITED: i32 = 1;
    pub const CHILD_KILLED: i32 = 2;
    pub const CHILD_DUMPED: i32 = 3;
    pub const CHILD_STOPPED: i32 = 5;
    pub const CHILD_CONTINUED: i32 = 6;
    pub const SEGV_MAPERR: i32 = 1;
    pub const SEGV_ACCERR: i32 = 2;
    pub const BUS_ADRALN: i32 = 1;
    pub const BUS_ADRERR: i32 = 2;
    pub const ILL_ILLOPC: i32 = 1;
    pub const TRAP_BRKPT: i32 = 1;
    pub const TRAP_TRACE: i32 = 2;
}

/// A signal and its details. The layout is `siginfo_t`'s.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SigInfo {
    pub signo: i32,
    pub errno: i32,
    pub code: i32,
    pad: i32,
    /// The union, as 64-bit words: what each holds depends on `code`.
    fields: [u64; 14],
}
crate::user_memory::plain!(SigInfo);

const _: () = assert!(size_of::<SigInfo>() == 128);

impl core::fmt::Debug for SigInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match Signal::new(self.signo as usize) {
            Ok(signal) => write!(f, "{signal:?} (code {})", self.code),
            Err(_) => f.write_str("no signal"),
        }
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

impl SigInfo {
    fn new(signal: Signal, code: i32, fields: &[u64]) -> Self {
        let mut all = [0; 14];
        all[..fields.len()].copy_from_slice(fields);
        Self {
            signo: signal.number().into(),
            errno: 0,
            code,
            pad: 0,
            fields: all,
        }
    }

    /// All zero: waitid(2) with nothing to report.
    pub fn empty() -> Self {
        Self {
            signo: 0,
            errno: 0,
            code: 0,
            pad: 0,
            fields: [0; 14],
        }
    }

    /// Sent by the kernel itself (`SI_KERNEL`), such as a terminal's Ctrl-C.
    pub fn kernel(signal: Signal) -> Self {
        Self::new(signal, code::KERNEL, &[])
    }

    /// Sent by a process: `code` is `SI_USER` or `SI_TKILL`.
    pub fn user(signal: Signal, code: i32, pid: u32, uid: u32) -> Self {
        Self::new(signal, code, &[pair(pid, uid)])
    }

    /// A synchronous fault at `address`.
    pub fn fault(signal: Signal, code: i32, address: usize) -> Self {
        Self::new(signal, code, &[address as u64])
    }

    /// A child changed state; `status` is its exit code or the signal.
    pub fn child(
        code: i32,
        pid: u32,
        uid: u32,
        status: i32,
        user_ticks: u64,
        system_ticks: u64,
    ) -> Self {
        Self::new(
            Signal::CHLD,
            code,
            &[
                pair(pid, uid),
                pair(status as u32, 0),
                user_ticks,
                system_ticks,
            ],
        )
    }

    /// A file is ready (`O_ASYNC`): `code` is `POLL_IN` or the like, `band` what poll(2) shows.
    pub fn poll(signal: Signal, code: i32, band: u64, fd: i32) -> Self {
        Self::new(signal, code, &[band, pair(fd as u32, 0)])
    }

    /// A POSIX timer expired.
    pub fn timer(signal: Signal, timer_id: u32, overrun: u32, value: u64) -> Self {
        Self::new(signal, code::TIMER, &[pair(timer_id, overrun), value])
    }

    /// `si_pid` of the kinds that have one.
    pub fn pid(&self) -> u32 {
        self.fields[0] as u32
    }

    /// `si_uid` of the kinds that have one.
    pub fn uid(&self) -> u32 {
        (self.fields[0] >> 32) as u32
    }

    /// `si_status` of `SIGCHLD`.
    pub fn status(&self) -> i32 {
        self.fields[1] as i32
    }

    /// `si_addr` of faults.
    pub fn address(&self) -> usize {
        self.fields[0] as usize
    }

    /// `si_value` of queued signals and timers.
    pub fn value(&self) -> u64 {
        self.fields[1]
    }

    /// Sets the overrun count of a timer signal that is already queued.
    pub fn set_overrun(&mut self, overrun: u32) {
        self.fields[0] = pair(self.fields[0] as u32, overrun);
    }

    /// Whether user space made it up (rt_sigqueueinfo(2)), not kill(2) or the kernel.
    pub fn is_from_user(&self) -> bool {
        self.code < 0 && self.code != code::TKILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;

    #[test]
    fn layout_is_that_of_linux() {
        // asm-generic/siginfo.h on 64-bit: the union starts at 16.
        assert_eq!(offset_of!(SigInfo, fields), 16);
        let child = SigInfo::child(code::CHILD_EXITED, 7, 1000, 3, 0, 0);
        assert_eq!((child.pid(), child.uid(), child.status()), (7, 1000, 3));
        assert_eq!(child.signo, 17);
    }
}

//! Ending the machine's run: power off, restart (reboot(2)), and the end of init.

use crate::process::status::ExitStatus;

/// What to do with the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    PowerOff,
    Restart,
    /// Stop all CPUs and leave the power on.
    Halt,
}

/// pid 1 has exited: there is nothing left to do.
pub fn init_exited(status: ExitStatus) -> ! {
    log::error!("init has ended ({status:?}): powering off");
    end(End::PowerOff)
}

pub fn end(how: End) -> ! {
    crate::arch::end(how)
}

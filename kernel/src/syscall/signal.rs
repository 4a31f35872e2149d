//! Signals: actions, masks, sending, waiting (signal(7)).

use super::Calls;
use super::time::TimeSpec;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::signal::alt_stack::{AltStack, UserStack};
use crate::process::signal::{self, Action, SigInfo, Signal, SignalSet, info::code, mask};
use crate::process::{
    Process, Task, current, pidfd, process_by_pid, processes, table, task_by_tid,
};
use crate::time;
use crate::user_memory::UserPtr;
use crate::wait::{interruptible, until_interrupted};
use alloc::sync::Arc;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_rt_sigaction as usize, rt_sigaction),
    (__NR_rt_sigprocmask as usize, rt_sigprocmask),
    (__NR_rt_sigpending as usize, rt_sigpending),
    (__NR_rt_sigsuspend as usize, rt_sigsuspend),
    (__NR_rt_sigtimedwait as usize, rt_sigtimedwait),
    (__NR_rt_sigreturn as usize, |registers| {
        Ok(signal::sigreturn(&current(), registers))
    }),
    (__NR_sigaltstack as usize, sigaltstack),
    (__NR_kill as usize, kill),
    (__NR_tkill as usize, tkill),
    (__NR_tgkill as usize, tgkill),
    (__NR_rt_sigqueueinfo as usize, rt_sigqueueinfo),
    (__NR_rt_tgsigqueueinfo as usize, rt_tgsigqueueinfo),
    (__NR_pidfd_send_signal as usize, pidfd_send_signal),
    (__NR_restart_syscall as usize, restart_syscall),
];

fn check_set_size(size: usize) -> Result<()> {
    if size == size_of::<SignalSet>() {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn rt_sigaction(registers: &mut TrapFrame) -> Result<usize> {
    check_set_size(registers.argument(3))?;
    let signal = Signal::new(registers.argument(0))?;
    let new = UserPtr::<Action>::new(registers.argument(1))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    if new.is_some() && SignalSet::UNBLOCKABLE.contains(signal) {
        return Err(Errno::EINVAL);
    }
    let current = current();
    let old = signal::exchange_action(&current, signal, new.map(Action::sanitised));
    if let Some(pointer) = UserPtr::<Action>::new(registers.argument(2)).optional() {
        pointer.write(old)?;
    }
    Ok(0)
}

fn rt_sigprocmask(registers: &mut TrapFrame) -> Result<usize> {
    check_set_size(registers.argument(3))?;
    let set = UserPtr::<SignalSet>::new(registers.argument(1))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let current = current();
    let old = current.signal_mask();
    if let Some(set) = set {
        let new = match registers.argument(0) as u32 {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        mask::set_mask(current.task(), new);
    }
    if let Some(pointer) = UserPtr::<SignalSet>::new(registers.argument(2)).optional() {
        pointer.write(old)?;
    }
    Ok(0)
}

fn rt_sigpending(registers: &mut TrapFrame) -> Result<usize> {
    let size = registers.argument(1);
    if size > size_of::<SignalSet>() {
        return Err(Errno::EINVAL);
    }
    let pending = signal::pending_and_blocked(&current()).0.to_le_bytes();
    crate::user_memory::copy_out(registers.argument(0), &pending[..size])?;
    Ok(0)
}

fn rt_sigsuspend(registers: &mut TrapFrame) -> Result<usize> {
    check_set_size(registers.argument(1))?;
    let mask = UserPtr::<SignalSet>::new(registers.argument(0)).read()?;
    signal::with_temporary_mask(mask, || Err(until_interrupted()))
        .map_err(|_| Errno::RESTART_NO_HANDLER)
}

fn rt_sigtimedwait(registers: &mut TrapFrame) -> Result<usize> {
    check_set_size(registers.argument(3))?;
    let wanted = UserPtr::<SignalSet>::new(registers.argument(0))
        .read()?
        .blockable();
    let timeout = UserPtr::<TimeSpec>::new(registers.argument(2)).optional();
    let timeout = timeout.map(|timeout| timeout.read()?.to_ns()).transpose()?;
    let deadline = timeout.map(|ns| time::monotonic_ns().saturating_add(ns));
    let current = current();
    let take = || signal::take_pending(&current, wanted);
    let taken = interruptible(&current.process().signal_events, deadline, take);
    let (signal, info) = taken.map_err(|error| match error {
        Errno::ETIMEDOUT => Errno::EAGAIN,
        Errno::RESTART => Errno::EINTR,
        other => other,
    })?;
    if let Some(pointer) = UserPtr::<SigInfo>::new(registers.argument(1)).optional() {
        pointer.write(info)?;
    }
    Ok(signal.number().into())
}

fn sigaltstack(registers: &mut TrapFrame) -> Result<usize> {
    let sp = registers.sp as usize;
    let new = UserPtr::<UserStack>::new(registers.argument(0))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let current = current();
    let old = current.signals.lock().alt_stack;
    if let Some(new) = new {
        if old.holds(sp) {
            return Err(Errno::EPERM);
        }
        current.signals.lock().alt_stack = AltStack::from_user(new)?;
    }
    if let Some(pointer) = UserPtr::<UserStack>::new(registers.argument(1)).optional() {
        pointer.write(old.to_user(sp))?;
    }
    Ok(0)
}

/// Signal 0 only asks whether one could be sent.
fn signal_or_probe(number: usize) -> Result<Option<Signal>> {
    match number as i32 {
        0 => Ok(None),
        number => Signal::new(usize::try_from(number).map_err(|_| Errno::EINVAL)?).map(Some),
    }
}

/// What kill(2) and its kin say about themselves.
fn own_info(signal: Signal, code: i32) -> SigInfo {
    let current = current();
    SigInfo::user(signal, code, current.pid(), current.credentials().uid)
}

/// kill(2)'s permission rule; `SIGCONT` may go anywhere in the session.
fn check_permission(target: &Process, signal: Option<Signal>) -> Result<()> {
    let current = current();
    if core::ptr::eq(target, &**current.process()) {
        return Ok(());
    }
    let Some(thread) = target.first_thread() else {
        return Ok(());
    }; // a zombie
    let in_session =
        || signal == Some(Signal::CONT) && target.session_id() == current.process().session_id();
    if current.credentials().may_signal(&thread.credentials()) || in_session() {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

fn send_checked(target: &Arc<Process>, signal: Option<Signal>) -> Result<()> {
    check_permission(target, signal)?;
    match signal {
        Some(signal) => signal::send_to_process(target, own_info(signal, code::USER)),
        None => Ok(()),
    }
}

/// To several: succeeds if one could be sent; `ESRCH` if there is none.
fn send_to_all(
    targets: impl Iterator<Item = Arc<Process>>,
    signal: Option<Signal>,
) -> Result<usize> {
    let mut result = Err(Errno::ESRCH);
    for target in targets {
        match send_checked(&target, signal) {
            Ok(()) => result = Ok(0),
            Err(error) if result.is_err() => result = Err(error),
            Err(_) => {}
        }
    }
    result
}

fn kill(registers: &mut TrapFrame) -> Result<usize> {
    let pid = registers.argument(0) as i32;
    let signal = signal_or_probe(registers.argument(1))?;
    match pid {
        0 => send_to_all(table::group(current().process().group_id()), signal),
        -1 => {
            let own = current().pid();
            let others =
                |process: &Arc<Process>| process.pid() != own && process.pid() != table::INIT;
            send_to_all(processes().filter(others), signal)
        }
        i32::MIN => Err(Errno::ESRCH),
        pid if pid < 0 => send_to_all(table::group(pid.unsigned_abs()), signal),
        pid => send_checked(&process_by_pid(pid as u32)?, signal).map(|()| 0),
    }
}

fn send_to_task(
    task: &Arc<Task>,
    signal: Option<Signal>,
    info: impl FnOnce(Signal) -> SigInfo,
) -> Result<usize> {
    check_permission(task.process(), signal)?;
    if let Some(signal) = signal {
        signal::send_to_thread(task, info(signal))?;
    }
    Ok(0)
}

fn positive(value: usize) -> Result<u32> {
    match value as i32 {
        value if value > 0 => Ok(value as u32),
        _ => Err(Errno::EINVAL),
    }
}

fn tkill(registers: &mut TrapFrame) -> Result<usize> {
    let signal = signal_or_probe(registers.argument(1))?;
    let task = task_by_tid(positive(registers.argument(0))?)?;
    send_to_task(&task, signal, |signal| own_info(signal, code::TKILL))
}

/// The thread `tid` of process `pid`; `ESRCH` if it is another's now.
fn thread_of(pid: u32, tid: u32) -> Result<Arc<Task>> {
    let task = task_by_tid(tid)?;
    if task.process().pid() == pid {
        Ok(task)
    } else {
        Err(Errno::ESRCH)
    }
}

fn tgkill(registers: &mut TrapFrame) -> Result<usize> {
    let signal = signal_or_probe(registers.argument(2))?;
    let task = thread_of(
        positive(registers.argument(0))?,
        positive(registers.argument(1))?,
    )?;
    send_to_task(&task, signal, |signal| own_info(signal, code::TKILL))
}

/// Details made by user space: it may not pass for kill(2) or the kernel, but to itself.
fn user_info(address: usize, signal: Signal, target: &Process) -> Result<SigInfo> {
    let mut info = UserPtr::<SigInfo>::new(address).read()?;
    info.signo = signal.number().into();
    if !info.is_from_user() && target.pid() != current().pid() {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

fn rt_sigqueueinfo(registers: &mut TrapFrame) -> Result<usize> {
    let signal = signal_or_probe(registers.argument(1))?;
    let process = process_by_pid(positive(registers.argument(0))?)?;
    check_permission(&process, signal)?;
    if let Some(signal) = signal {
        signal::send_to_process(
            &process,
            user_info(registers.argument(2), signal, &process)?,
        )?;
    }
    Ok(0)
}

fn rt_tgsigqueueinfo(registers: &mut TrapFrame) -> Result<usize> {
    let signal = signal_or_probe(registers.argument(2))?;
    let task = thread_of(
        positive(registers.argument(0))?,
        positive(registers.argument(1))?,
    )?;
    check_permission(task.process(), signal)?;
    if let Some(signal) = signal {
        signal::send_to_thread(
            &task,
            user_info(registers.argument(3), signal, task.process())?,
        )?;
    }
    Ok(0)
}

fn pidfd_send_signal(registers: &mut TrapFrame) -> Result<usize> {
    let process = pidfd::process(&current().files(), registers.argument(0) as u32)?;
    let signal = signal_or_probe(registers.argument(1))?;
    if registers.argument(3) != 0 {
        return Err(Errno::EINVAL);
    }
    if process.is_zombie()
        && process_by_pid(process.pid()).is_ok_and(|found| !Arc::ptr_eq(&found, &process))
    {
        return Err(Errno::ESRCH);
    }
    check_permission(&process, signal)?;
    let Some(signal) = signal else { return Ok(0) };
    let info = match registers.argument(2) {
        0 => own_info(signal, code::USER),
        address => user_info(address, signal, &process)?,
    };
    signal::send_to_process(&process, info)?;
    Ok(0)
}

fn restart_syscall(_: &mut TrapFrame) -> Result<usize> {
    let restart = current().restart.lock().take();
    restart.map_or(Err(Errno::EINTR), |restart| restart())
}

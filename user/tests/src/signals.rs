//! Signals: handlers, masks, interrupted and restarted calls, alternate stacks, faults.

use crate::harness::{Outcome, Test, child, end_of, succeeds, wait_until_asleep};
use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, raise, sigaction, sigprocmask,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{getpid, read, write};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};

pub const TESTS: &[Test] = &[
    ("signal.handler_runs", handler_runs),
    ("signal.blocked_stays_pending", blocked_stays_pending),
    ("signal.interrupts_read", interrupts_read),
    ("signal.restarts_read", restarts_read),
    ("signal.child_ends", child_ends),
    ("signal.stop_and_continue", stop_and_continue),
    ("signal.alternate_stack", alternate_stack),
    ("signal.fault_tells_address", fault_tells_address),
    ("signal.uncaught_fault_kills", uncaught_fault_kills),
    ("signal.illegal_instruction", illegal_instruction),
    ("signal.ignored_is_ignored", ignored_is_ignored),
    ("signal.suspend_waits", suspend_waits),
    ("signal.to_process_group", to_process_group),
    ("signal.kill_checks_target", kill_checks_target),
    ("signal.handler_nests", handler_nests),
    ("signal.interrupts_computation", interrupts_computation),
];

static COUNT: AtomicUsize = AtomicUsize::new(0);
static LAST: AtomicI32 = AtomicI32::new(0);
static ADDRESS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(signal: i32) {
    COUNT.fetch_add(1, SeqCst);
    LAST.store(signal, SeqCst);
}

fn handle(signal: Signal, flags: SaFlags) -> Outcome {
    let action = SigAction::new(SigHandler::Handler(count), flags, SigSet::empty());
    // SAFETY: the handler touches atomics only.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

fn handler_runs() -> Outcome {
    handle(Signal::SIGUSR1, SaFlags::empty())?;
    raise(Signal::SIGUSR1)?;
    kill(getpid(), Signal::SIGUSR1)?;
    ensure_eq!(COUNT.load(SeqCst), 2);
    ensure_eq!(LAST.load(SeqCst), Signal::SIGUSR1 as i32);
    Ok(())
}

fn blocked_stays_pending() -> Outcome {
    handle(Signal::SIGUSR2, SaFlags::empty())?;
    let set = SigSet::from_iter([Signal::SIGUSR2]);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
    raise(Signal::SIGUSR2)?;
    raise(Signal::SIGUSR2)?;
    ensure_eq!(COUNT.load(SeqCst), 0);
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None)?;
    ensure_eq!(COUNT.load(SeqCst), 1); // an ordinary signal is pending once
    Ok(())
}

/// A child that signals us as soon as we sleep in read, then writes.
fn read_under_signal(flags: SaFlags) -> Result<nix::Result<usize>, crate::harness::Failure> {
    handle(Signal::SIGUSR1, flags)?;
    let (reader, writer) = nix::unistd::pipe()?;
    let parent = getpid();
    let sender = child(|| {
        wait_until_asleep(parent);
        let _ = kill(parent, Signal::SIGUSR1);
        if flags.contains(SaFlags::SA_RESTART) {
            wait_until_asleep(parent);
            let _ = write(&writer, b"x");
        }
        0
    })?;
    let outcome = read(&reader, &mut [0]);
    succeeds(sender)?;
    Ok(outcome)
}

fn interrupts_read() -> Outcome {
    ensure_eq!(read_under_signal(SaFlags::empty())?, Err(Errno::EINTR));
    ensure_eq!(COUNT.load(SeqCst), 1);
    Ok(())
}

fn restarts_read() -> Outcome {
    ensure_eq!(read_under_signal(SaFlags::SA_RESTART)?, Ok(1));
    ensure_eq!(COUNT.load(SeqCst), 1);
    Ok(())
}

fn child_ends() -> Outcome {
    handle(Signal::SIGCHLD, SaFlags::empty())?;
    succeeds(child(|| 0)?)?;
    ensure_eq!(LAST.load(SeqCst), Signal::SIGCHLD as i32);
    Ok(())
}

fn stop_and_continue() -> Outcome {
    let sleeper = child(|| {
        loop {
            nix::unistd::pause();
        }
    })?;
    kill(sleeper, Signal::SIGSTOP)?;
    ensure_eq!(
        waitpid(sleeper, Some(WaitPidFlag::WUNTRACED))?,
        WaitStatus::Stopped(sleeper, Signal::SIGSTOP)
    );
    kill(sleeper, Signal::SIGCONT)?;
    ensure_eq!(
        waitpid(sleeper, Some(WaitPidFlag::WCONTINUED))?,
        WaitStatus::Continued(sleeper)
    );
    kill(sleeper, Signal::SIGTERM)?;
    ensure_eq!(
        waitpid(sleeper, None)?,
        WaitStatus::Signaled(sleeper, Signal::SIGTERM, false)
    );
    Ok(())
}

extern "C" fn note_stack(_: i32) {
    let here = 0_u8;
    ADDRESS.store(&raw const here as usize, SeqCst);
}

fn alternate_stack() -> Outcome {
    let stack = vec![0_u8; 64 << 10].leak();
    let range = stack.as_ptr() as usize..stack.as_ptr() as usize + stack.len();
    let description = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    ensure_eq!(
        // SAFETY: the stack is leaked, so it lives as long as the process.
        unsafe { libc::sigaltstack(&raw const description, std::ptr::null_mut()) },
        0
    );
    let action = SigAction::new(
        SigHandler::Handler(note_stack),
        SaFlags::SA_ONSTACK,
        SigSet::empty(),
    );
    // SAFETY: the handler touches an atomic only.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    raise(Signal::SIGUSR1)?;
    ensure!(range.contains(&ADDRESS.load(SeqCst)));
    Ok(())
}

extern "C" fn leave_with_address(_: i32, information: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler.
    let (address, code) = unsafe { ((*information).si_addr() as usize, (*information).si_code) };
    // SAFETY: ends the process.
    unsafe { libc::_exit(if address == 0x10 && code == 1 { 33 } else { 34 }) }
}

fn touch(address: usize) -> i32 {
    // SAFETY: not safe at all: the address is not mapped, and that is the test.
    unsafe { (address as *const i32).read_volatile() }
}

fn fault_tells_address() -> Outcome {
    let status = end_of(|| {
        let action = SigAction::new(
            SigHandler::SigAction(leave_with_address),
            SaFlags::SA_SIGINFO,
            SigSet::empty(),
        );
        // SAFETY: the handler ends the process.
        let _ = unsafe { sigaction(Signal::SIGSEGV, &action) };
        touch(0x10)
    })?;
    ensure!(matches!(status, WaitStatus::Exited(_, 33)), "{status:?}");
    Ok(())
}

fn uncaught_fault_kills() -> Outcome {
    for address in [0x8, 0xdead_0000_0000, 0xffff_8000_0000_0000_usize & !7] {
        let status = end_of(|| {
            no_core();
            touch(address)
        })?;
        ensure!(
            matches!(status, WaitStatus::Signaled(_, Signal::SIGSEGV, _)),
            "{address:#x}: {status:?}"
        );
    }
    Ok(())
}

fn no_core() {
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
}

fn illegal_instruction() -> Outcome {
    let status = end_of(|| {
        no_core();
        // SAFETY: an instruction that is defined to be undefined; the process ends here.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!("udf #0")
        };
        // SAFETY: likewise.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!("ud2")
        };
        0
    })?;
    ensure!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGILL, _)),
        "{status:?}"
    );
    Ok(())
}

fn ignored_is_ignored() -> Outcome {
    let action = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler runs.
    unsafe { sigaction(Signal::SIGTERM, &action) }?;
    raise(Signal::SIGTERM)?;
    Ok(())
}

fn suspend_waits() -> Outcome {
    handle(Signal::SIGUSR1, SaFlags::empty())?;
    let blocked = SigSet::from_iter([Signal::SIGUSR1]);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
    let parent = getpid();
    let sender = child(|| i32::from(kill(parent, Signal::SIGUSR1).is_err()))?;
    SigSet::empty().suspend()?;
    ensure_eq!(COUNT.load(SeqCst), 1);
    succeeds(sender)
}

fn to_process_group() -> Outcome {
    let leader = child(|| {
        let _ = nix::unistd::setpgid(getpid(), getpid());
        let member = child(|| {
            loop {
                nix::unistd::pause();
            }
        });
        let Ok(member) = member else { return 1 };
        let _ = sigprocmask(
            SigmaskHow::SIG_BLOCK,
            Some(&SigSet::from_iter([Signal::SIGTERM])),
            None,
        );
        let sent = nix::sys::signal::killpg(getpid(), Signal::SIGTERM);
        let ended = waitpid(member, None);
        i32::from(
            sent.is_err() || ended != Ok(WaitStatus::Signaled(member, Signal::SIGTERM, false)),
        )
    })?;
    succeeds(leader)
}

fn kill_checks_target() -> Outcome {
    let ended = child(|| 0)?;
    kill(ended, None)?; // a zombie still has its number
    succeeds(ended)?;
    ensure_eq!(kill(ended, None), Err(Errno::ESRCH));
    Ok(())
}

extern "C" fn raise_another(_: i32) {
    let _ = raise(Signal::SIGUSR2);
    COUNT.fetch_add(10, SeqCst);
}

fn handler_nests() -> Outcome {
    handle(Signal::SIGUSR2, SaFlags::empty())?;
    let action = SigAction::new(
        SigHandler::Handler(raise_another),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler makes async-signal-safe calls only.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    raise(Signal::SIGUSR1)?;
    ensure_eq!(COUNT.load(SeqCst), 11);
    Ok(())
}

fn interrupts_computation() -> Outcome {
    handle(Signal::SIGUSR1, SaFlags::empty())?;
    let parent = getpid();
    let sender = child(|| i32::from(kill(parent, Signal::SIGUSR1).is_err()))?;
    while COUNT.load(SeqCst) == 0 {
        std::hint::spin_loop();
    }
    succeeds(sender)
}

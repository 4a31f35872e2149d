//! What happens between user mode and the rest of the kernel: system calls, faults, and the last
//! stop before user mode, where signals are delivered and dying threads leave.
//!
//! The exception code below (`arch`) calls in here; a thread that is to exit does so only in
//! [`before_user_return`], where it holds nothing.

use crate::arch::{self, Fault, FaultClass, TrapFrame};
use crate::error::Errno;
use crate::process::signal::{self, SigInfo, Signal, deliver, info::code};
use crate::process::{self, Attention, Current, exit, rseq};
use crate::syscall;
use crate::user_memory::{USER_END, UserPtr};
use mm::space::{self, Access};

/// A system call from user mode. IRQs unmasked.
#[inline(always)]
pub fn user_syscall(registers: &mut TrapFrame) {
    let first_argument = registers.x[0];
    match syscall::dispatch(registers) {
        Ok(value) => registers.set_result(value),
        Err(why) => failed(registers, first_argument, why),
    }
}

#[cold]
fn failed(registers: &mut TrapFrame, first_argument: u64, why: Errno) {
    if why.is_restart() {
        deliver::finish_interrupted_call(&process::current(), registers, first_argument, why);
    } else {
        registers.set_result(why.as_return());
    }
}

/// Any other synchronous exception from user mode. IRQs unmasked.
pub fn user_fault(registers: &mut TrapFrame, fault: Fault) {
    let current = process::current();
    if let Some(info) = resolve(&current, registers, fault) {
        log::debug!(
            "{} [{}]: {info:?} at {:#x}, address {:#x}",
            current.thread().name(),
            current.tid(),
            registers.pc,
            fault.far
        );
        signal::force(current.task(), info);
    }
}

/// A user copy in the kernel met `fault`: whether the address is accessible now. IRQs unmasked.
pub fn resolve_user_fault(fault: Fault) -> bool {
    let access = if fault.is_write() {
        Access::Write
    } else {
        Access::Read
    };
    let bring_in = |current: process::Current| {
        let memory = current.process().memory()?;
        loop {
            match memory.handle_fault(fault.address(), access) {
                // Nobody sees the error of a call whose process ends. That of a thread which ends
                // alone may keep others waiting, as for the word that pthread_join waits for.
                Err(space::Fault::OutOfMemory) if !current.process().is_exiting() => {
                    process::oom::make_room(&current);
                }
                outcome => return outcome.ok(),
            }
        }
    };
    process::try_current().and_then(bring_in).is_some()
}

/// Brings a page in, or says which signal the fault is.
fn resolve(current: &Current, registers: &TrapFrame, fault: Fault) -> Option<SigInfo> {
    let pc = registers.pc as usize;
    let address = fault.address();
    match fault.class() {
        FaultClass::FpAccess => {
            current.user.open_fp();
            None // the instruction is tried again
        }
        FaultClass::DataAbort | FaultClass::InstructionAbort if fault.is_alignment() => {
            Some(SigInfo::fault(Signal::BUS, code::BUS_ADRALN, address))
        }
        FaultClass::DataAbort | FaultClass::InstructionAbort => {
            resolve_abort(current, address, fault)
        }
        FaultClass::PcAlignment => Some(SigInfo::fault(Signal::BUS, code::BUS_ADRALN, pc)),
        FaultClass::SpAlignment => Some(SigInfo::fault(
            Signal::BUS,
            code::BUS_ADRALN,
            registers.sp as usize,
        )),
        FaultClass::FloatingPoint => Some(SigInfo::fault(Signal::FPE, 0, pc)),
        FaultClass::Breakpoint | FaultClass::Watchpoint | FaultClass::BreakInstruction => {
            Some(SigInfo::fault(Signal::TRAP, code::TRAP_BRKPT, pc))
        }
        FaultClass::SingleStep => Some(SigInfo::fault(Signal::TRAP, code::TRAP_TRACE, pc)),
        FaultClass::SystemRegister | FaultClass::Undefined | FaultClass::SystemCall => {
            Some(SigInfo::fault(Signal::ILL, code::ILL_ILLOPC, pc))
        }
    }
}

fn resolve_abort(current: &Current, address: usize, fault: Fault) -> Option<SigInfo> {
    let access = match (fault.is_execute(), fault.is_write()) {
        (true, _) => Access::Execute,
        (_, true) => Access::Write,
        _ => Access::Read,
    };
    let outcome = if address < USER_END {
        current.memory().handle_fault(address, access)
    } else {
        Err(space::Fault::NotMapped)
    };
    match outcome {
        Ok(()) => None,
        Err(space::Fault::NotMapped) => {
            Some(SigInfo::fault(Signal::SEGV, code::SEGV_MAPERR, address))
        }
        Err(space::Fault::NotAllowed) => {
            Some(SigInfo::fault(Signal::SEGV, code::SEGV_ACCERR, address))
        }
        Err(space::Fault::Bus) => Some(SigInfo::fault(Signal::BUS, code::BUS_ADRERR, address)),
        Err(space::Fault::OutOfMemory) => {
            process::oom::make_room(current);
            None // the instruction is tried again
        }
    }
}

/// The last stop before user mode when something does. IRQs masked on entry and on return; unmasked
/// in between while signals are delivered. Does not return if the thread is to exit.
#[cold]
pub fn before_user_return(registers: &mut TrapFrame) {
    loop {
        smp::preempt_if_needed();
        if process::attention_of_current().is_empty() {
            break;
        }
        // SAFETY: exception exit holds no guard and no lock.
        unsafe { percpu::irq::unmask() };
        if deliver_signals(registers) == Fate::Leaves {
            exit::leave();
        }
        percpu::irq::mask_for_good();
    }
}

#[derive(PartialEq, Eq)]
enum Fate {
    GoesOn,
    Leaves,
}

/// Takes what is pending. Everything it holds is let go of before it returns, so that a thread
/// that leaves loses nothing.
fn deliver_signals(registers: &mut TrapFrame) -> Fate {
    let current = process::current();
    deliver::deliver(&current, registers);
    if current.attention().contains(Attention::CPU_TIME) {
        process::cpu_time::alarm::go_on(&current);
    }
    if current.attention().contains(Attention::RSEQ) {
        rseq::settle(&current, registers);
    }
    if current.attention().contains(Attention::EXIT) {
        Fate::Leaves
    } else {
        Fate::GoesOn
    }
}

/// Where every new user thread starts: takes its first registers and goes to user mode.
pub fn start_user() -> ! {
    #[cfg(target_os = "none")]
    process::adopt();
    let mut registers = TrapFrame::default();
    fill_first_registers(&mut registers);
    arch::enter_user_mode(&mut registers)
}

fn fill_first_registers(registers: &mut TrapFrame) {
    let current = process::current();
    let child_tid = current.take_start(registers);
    if child_tid != 0 {
        // As in Linux, a bad pointer here is the maker's loss.
        let _ = UserPtr::<u32>::new(child_tid).write(current.tid());
    }
    process::exec::init::load_if_first(registers);
}

//! What a handler sees on its stack, and the way back: `struct rt_sigframe` of Linux arm64
//! (arch/arm64/include/uapi/asm/sigcontext.h), so that user space can unwind and edit it.

use super::alt_stack::UserStack;
use super::{Action, ActionFlags, AltStack, SigInfo, Signal, SignalSet, mask};
use crate::arch::{FpRegisters, TrapFrame};
use crate::error::{Errno, Result};
use crate::process::task::Attention;
use crate::process::{Current, rseq};
use crate::user_memory::{UserPtr, plain};
use core::mem::{offset_of, size_of};

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const ESR_MAGIC: u32 = 0x4553_5201;
/// `uc_mcontext.__reserved`: where the records are.
const RECORDS_SIZE: usize = 4096;

/// One record's head.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    magic: u32,
    size: u32,
}
plain!(Head);

#[repr(C)]
#[derive(Clone, Copy)]
struct FpRecord {
    head: Head,
    fpsr: u32,
    fpcr: u32,
    v: [u128; 32],
}
plain!(FpRecord);

/// `siginfo` and `ucontext` up to the records.
#[repr(C)]
#[derive(Clone, Copy)]
struct Context {
    info: SigInfo,
    flags: u64,
    link: u64,
    stack: UserStack,
    mask: SignalSet,
    unused: [u64; 15],
    align: u64,
    fault_address: u64,
    x: [u64; 31],
    sp: u64,
    pc: u64,
    pstate: u64,
    align_records: u64,
}
plain!(Context);

/// What follows the FP/SIMD record: ESR, if the signal is a fault, and the end mark.
#[repr(C)]
#[derive(Clone, Copy)]
struct LastRecords {
    esr: Head,
    esr_value: u64,
    end: Head,
    align: u64,
}
plain!(LastRecords);

// Offsets that user space relies on.
const _: () = assert!(offset_of!(Context, flags) == 128);
const _: () = assert!(offset_of!(Context, mask) == 128 + 40);
const _: () = assert!(offset_of!(Context, fault_address) == 128 + 176);
const _: () = assert!(size_of::<Context>() == 128 + 176 + 288);
const _: () = assert!(size_of::<FpRecord>() == 528);

/// The whole `struct rt_sigframe`.
const FRAME_SIZE: usize = size_of::<Context>() + RECORDS_SIZE;

/// x29 and x30 of the interrupted code, for unwinders.
type CallRecord = [u64; 2];

/// Builds the frame and points the registers at the handler. `false`: the stack cannot take it,
/// and `SIGSEGV` is now pending instead.
pub fn enter_handler(
    current: &Current,
    registers: &mut TrapFrame,
    signal: Signal,
    info: &SigInfo,
    action: &Action,
) -> bool {
    let temporary = current.attention().contains(Attention::RESTORE_MASK);
    let (alt_stack, lasting, blocked) = {
        let own = current.signals.lock();
        (own.alt_stack, own.lasting_mask(temporary), own.blocked)
    };
    let pushed = rseq::before_handler(current, registers)
        .and_then(|()| push(current, registers, info, action, alt_stack, lasting));
    let Ok(address) = pushed else {
        if signal == Signal::SEGV {
            current
                .process()
                .state
                .lock()
                .actions
                .set(signal, Action::default());
        }
        super::force(current.task(), SigInfo::kernel(Signal::SEGV));
        return false;
    };
    current.signals.lock().alt_stack = alt_stack.on_entry();
    point_at_handler(current, registers, signal, action, address);
    current.lower(Attention::RESTORE_MASK);
    let mut during = blocked.union(action.mask);
    if !action.flags().contains(ActionFlags::NODEFER) {
        during.insert(signal);
    }
    mask::set_mask(current.task(), during);
    true
}

fn push(
    current: &Current,
    registers: &TrapFrame,
    info: &SigInfo,
    action: &Action,
    alt_stack: AltStack,
    lasting: SignalSet,
) -> Result<usize> {
    let sp = registers.sp as usize;
    let top = alt_stack.top_for(sp, action.flags().contains(ActionFlags::ONSTACK));
    let record = (top & !15)
        .checked_sub(size_of::<CallRecord>())
        .ok_or(Errno::EFAULT)?;
    let address = record.checked_sub(FRAME_SIZE).ok_or(Errno::EFAULT)?;
    UserPtr::<CallRecord>::new(record).write([registers.x[29], registers.x[30]])?;
    let stack = alt_stack.to_user(sp);
    UserPtr::new(address).write_from(&context(registers, info, stack, lasting))?;
    let records = address + size_of::<Context>();
    UserPtr::new(records).write_from(&current.user.fp.inspect(fp_record))?;
    UserPtr::new(records + size_of::<FpRecord>()).write(last_records(registers, info))?;
    Ok(address)
}

fn is_fault(info: &SigInfo) -> bool {
    SignalSet::SYNCHRONOUS.0 >> (info.signo - 1) & 1 != 0 && info.code > 0
}

#[inline]
fn context(registers: &TrapFrame, info: &SigInfo, stack: UserStack, mask: SignalSet) -> Context {
    Context {
        info: *info,
        flags: 0,
        link: 0,
        stack,
        mask,
        unused: [0; 15],
        align: 0,
        fault_address: if is_fault(info) { registers.far } else { 0 },
        x: registers.x,
        sp: registers.sp,
        pc: registers.pc,
        pstate: registers.pstate,
        align_records: 0,
    }
}

fn last_records(registers: &TrapFrame, info: &SigInfo) -> LastRecords {
    let esr = if is_fault(info) {
        Head {
            magic: ESR_MAGIC,
            size: 16,
        }
    } else {
        Head { magic: 0, size: 0 }
    };
    LastRecords {
        esr,
        esr_value: registers.esr,
        end: Head { magic: 0, size: 0 },
        align: 0,
    }
}

#[inline]
fn fp_record(registers: &FpRegisters) -> FpRecord {
    let head = Head {
        magic: FPSIMD_MAGIC,
        size: size_of::<FpRecord>() as u32,
    };
    FpRecord {
        head,
        fpsr: registers.fpsr,
        fpcr: registers.fpcr,
        v: registers.v,
    }
}

fn point_at_handler(
    current: &Current,
    registers: &mut TrapFrame,
    signal: Signal,
    action: &Action,
    address: usize,
) {
    let restorer = if action.flags().contains(ActionFlags::RESTORER) {
        action.restorer
    } else {
        current.process().trampoline()
    };
    registers.x[0] = signal.number().into();
    if action.flags().contains(ActionFlags::SIGINFO) {
        registers.x[1] = (address + offset_of!(Context, info)) as u64;
        registers.x[2] = (address + offset_of!(Context, flags)) as u64;
    }
    registers.x[29] = (address + FRAME_SIZE) as u64;
    registers.x[30] = restorer as u64;
    registers.sp = address as u64;
    registers.pc = action.handler as u64;
    registers.set_user_pstate(registers.pstate);
}

/// rt_sigreturn(2): takes everything back from the frame at the stack pointer; returns x0. A frame
/// that cannot be read is `SIGSEGV`.
pub fn sigreturn(current: &Current, registers: &mut TrapFrame) -> usize {
    let address = registers.sp as usize;
    let restored = if address.is_multiple_of(16) {
        restore(current, registers, address)
    } else {
        Err(Errno::EFAULT)
    };
    if restored.is_err() {
        super::force(
            current.task(),
            SigInfo::fault(Signal::SEGV, super::info::code::SEGV_MAPERR, address),
        );
    }
    registers.x[0] as usize
}

fn restore(current: &Current, registers: &mut TrapFrame, address: usize) -> Result<()> {
    let fp = UserPtr::<FpRecord>::new(find_fp_record(address + size_of::<Context>())?);
    UserPtr::<Context>::new(address)
        .read_with(|context| fp.read_with(|fp| take_back(current, registers, context, fp)))?
}

fn take_back(current: &Current, registers: &mut TrapFrame, context: &Context, fp: &FpRecord) {
    registers.x = context.x;
    registers.sp = context.sp;
    registers.pc = context.pc;
    registers.set_user_pstate(context.pstate);
    current.user.fp.change(|to| fill_registers(to, fp));
    if let Ok(stack) = AltStack::from_user(context.stack) {
        current.signals.lock().alt_stack = stack;
    }
    mask::set_mask(current.task(), context.mask);
    *current.restart.lock() = None;
}

/// Where the FP/SIMD record is, among those from `records` on.
fn find_fp_record(records: usize) -> Result<usize> {
    let mut offset = 0;
    while offset + size_of::<Head>() <= RECORDS_SIZE {
        let head = UserPtr::<Head>::new(records + offset).read()?;
        match (head.magic, head.size as usize) {
            (FPSIMD_MAGIC, size)
                if size == size_of::<FpRecord>() && offset + size <= RECORDS_SIZE =>
            {
                return Ok(records + offset);
            }
            (0, _) => break,
            (_, size) if size < size_of::<Head>() || size % 16 != 0 => break,
            (_, size) => offset += size,
        }
    }
    Err(Errno::EINVAL)
}

#[inline]
fn fill_registers(to: &mut FpRegisters, record: &FpRecord) {
    to.v = record.v;
    (to.fpsr, to.fpcr) = (record.fpsr, record.fpcr);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fp_records_round_trip() {
        let mut registers = FpRegisters {
            fpsr: 1,
            fpcr: 2,
            ..FpRegisters::default()
        };
        registers.v[31] = 0x1122_3344_5566_7788_99aa_bbcc_ddee_ff00;
        let mut back = FpRegisters::default();
        fill_registers(&mut back, &fp_record(&registers));
        assert_eq!(back, registers);
    }
}

//! Giving a process a new program (execve(2)).
//!
//! The new address space is built whole beside the old one ([`prepare`]); then the other threads
//! are made to leave; then the switch is made, which cannot fail ([`commit`]).

mod commit;
pub mod elf;
pub mod init;
mod load;
mod script;
pub mod stack;
pub mod vdso;

use super::{Credentials, Image, Process, Resource, current, rseq};
use crate::arch::{self, TrapFrame};
use crate::error::{Errno, Result};
use crate::fs::{Caller, OpenFile};
use crate::user_memory::Sink;
use alloc::sync::Arc;
use alloc::vec::Vec;
use elf::Program;
use linux_raw_sys::auxvec;
use mm::AddressSpace;
use stack::{Auxiliary, Strings};

/// How deep scripts may name scripts.
const MAX_SCRIPTS: usize = 5;
/// Where position-independent programs go, before randomisation: as Linux arm64, two thirds up.
const PIE_BASE: usize = 0xaaaa_aaaa_0000;
const STACK_TOP: usize = mm::USER_END - 0x1_0000;
const STACK_MINIMUM: usize = 128 << 10;
const STACK_MAXIMUM: usize = 1 << 30;
/// Bytes of arguments and environment: a quarter of the default stack, as Linux.
pub const ARGUMENTS_LIMIT: usize = 2 << 20;
/// Linux 6.3's: which fields of `struct rseq` the kernel keeps, and its alignment.
const AT_RSEQ_FEATURE_SIZE: u32 = 27;
const AT_RSEQ_ALIGN: u32 = 28;
/// `AT_MINSIGSTKSZ`: a signal frame with all its records.
const SIGNAL_FRAME_SIZE: u64 = 4720;

/// What to run.
pub struct Request {
    pub file: Arc<OpenFile>,
    /// The path as given: AT_EXECFN and the process's name.
    pub path: Vec<u8>,
    pub arguments: Strings,
    pub environment: Strings,
}

/// A program ready to be switched to.
struct Prepared {
    memory: Arc<AddressSpace>,
    registers: TrapFrame,
    image: Image,
    name: Vec<u8>,
    vdso: vdso::Mapped,
    credentials: Credentials,
    /// Others of its user may look into it.
    dumpable: bool,
}

/// execve(2): on success the caller's registers are those of the new program.
pub fn execute(registers: &mut TrapFrame, request: Request) -> Result<()> {
    if mm::frame::is_scarce() {
        return Err(Errno::ENOMEM);
    }
    let current = current();
    let prepared = prepare(current.process(), &current.credentials(), request)?;
    commit::leave_alone(&current)?;
    commit::unshare_files(&current)?;
    commit::commit(&current, registers, prepared);
    Ok(())
}

fn prepare(process: &Process, credentials: &Credentials, mut request: Request) -> Result<Prepared> {
    let name = base_name(&request.path).to_vec();
    let head = follow_scripts(&mut request)?;
    let program = parse(&request.file, &head)?;
    let interpreter = open_interpreter(&request.file, &program)?;
    let before = credentials;
    let credentials = commit::credentials_for(before, &request.file);
    let dumpable = commit::is_dumpable(before, &credentials, &request.file);

    let memory = AddressSpace::new().map_err(|_| Errno::ENOMEM)?;
    memory.set_limits(memory_limits(process));
    let stack_size = (process.rlimit(Resource::Stack) as usize).clamp(STACK_MINIMUM, STACK_MAXIMUM)
        & !(mm::PAGE_SIZE - 1);
    let stack_top = STACK_TOP - random_pages(10);
    load::map_stack(&memory, stack_top, stack_size)?;
    let main = load::map(
        &memory,
        &request.file,
        &program,
        PIE_BASE + random_pages(18),
    )?;
    memory.set_brk_start(main.end + random_pages(10));
    let interpreter = match &interpreter {
        Some((file, program)) => Some(load::map(&memory, file, program, 0)?),
        None => None,
    };
    let vdso = vdso::map(&memory)?;

    let vector = auxiliary_vector(&program, &main, interpreter.as_ref(), &credentials, vdso);
    let mut random = [0; 16];
    crate::random::fill(&mut random);
    if stack::size_needed(&request.arguments, &request.environment, &request.path) > stack_size / 2
    {
        return Err(Errno::E2BIG);
    }
    let top = stack::build(
        stack_top,
        &request.arguments,
        &request.environment,
        &request.path,
        random,
        &vector,
    )?;
    load::write_stack(&memory, top.sp, &top.bytes)?;

    let entry = interpreter.map_or(main.entry, |interpreter| interpreter.entry);
    let registers = TrapFrame::user(entry as u64, top.sp as u64);
    let image = Image {
        executable: Some(request.file),
        path: request.path,
        command_line: request.arguments.bytes,
        environment: request.environment.bytes,
        auxiliary: top.auxiliary,
    };
    Ok(Prepared {
        memory,
        registers,
        image,
        name,
        vdso,
        credentials,
        dumpable,
    })
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// While the file is a script, the program is its interpreter. Returns the program's head.
fn follow_scripts(request: &mut Request) -> Result<Vec<u8>> {
    for _ in 0..MAX_SCRIPTS {
        let head = read(&request.file, 0, elf::HEAD_SIZE)?;
        let Some(interpreter) = script::parse(&head) else {
            return Ok(head);
        };
        let mut arguments = Strings::default();
        arguments.push(interpreter.path)?;
        arguments.extend(interpreter.argument)?;
        arguments.push(&request.path)?;
        arguments.extend(request.arguments.iter().skip(1))?;
        request.arguments = arguments;
        request.file = Caller::current().open_program(None, interpreter.path, true)?;
        request.path = interpreter.path.to_vec();
    }
    Err(Errno::ELOOP)
}

fn parse(file: &OpenFile, head: &[u8]) -> Result<Program> {
    Program::parse(head, file.node().ok_or(Errno::EACCES)?.metadata().size)
}

fn open_interpreter(
    file: &OpenFile,
    program: &Program,
) -> Result<Option<(Arc<OpenFile>, Program)>> {
    let Some((offset, length)) = program.interpreter else {
        return Ok(None);
    };
    let name = read(file, offset, length)?;
    let path = name
        .strip_suffix(b"\0")
        .filter(|_| name.len() == length)
        .ok_or(Errno::ENOEXEC)?;
    let file = Caller::current().open_program(None, path, true)?;
    let head = read(&file, 0, elf::HEAD_SIZE)?;
    // A broken interpreter is ELIBBAD in Linux, which nothing tells from ENOEXEC.
    let program = parse(&file, &head)?;
    if program.relocatable {
        Ok(Some((file, program)))
    } else {
        Err(Errno::ENOEXEC)
    }
}

/// Up to `length` bytes at `offset`.
fn read(file: &OpenFile, offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = alloc::vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(
            offset + filled as u64,
            &mut Sink::Kernel(&mut bytes[filled..]),
        )? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The limits that memory calls obey.
pub(crate) fn memory_limits(process: &Process) -> mm::space::Limits {
    let limit = |resource| usize::try_from(process.rlimit(resource)).unwrap_or(usize::MAX);
    mm::space::Limits {
        address_space: limit(Resource::AddressSpace),
        data: limit(Resource::Data),
        stack: limit(Resource::Stack),
    }
}

/// Between 0 and `2^bits - 1` pages, in bytes.
fn random_pages(bits: u32) -> usize {
    (crate::random::u64() as usize & ((1 << bits) - 1)) * mm::PAGE_SIZE
}

fn auxiliary_vector(
    program: &Program,
    main: &load::Loaded,
    interpreter: Option<&load::Loaded>,
    credentials: &Credentials,
    vdso: vdso::Mapped,
) -> Vec<(u64, Auxiliary)> {
    let features = arch::features();
    let secure = credentials.uid != credentials.euid || credentials.gid != credentials.egid;
    let value = |key: u32, value: u64| (u64::from(key), Auxiliary::Value(value));
    alloc::vec![
        value(auxvec::AT_SYSINFO_EHDR, vdso.base as u64),
        value(auxvec::AT_HWCAP, features.hwcap),
        value(auxvec::AT_PAGESZ, mm::PAGE_SIZE as u64),
        value(auxvec::AT_CLKTCK, crate::time::TICKS_PER_SECOND),
        value(auxvec::AT_PHDR, main.headers as u64),
        value(auxvec::AT_PHENT, 56),
        value(auxvec::AT_PHNUM, program.header_count.into()),
        value(
            auxvec::AT_BASE,
            interpreter.map_or(0, |interpreter| interpreter.bias as u64)
        ),
        value(auxvec::AT_FLAGS, 0),
        value(auxvec::AT_ENTRY, main.entry as u64),
        value(auxvec::AT_UID, credentials.uid.into()),
        value(auxvec::AT_EUID, credentials.euid.into()),
        value(auxvec::AT_GID, credentials.gid.into()),
        value(auxvec::AT_EGID, credentials.egid.into()),
        value(auxvec::AT_SECURE, secure.into()),
        (auxvec::AT_RANDOM.into(), Auxiliary::Random),
        value(auxvec::AT_HWCAP2, features.hwcap2),
        (auxvec::AT_EXECFN.into(), Auxiliary::Path),
        (auxvec::AT_PLATFORM.into(), Auxiliary::Platform),
        value(AT_RSEQ_FEATURE_SIZE, rseq::FEATURE_SIZE.into()),
        value(AT_RSEQ_ALIGN, rseq::ALIGN.into()),
        value(auxvec::AT_MINSIGSTKSZ, SIGNAL_FRAME_SIZE),
    ]
}

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
use core::ops::Range;
use elf::Program;
use linux_raw_sys::auxvec;
use mm::AddressSpace;
use stack::{Auxiliary, StackImage, Strings};

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

fn prepare(process: &Process, before: &Credentials, mut request: Request) -> Result<Prepared> {
    let name = base_name(&request.path).to_vec();
    let head = follow_scripts(&mut request)?;
    let program = parse(&request.file, &head)?;
    let interpreter = open_interpreter(&request.file, &program)?;
    let credentials = commit::credentials_for(before, &request.file);
    let dumpable = commit::is_dumpable(before, &credentials, &request.file);

    let memory = AddressSpace::new().map_err(|_| Errno::ENOMEM)?;
    memory.set_limits(memory_limits(process));
    let stack = map_stack(&memory, process)?;
    let loaded = load_all(&memory, &request.file, &program, interpreter)?;
    let vector = auxiliary_vector(&program, &loaded, &credentials);
    let top = write_stack(&memory, &stack, &request, &vector)?;

    let registers = TrapFrame::user(loaded.entry() as u64, top.sp as u64);
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
        vdso: loaded.vdso,
        credentials,
        dumpable,
    })
}

/// Maps the main thread's stack, as large as its limit, and returns where it is.
fn map_stack(memory: &AddressSpace, process: &Process) -> Result<Range<usize>> {
    let limit = process.rlimit(Resource::Stack) as usize;
    let size = limit.clamp(STACK_MINIMUM, STACK_MAXIMUM) & !(mm::PAGE_SIZE - 1);
    let top = STACK_TOP - random_pages(10);
    load::map_stack(memory, top, size)?;
    Ok(top - size..top)
}

/// What is mapped for a program: itself, its interpreter, the kernel's functions.
struct LoadedAll {
    main: load::Loaded,
    interpreter: Option<load::Loaded>,
    vdso: vdso::Mapped,
}

impl LoadedAll {
    fn entry(&self) -> usize {
        self.interpreter.unwrap_or(self.main).entry
    }
}

fn load_all(
    memory: &AddressSpace,
    file: &OpenFile,
    program: &Program,
    interpreter: Option<(Arc<OpenFile>, Program)>,
) -> Result<LoadedAll> {
    let main = load::map(memory, file, program, PIE_BASE + random_pages(18))?;
    memory.set_brk_start(main.end + random_pages(10));
    let interpreter = match &interpreter {
        Some((file, program)) => Some(load::map(memory, file, program, 0)?),
        None => None,
    };
    let vdso = vdso::map(memory)?;
    Ok(LoadedAll {
        main,
        interpreter,
        vdso,
    })
}

/// Puts what the program finds on its stack there; `E2BIG` if that is more than half of it.
fn write_stack(
    memory: &AddressSpace,
    stack: &Range<usize>,
    request: &Request,
    vector: &[(u64, Auxiliary)],
) -> Result<StackImage> {
    let (arguments, environment, path) = (&request.arguments, &request.environment, &request.path);
    if stack::size_needed(arguments, environment, path) > stack.len() / 2 {
        return Err(Errno::E2BIG);
    }
    let mut random = [0; 16];
    crate::random::fill(&mut random);
    let image = stack::build(stack.end, arguments, environment, path, random, vector)?;
    load::write_stack(memory, image.sp, &image.bytes)?;
    Ok(image)
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
    loaded: &LoadedAll,
    credentials: &Credentials,
) -> Vec<(u64, Auxiliary)> {
    let features = arch::features();
    let interpreter_bias = loaded.interpreter.map_or(0, |interpreter| interpreter.bias);
    let secure = credentials.uid != credentials.euid || credentials.gid != credentials.egid;
    let value = |key: u32, value: u64| (u64::from(key), Auxiliary::Value(value));
    alloc::vec![
        value(auxvec::AT_SYSINFO_EHDR, loaded.vdso.base as u64),
        value(auxvec::AT_HWCAP, features.hwcap),
        value(auxvec::AT_PAGESZ, mm::PAGE_SIZE as u64),
        value(auxvec::AT_CLKTCK, crate::time::TICKS_PER_SECOND),
        value(auxvec::AT_PHDR, loaded.main.headers as u64),
        value(auxvec::AT_PHENT, 56),
        value(auxvec::AT_PHNUM, program.header_count.into()),
        value(auxvec::AT_BASE, interpreter_bias as u64),
        value(auxvec::AT_FLAGS, 0),
        value(auxvec::AT_ENTRY, loaded.main.entry as u64),
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

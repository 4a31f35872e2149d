//! Making processes: fork, vfork and exec, each with the child's exit and the parent's wait.

use super::{Row, row};
use crate::child::EXIT;
use crate::measure::{Outcome, Plan, Trouble, one};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use std::ffi::{CString, c_char};

pub const ROWS: &[Row] = &[
    row("fork", "fork, the child's exit, wait", |plan| {
        one(plan.try_batches(FORKS, || timed(FORKS, fork_and_exit))?)
    }),
    row(
        "fork-exec",
        "fork, exec of a static program, its exit, wait",
        |plan| start_programs(plan, fork_and_exec),
    ),
    row(
        "vfork-exec",
        "the same with CLONE_VM | CLONE_VFORK",
        |plan| start_programs(plan, vfork_and_exec),
    ),
];

const FORKS: u32 = 20;

/// Path and arguments, made before the fork: nothing may be allocated behind it.
struct Program {
    path: CString,
    arguments: [*const c_char; 3],
    _exit: CString,
}

fn start_programs(plan: Plan, start: fn(&Program) -> Result<Pid, Trouble>) -> Outcome {
    let program = this_program()?;
    one(plan.try_batches(FORKS, || timed(FORKS, || start(&program)))?)
}

fn timed(count: u32, start: impl Fn() -> Result<Pid, Trouble>) -> Result<u64, Trouble> {
    let began = crate::clock::now();
    for _ in 0..count {
        waitpid(start()?, None)?;
    }
    Ok(crate::clock::now() - began)
}

fn fork_and_exit() -> Result<Pid, Trouble> {
    // SAFETY: the child only exits.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        // SAFETY: ends the child without the parent's exit handlers.
        ForkResult::Child => unsafe { libc::_exit(0) },
    }
}

fn fork_and_exec(program: &Program) -> Result<Pid, Trouble> {
    // SAFETY: the child only replaces its program.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => exec(program),
    }
}

/// As posix_spawn does it: the child borrows the parent's memory until it has its own. The
/// child runs on a stack of its own, as clone(2) asks where the memory is shared.
fn vfork_and_exec(program: &Program) -> Result<Pid, Trouble> {
    extern "C" fn child(program: *mut libc::c_void) -> i32 {
        // SAFETY: the parent passes its program, and waits in clone until this has gone.
        exec(unsafe { &*program.cast::<Program>() })
    }
    let mut stack = [0_u128; 512];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let program = std::ptr::from_ref(program).cast_mut().cast();
    // SAFETY: the stack outlives the child's use of it (CLONE_VFORK), and grows down from its
    // end, which is 16-byte aligned.
    let pid = unsafe { libc::clone(child, stack.as_mut_ptr_range().end.cast(), flags, program) };
    Ok(Pid::from_raw(nix::errno::Errno::result(pid)?))
}

fn exec(program: &Program) -> ! {
    let environment = [std::ptr::null()];
    // SAFETY: path and words are terminated strings, both lists end with a null pointer.
    unsafe {
        libc::execve(
            program.path.as_ptr(),
            program.arguments.as_ptr(),
            environment.as_ptr(),
        );
        libc::_exit(127)
    }
}

fn this_program() -> Result<Program, Trouble> {
    let path = std::env::current_exe()?;
    let text = |text: &str| CString::new(text).map_err(|error| Trouble::Failed(error.to_string()));
    let (path, exit) = (text(&path.to_string_lossy())?, text(EXIT)?);
    Ok(Program {
        arguments: [path.as_ptr(), exit.as_ptr(), std::ptr::null()],
        path,
        _exit: exit,
    })
}

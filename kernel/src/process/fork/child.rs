//! What a new thread or process starts with: its parts, from those of the caller.

use super::{CloneArgs, CloneFlags};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::signal::{AltStack, TaskSignals};
use crate::process::task::{Start, Task, TaskParts};
use crate::process::thread_group::Process;
use crate::process::{Current, rseq};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use smp::ThreadRef;

pub(super) fn build(
    current: &Current,
    registers: &TrapFrame,
    args: &CloneArgs,
    thread: &ThreadRef,
) -> Result<Arc<Task>> {
    let has = |flags| args.flags.contains(flags);
    let files = current.files();
    let fs = current.fs();
    let parts = TaskParts {
        process: if has(CloneFlags::THREAD) {
            current.process().clone()
        } else {
            child_process(current, args, thread)?
        },
        signals: child_signals(current, args),
        credentials: current.credentials(),
        files: if has(CloneFlags::FILES) {
            files
        } else {
            Arc::new(files.duplicate()?)
        },
        fs: if has(CloneFlags::FS) {
            fs
        } else {
            Arc::new(fs.duplicate())
        },
        start: Some(child_start(registers, args)),
    };
    let task = Task::new(parts);
    copy_user_state(current, args, &task);
    if has(CloneFlags::CHILD_CLEARTID) {
        task.clear_child_tid
            .store(args.child_tid, Ordering::Relaxed);
    }
    if !has(CloneFlags::VM) {
        task.rseq.inherit(&current.rseq);
        rseq::disturb(&task);
    }
    task.attach(thread.clone());
    thread.set_extension(task.clone());
    Ok(task)
}

fn child_process(current: &Current, args: &CloneArgs, thread: &ThreadRef) -> Result<Arc<Process>> {
    let parent = current.process();
    let memory = current.memory();
    let shares = args.flags.contains(CloneFlags::VM);
    let memory = if shares {
        memory
    } else {
        memory.fork().map_err(|_| Errno::ENOMEM)?
    };
    let mut actions = parent.state.lock().actions.clone();
    if args.flags.contains(CloneFlags::CLEAR_SIGHAND) {
        actions.reset_handlers();
    }
    let limits = parent.limits().lock().clone();
    let child = Process::new(
        thread.id().tid,
        Some(memory),
        actions,
        limits,
        parent.image(),
    );
    child.set_trampoline(parent.trampoline());
    child.set_dumpable(parent.is_dumpable());
    child.membarrier.inherit(&parent.membarrier);
    child.oom.inherit(&parent.oom);
    child.state.lock().borrows_memory = args.flags.contains(CloneFlags::VFORK);
    Ok(child)
}

fn copy_user_state(current: &Current, args: &CloneArgs, task: &Task) {
    let (own, child) = (&current.user, &task.user);
    own.fp
        .inspect(|own| child.fp.change(|registers| *registers = *own));
    child.set_tls(if args.flags.contains(CloneFlags::SETTLS) {
        args.tls
    } else {
        own.refresh()
    });
}

fn child_signals(current: &Current, args: &CloneArgs) -> TaskSignals {
    let own = current.signals.lock();
    let keeps_stack =
        !args.flags.contains(CloneFlags::VM) || args.flags.contains(CloneFlags::VFORK);
    TaskSignals::inherit(
        own.blocked,
        if keeps_stack {
            own.alt_stack
        } else {
            AltStack::default()
        },
    )
}

fn child_start(registers: &TrapFrame, args: &CloneArgs) -> Box<Start> {
    let mut start = Box::new(Start {
        registers: *registers,
        child_tid: if args.flags.contains(CloneFlags::CHILD_SETTID) {
            args.child_tid
        } else {
            0
        },
    });
    start.registers.set_result(0);
    if args.stack != 0 {
        start.registers.sp = args.stack as u64;
    }
    start
}

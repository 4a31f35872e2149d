//! The point of no return: other threads gone, old memory given back, new program in place.

use super::Prepared;
use crate::arch::{FpRegisters, TrapFrame};
use crate::error::{Errno, Result};
use crate::fs::{Node, OpenFile, permission};
use crate::process::signal::AltStack;
use crate::process::{Attention, Credentials, Current, exit, table};
use alloc::string::String;
use alloc::sync::Arc;
use mm::AddressSpace;

const SET_UID: u16 = 0o4000;
const SET_GID: u16 = 0o2000;
const GROUP_EXECUTE: u16 = 0o010;
/// A name's length without its NUL (TASK_COMM_LEN).
const NAME_LENGTH: usize = 15;

/// Makes every other thread of the process leave, and the caller its leader.
pub fn leave_alone(current: &Current) -> Result<()> {
    let process = current.process();
    {
        let mut state = process.state.lock();
        if state.is_exiting() || state.exec_pending || current.is_dying() {
            return Err(Errno::EAGAIN);
        }
        state.exec_pending = true;
        let others = state
            .threads
            .iter()
            .filter(|task| !Arc::ptr_eq(task, current.task()));
        others.for_each(|task| task.notify(Attention::EXIT));
    }
    let alone = || {
        let alone = process.state.lock().threads.len() == 1;
        (alone || current.is_dying()).then_some(alone)
    };
    // No deadline, so it cannot time out.
    let alone = process
        .thread_events
        .wait_until(None, alone)
        .unwrap_or(false);
    process.state.lock().exec_pending = false;
    if !alone {
        return Err(Errno::EINTR);
    }
    become_leader(current);
    Ok(())
}

/// The pid belongs to whoever calls execve, even if it was not the leader.
fn become_leader(current: &Current) {
    let pid = current.pid();
    if current.tid() == pid {
        return;
    }
    let old = table::with(|tree| {
        let own = tree.remove_task(current.tid());
        let leader = tree.remove_task(pid);
        current.take_tid(pid);
        tree.insert_task(current.task().clone());
        if let Some(entry) = tree.entry_mut(pid) {
            entry.leader = current.thread().clone();
        }
        (own, leader)
    });
    drop(old);
}

/// Switches to the new program. Nothing here can fail.
pub(super) fn commit(current: &Current, registers: &mut TrapFrame, prepared: Prepared) {
    exit::release_user_words(current, true);
    // Before the new memory is there to be seen; what the old one hid stays hidden until it is gone.
    if !prepared.dumpable {
        current.process().set_dumpable(false);
    }
    take_on_credentials(current, prepared.credentials);
    install_memory(current, &prepared.memory, prepared.vdso.sigreturn);
    current.process().set_dumpable(prepared.dumpable);
    reset_signals(current);
    current.files().close_marked();
    current.thread().set_name(&String::from_utf8_lossy(
        &prepared.name[..prepared.name.len().min(NAME_LENGTH)],
    ));
    crate::trace::renamed(current.thread());
    current.process().set_image(Some(prepared.image));
    current.process().timers.cancel_posix();
    *registers = prepared.registers;
}

fn install_memory(current: &Current, memory: &Arc<AddressSpace>, trampoline: usize) {
    let process = current.process();
    process.set_trampoline(trampoline);
    current
        .user
        .fp
        .change(|registers| *registers = FpRegisters::default());
    current.rseq.forget();
    process.membarrier.forget();
    let old = {
        let irqs_off = percpu::irq::mask();
        current.user.set_tls(0);
        current.user.switch_in(&irqs_off);
        let old = process.set_memory(Some(memory.clone()));
        memory.activate();
        old
    };
    drop(old);
    exit::return_memory(process);
}

fn reset_signals(current: &Current) {
    current.process().state.lock().actions.reset_handlers();
    current.signals.lock().alt_stack = AltStack::default();
    let restart = current.restart.lock().take();
    drop(restart);
    table::with(|tree| tree.has_execed(current.pid()));
}

/// A table shared with another process (`CLONE_FILES`) is not closed under its feet. After the
/// other threads have gone, which shared it too.
pub(super) fn unshare_files(current: &Current) -> Result<()> {
    let files = current.files();
    const OWN: usize = 2; // the task's and this one
    if Arc::strong_count(&files) > OWN {
        let own = Arc::new(files.duplicate()?);
        drop(current.set_files(Some(own)));
    }
    Ok(())
}

fn take_on_credentials(current: &Current, credentials: Credentials) {
    current.set_credentials(credentials);
    table::user_changed(current);
}

/// Set-user-id and set-group-id programs act for their owner (execve(2)).
pub fn credentials_for(before: &Credentials, file: &OpenFile) -> Credentials {
    let mut after = before.clone();
    if file.may_set_id()
        && let Some(node) = file.node()
    {
        let metadata = node.metadata();
        if metadata.permissions & SET_UID != 0 {
            after.euid = metadata.uid;
        }
        if metadata.permissions & (SET_GID | GROUP_EXECUTE) == SET_GID | GROUP_EXECUTE {
            after.egid = metadata.gid;
        }
    }
    (after.suid, after.sgid, after.fsgid) = (after.euid, after.egid, after.egid);
    if after.euid == 0 && before.euid != 0 {
        after.permitted = crate::process::Capabilities::ALL;
    }
    after.follow_ids(before);
    after
}

/// Not if the program acts for another user than who started it, nor if its file is not theirs to
/// read (prctl(2), `PR_SET_DUMPABLE`).
pub fn is_dumpable(before: &Credentials, after: &Credentials, file: &OpenFile) -> bool {
    let readable = |node: Arc<dyn Node>| {
        permission::check(before, &node.metadata(), permission::Access::READ).is_ok()
    };
    let own = (after.euid, after.egid) == (after.uid, after.gid);
    own && !after.differ_in_power(before) && file.node().is_some_and(readable)
}

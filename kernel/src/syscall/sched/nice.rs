//! setpriority(2) and getpriority(2): the nice values of threads, process groups and users.

use super::{check_owner, limit_allows, may_do_anything};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{Current, Process, Task, current, processes, table, task_by_tid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::{PRIO_PGRP, PRIO_PROCESS, PRIO_USER};

fn threads(processes: impl Iterator<Item = Arc<Process>>) -> Result<Vec<Arc<Task>>> {
    let mut all = Vec::new();
    for process in processes {
        let more = process.threads()?;
        all.try_reserve(more.len()).map_err(|_| Errno::ENOMEM)?;
        all.extend(more);
    }
    Ok(all)
}

/// The threads that setpriority(2) and getpriority(2) speak of.
fn selected(which: u32, who: u32) -> Result<Vec<Arc<Task>>> {
    let caller = current();
    let tasks: Vec<Arc<Task>> = match (which, who) {
        (PRIO_PROCESS, 0) => alloc::vec![caller.task().clone()],
        (PRIO_PROCESS, tid) => alloc::vec![task_by_tid(tid)?],
        (PRIO_PGRP, 0) => threads(table::group(caller.process().group_id()))?,
        (PRIO_PGRP, group) => threads(table::group(group))?,
        (PRIO_USER, uid) => {
            let uid = if uid == 0 {
                caller.credentials().uid
            } else {
                uid
            };
            let mut all = threads(processes())?;
            all.retain(|task| task.credentials().uid == uid);
            all
        }
        _ => return Err(Errno::EINVAL),
    };
    if tasks.is_empty() {
        Err(Errno::ESRCH)
    } else {
        Ok(tasks)
    }
}

/// Sets what it may; of several threads that it may not touch the last one's error is returned.
pub fn setpriority(registers: &mut TrapFrame) -> Result<usize> {
    let tasks = selected(registers.argument(0) as u32, registers.argument(1) as u32)?;
    let nice = (registers.argument(2) as i32).clamp(-20, 19) as i8;
    let caller = current();
    let results = tasks.iter().map(|task| set_nice(&caller, task, nice));
    let last_error = |before, result: Result<()>| if result.is_err() { result } else { before };
    results.fold(Ok(()), last_error).map(|()| 0)
}

fn set_nice(caller: &Current, task: &Task, nice: i8) -> Result<()> {
    check_owner(caller, task)?;
    let lower = nice < task.thread().nice();
    if lower && !limit_allows(task, nice) && !may_do_anything(caller) {
        return Err(Errno::EACCES);
    }
    task.thread().set_nice(nice);
    Ok(())
}

/// Returns `20 - nice`, so that no value looks like an error.
pub fn getpriority(registers: &mut TrapFrame) -> Result<usize> {
    let tasks = selected(registers.argument(0) as u32, registers.argument(1) as u32)?;
    let best = tasks
        .iter()
        .map(|task| task.thread().nice())
        .min()
        .unwrap_or(0);
    Ok((20 - i32::from(best)) as usize)
}

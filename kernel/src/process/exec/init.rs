//! The first process.

use super::super::fork::new_entry;
use super::super::rlimits::Rlimits;
use super::super::session::Session;
use super::super::signal::{Actions, TaskSignals};
use super::super::task::{Start, Task, TaskParts};
use super::super::{Credentials, Image, Process, table};
use super::stack::Strings;
use super::{Request, execute};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Caller, FileTable, FsContext, OpenFlags, mount};
use alloc::boxed::Box;
use alloc::sync::Arc;
use mm::AddressSpace;
use smp::{SpinLock, ThreadSpec};

/// What to run as pid 1.
struct Plan {
    path: &'static [u8],
    arguments: Strings,
    environment: Strings,
}

static PLAN: SpinLock<Option<Plan>> = SpinLock::new(None);

/// Starts pid 1 on `path` of the root file system, in its own thread; an error there is logged and
/// ends the machine, as the end of init does. Needs the scheduler, the root and /dev.
pub fn start(path: &'static str, arguments: &[&str], environment: &[&str]) -> Result<()> {
    let strings = |list: &[&str]| list.iter().map(|string| string.as_bytes()).collect();
    let plan = Plan {
        path: path.as_bytes(),
        arguments: strings(arguments),
        environment: strings(environment),
    };
    *PLAN.lock() = Some(plan);
    let spec = ThreadSpec::new("init", || crate::trap::start_user()).tid(table::INIT);
    let thread = smp::create(spec).map_err(|_| Errno::ENOMEM)?;
    let memory = AddressSpace::new().map_err(|_| Errno::ENOMEM)?;
    let image = Arc::new(Image::default());
    let process = Process::new(
        table::INIT,
        Some(memory),
        Actions::default(),
        Rlimits::initial(),
        image,
    );
    let task = Task::new(TaskParts {
        process: process.clone(),
        signals: TaskSignals::default(),
        credentials: Arc::new(Credentials::root()),
        files: Arc::new(FileTable::new()),
        fs: Arc::new(FsContext::new(mount::root())),
        start: Some(Box::new(Start {
            registers: TrapFrame::default(),
            child_tid: 0,
        })),
    });
    task.attach(thread.clone());
    thread.set_extension(task.clone());
    process.state.lock().threads.add(&task)?;
    table::with(|tree| {
        tree.insert_task(task.clone());
        tree.insert(new_entry(&task, 0, table::INIT, Session::new(&thread), 0));
    });
    smp::start(&thread);
    Ok(())
}

/// In pid 1's own thread, before its first step into user mode: loads the program.
pub(crate) fn load_if_first(registers: &mut TrapFrame) {
    let Some(plan) = PLAN.lock().take() else {
        return;
    };
    open_console();
    let path = plan.path;
    if let Err(error) = run(registers, plan) {
        log::error!(
            "init: cannot run {}: {error:?}",
            alloc::string::String::from_utf8_lossy(path)
        );
        super::super::exit::exit_group(127);
    }
}

fn run(registers: &mut TrapFrame, plan: Plan) -> Result<()> {
    let file = Caller::current().open_program(None, plan.path, true)?;
    let Plan {
        path,
        arguments,
        environment,
    } = plan;
    execute(
        registers,
        Request {
            file,
            path: path.to_vec(),
            arguments,
            environment,
        },
    )
}

/// Standard input, output and error.
fn open_console() {
    let files = super::super::current().files();
    for _ in 0..3 {
        let opened = crate::fs::open("/dev/console", OpenFlags::RDWR, 0);
        if let Err(error) = opened.and_then(|console| files.insert(console, false)) {
            log::warn!("init: no console: {error:?}");
        }
    }
}

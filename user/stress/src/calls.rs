//! `--calls`: random system calls by programs that are started anew whenever one has died of it.
//!
//! Nothing is expected of a single call. What must hold is that the kernel goes on, that the
//! programs can be killed, and that nothing of them is left. Half of the programs are nobody in
//! particular and may start others; half are root, and leave out what root may do to this one.
//! A program is named after its seed, so a kernel's last words tell what to repeat:
//! `stress --calls 1 --seed SEED`.

mod program;
mod table;
mod values;

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How many programs at once, and for how long.
pub struct Plan {
    pub programs: usize,
    pub seed: u64,
    pub seconds: f64,
}

/// A program that still runs after this long is killed.
const LIFETIME: Duration = Duration::from_millis(500);
/// The users that the unprivileged programs are, one for each of those who look after them.
const FIRST_USER: u32 = 60_000;

pub fn run(plan: &Plan) -> ExitCode {
    if !std::path::Path::new("/proc/weft").exists() {
        println!("calls: only on Weft: elsewhere there may be something to lose");
        return ExitCode::FAILURE;
    }
    println!("calls: seed {}, {} programs", plan.seed, plan.programs);
    let end = Instant::now() + Duration::from_secs_f64(plan.seconds.clamp(0.0, 1e9));
    let keepers: Vec<i32> = (0..plan.programs)
        .map(|keeper| {
            fork(|| {
                let (first, step) = (plan.seed + keeper as u64, plan.programs as u64);
                keep(FIRST_USER + keeper as u32, first, step, end)
            })
        })
        .collect();
    let ends: Vec<_> = keepers.iter().map(|&keeper| wait(keeper)).collect();
    let kept = ends.iter().all(|end| *end == Some(0));
    if !kept {
        println!("calls: those who start the programs ended with {ends:?}");
    }
    println!(
        "calls: {}, seed {}",
        if kept { "survived" } else { "FAILED" },
        plan.seed
    );
    ExitCode::from(u8::from(!kept))
}

/// Starts one program after the other; 0 when all of them have come and gone.
fn keep(user: u32, first: u64, step: u64, end: Instant) -> i32 {
    // SAFETY: orphans come here, so that they can be waited for.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    for seed in (first..).step_by(step as usize) {
        let user = (seed / step).is_multiple_of(2).then_some(user);
        let program = fork(|| program::run(seed, user));
        if program < 0 {
            std::thread::sleep(Duration::from_millis(10)); // no memory for one at the moment
        } else {
            wait_or_kill(program);
        }
        if let Some(user) = user {
            // Whoever kills everybody that it may kill is not among them.
            let broom = fork(|| program::sweep(user));
            wait(broom);
        }
        while wait(-1).is_some() {}
        if Instant::now() > end {
            return 0;
        }
    }
    unreachable!("there are more seeds than seconds")
}

fn wait_or_kill(program: i32) {
    // SAFETY: calls without pointers, and one structure that lives.
    unsafe {
        let end = libc::syscall(libc::SYS_pidfd_open, program, 0) as i32;
        let mut poll = libc::pollfd {
            fd: end,
            events: libc::POLLIN,
            revents: 0,
        };
        if libc::poll(&raw mut poll, 1, LIFETIME.as_millis() as i32) != 1 || end < 0 {
            libc::kill(program, libc::SIGKILL);
        }
        libc::close(end);
    }
}

/// A child that does `body`; negative if there can be none.
fn fork(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this process has one thread; the child ends here.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(body());
        }
        child
    }
}

/// The status of a child's exit, the signal that killed it negated, `None` if there is no such child.
fn wait(child: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the status lives; `__WALL` takes children that are no ordinary ones, too.
    let waited = unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) };
    (waited > 0).then(|| match libc::WIFEXITED(status) {
        true => libc::WEXITSTATUS(status),
        false => -libc::WTERMSIG(status),
    })
}

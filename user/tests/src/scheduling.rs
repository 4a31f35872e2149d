//! Policies, priorities and niceness: what sched(7) promises, and the errors.

use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Pid, Uid, setuid};
use std::os::unix::thread::JoinHandleExt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

pub const TESTS: &[Test] = &[
    ("scheduling.policies", policies),
    ("scheduling.wrong_policies", wrong_policies),
    ("scheduling.wrong_threads", wrong_threads),
    ("scheduling.interval", interval),
    ("scheduling.attributes", attributes),
    ("scheduling.attribute_sizes", attribute_sizes),
    ("scheduling.kept_attributes", kept_attributes),
    ("scheduling.inherited", inherited),
    ("scheduling.reset_on_fork", reset_on_fork),
    ("scheduling.realtime_limit", realtime_limit),
    ("scheduling.nice_limit", nice_limit),
    ("scheduling.foreign_thread", foreign_thread),
    ("scheduling.niceness_of_many", niceness_of_many),
    ("scheduling.raised_runs_at_once", raised_runs_at_once),
    ("scheduling.lowered_goes_first", lowered_goes_first),
    ("scheduling.raised_goes_last", raised_goes_last),
    ("scheduling.yield_goes_last", yield_goes_last),
    (
        "scheduling.realtime_leaves_something",
        realtime_leaves_something,
    ),
    ("scheduling.share_of_realtime", share_of_realtime),
    ("scheduling.getcpu", getcpu),
];

const NOBODY: i32 = 4_000_000;
const RESET: i32 = libc::SCHED_RESET_ON_FORK;
const DEADLINE: i32 = 6;

fn result(value: libc::c_long) -> Result<i32, Errno> {
    Errno::result(value).map(|value| value as i32)
}

fn set(tid: i32, policy: i32, priority: i32) -> Result<i32, Errno> {
    // SAFETY: the call reads an int.
    result(unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            tid,
            policy,
            &raw const priority,
        )
    })
}

fn set_priority(tid: i32, priority: i32) -> Result<i32, Errno> {
    // SAFETY: the call reads an int.
    result(unsafe { libc::syscall(libc::SYS_sched_setparam, tid, &raw const priority) })
}

fn policy(tid: i32) -> Result<i32, Errno> {
    // SAFETY: no pointer.
    result(unsafe { libc::syscall(libc::SYS_sched_getscheduler, tid) })
}

fn priority(tid: i32) -> Result<i32, Errno> {
    let mut priority = -1;
    // SAFETY: the call writes an int.
    result(unsafe { libc::syscall(libc::SYS_sched_getparam, tid, &raw mut priority) })?;
    Ok(priority)
}

/// Policy and priority of the calling thread; -1 is what cannot be told.
pub fn own_class() -> (i32, i32) {
    (policy(0).unwrap_or(-1), priority(0).unwrap_or(-1))
}

fn nice(which: i32, who: i32) -> Result<i32, Errno> {
    // SAFETY: no pointer. The bare call returns 20 - nice.
    result(unsafe { libc::syscall(libc::SYS_getpriority, which, who) }).map(|value| 20 - value)
}

fn set_nice(which: i32, who: i32, nice: i32) -> Result<i32, Errno> {
    // SAFETY: no pointer.
    result(unsafe { libc::syscall(libc::SYS_setpriority, which, who, nice) })
}

fn policies() -> Outcome {
    for (number, level) in [(1, 7), (2, 99), (3, 0), (5, 0), (0, 0)] {
        set(0, number, level)?;
        ensure_eq!((policy(0)?, priority(0)?), (number, level));
    }
    set(0, libc::SCHED_RR, 5)?;
    set_priority(0, 6)?;
    ensure_eq!((policy(0)?, priority(0)?), (libc::SCHED_RR, 6));
    Ok(())
}

fn wrong_policies() -> Outcome {
    let wrong = [
        (77, 0),
        (-1, 0),
        (1, 0),
        (1, 100),
        (1, -1),
        (2, 0),
        (0, 1),
        (3, 1),
        (5, 1),
    ];
    for (number, level) in wrong {
        ensure_eq!(
            (number, level, set(0, number, level)),
            (number, level, Err(Errno::EINVAL))
        );
    }
    ensure_eq!(set(0, DEADLINE, 0), Err(Errno::EINVAL));
    ensure_eq!(set_priority(0, 1), Err(Errno::EINVAL));
    set(0, libc::SCHED_FIFO, 1)?;
    ensure_eq!(set_priority(0, 0), Err(Errno::EINVAL));
    for (number, range) in [
        (0, Ok((0, 0))),
        (1, Ok((1, 99))),
        (2, Ok((1, 99))),
        (3, Ok((0, 0))),
    ] {
        ensure_eq!(priority_range(number), range);
    }
    ensure_eq!(priority_range(DEADLINE), Ok((0, 0)));
    ensure_eq!(priority_range(77), Err(Errno::EINVAL));
    ensure_eq!(priority_range(-1), Err(Errno::EINVAL));
    Ok(())
}

fn priority_range(policy: i32) -> Result<(i32, i32), Errno> {
    // SAFETY: no pointer.
    let min = result(unsafe { libc::syscall(libc::SYS_sched_get_priority_min, policy) })?;
    // SAFETY: no pointer.
    let max = result(unsafe { libc::syscall(libc::SYS_sched_get_priority_max, policy) })?;
    Ok((min, max))
}

fn wrong_threads() -> Outcome {
    for (tid, error) in [(-1, Errno::EINVAL), (NOBODY, Errno::ESRCH)] {
        ensure_eq!(set(tid, 0, 0), Err(error));
        ensure_eq!(set_priority(tid, 0), Err(error));
        ensure_eq!(policy(tid), Err(error));
        ensure_eq!(priority(tid), Err(error));
        ensure_eq!(set_attributes(tid, &Attributes::default(), 0), Err(error));
        ensure_eq!(get_attributes(tid, Attributes::SIZE).map(|_| 0), Err(error));
        let affinity = sched_setaffinity(Pid::from_raw(tid), &CpuSet::new());
        ensure_eq!(affinity, Err(Errno::ESRCH));
    }
    // Who it is comes before what is wanted of it.
    ensure_eq!(set(NOBODY, 77, 0), Err(Errno::ESRCH));
    for (call, null, bad) in [
        (libc::SYS_sched_setparam, Errno::EINVAL, Errno::EFAULT),
        (libc::SYS_sched_getparam, Errno::EINVAL, Errno::EFAULT),
        (
            libc::SYS_sched_rr_get_interval,
            Errno::EFAULT,
            Errno::EFAULT,
        ),
    ] {
        // SAFETY: the kernel refuses the pointers.
        ensure_eq!(result(unsafe { libc::syscall(call, 0, 0) }), Err(null));
        // SAFETY: as above.
        ensure_eq!(result(unsafe { libc::syscall(call, 0, 1) }), Err(bad));
    }
    ensure_eq!(nice(3, 0), Err(Errno::EINVAL));
    ensure_eq!(set_nice(-1, 0, 0), Err(Errno::EINVAL));
    for which in [libc::PRIO_PROCESS, libc::PRIO_PGRP, libc::PRIO_USER] {
        ensure_eq!(nice(which as i32, NOBODY), Err(Errno::ESRCH));
        ensure_eq!(set_nice(which as i32, NOBODY, 0), Err(Errno::ESRCH));
    }
    Ok(())
}

fn interval() -> Outcome {
    let interval = |tid| {
        let mut time = libc::timespec {
            tv_sec: -1,
            tv_nsec: -1,
        };
        // SAFETY: the call writes a timespec.
        let call = unsafe { libc::sched_rr_get_interval(tid, &raw mut time) };
        Errno::result(call).map(|_| time.tv_sec * 1_000_000_000 + time.tv_nsec)
    };
    ensure_eq!(interval(-1), Err(Errno::EINVAL));
    ensure_eq!(interval(NOBODY), Err(Errno::ESRCH));
    ensure!((0..1_000_000_000).contains(&interval(0)?));
    set(0, libc::SCHED_FIFO, 1)?;
    ensure_eq!(interval(0), Ok(0));
    set(0, libc::SCHED_RR, 1)?;
    let turn = std::fs::read_to_string("/proc/sys/kernel/sched_rr_timeslice_ms")?;
    ensure_eq!(interval(0)? / 1_000_000, turn.trim().parse::<i64>()?);
    Ok(())
}

/// `struct sched_attr`, and room behind it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    clamps: [u32; 2],
    beyond: [u64; 2],
}

impl Attributes {
    /// As every kernel since 5.3 knows it, and before.
    const SIZE: u32 = 56;
    const FIRST_SIZE: u32 = 48;
    const KEEP_POLICY: u64 = 8;
    const KEEP_PARAMS: u64 = 16;
}

fn set_attributes(tid: i32, attributes: &Attributes, flags: u32) -> Result<i32, Errno> {
    let pointer = std::ptr::from_ref(attributes);
    // SAFETY: the call reads the struct, and at most writes its size.
    result(unsafe { libc::syscall(libc::SYS_sched_setattr, tid, pointer, flags) })
}

fn get_attributes(tid: i32, size: u32) -> Result<Attributes, Errno> {
    let mut attributes = Attributes::default();
    let pointer = &raw mut attributes;
    // SAFETY: the call writes no more than it knows, which is less than there is.
    result(unsafe { libc::syscall(libc::SYS_sched_getattr, tid, pointer, size, 0) })?;
    // What a fair thread's slice is depends on the kernel.
    attributes.runtime = 0;
    Ok(attributes)
}

fn attributes() -> Outcome {
    let wanted = Attributes {
        size: Attributes::SIZE,
        nice: 7,
        policy: 3,
        ..Default::default()
    };
    set_attributes(0, &wanted, 0)?;
    ensure_eq!(nice(0, 0), Ok(7));
    let found = get_attributes(0, Attributes::SIZE)?;
    ensure_eq!(
        (found.policy, found.nice, found.priority, found.flags),
        (3, 7, 0, 0)
    );
    set_attributes(
        0,
        &Attributes {
            nice: 100,
            ..wanted
        },
        0,
    )?;
    ensure_eq!(nice(0, 0), Ok(19));
    let realtime = Attributes {
        policy: 2,
        priority: 9,
        flags: 1,
        nice: -3,
        ..wanted
    };
    set_attributes(0, &realtime, 0)?;
    ensure_eq!(policy(0), Ok(2 | RESET));
    let found = get_attributes(0, Attributes::SIZE)?;
    ensure_eq!(
        (found.policy, found.nice, found.priority, found.flags),
        (2, 0, 9, 1)
    );
    // The nice value of before is there again when the priority is gone.
    set(0, 0, 0)?;
    ensure_eq!((policy(0), nice(0, 0)), (Ok(0), Ok(19)));
    for wrong in [
        Attributes {
            policy: 77,
            ..wanted
        },
        Attributes {
            policy: 1,
            ..wanted
        },
        Attributes {
            policy: 0,
            priority: 1,
            ..wanted
        },
        Attributes {
            policy: 1,
            priority: 100,
            ..wanted
        },
        Attributes {
            flags: 1 << 40,
            ..wanted
        },
        Attributes {
            policy: 6,
            ..wanted
        },
    ] {
        ensure_eq!(set_attributes(0, &wrong, 0), Err(Errno::EINVAL));
    }
    ensure_eq!(set_attributes(0, &wanted, 1), Err(Errno::EINVAL));
    Ok(())
}

fn attribute_sizes() -> Outcome {
    let of_size = |size| Attributes {
        size,
        ..Default::default()
    };
    for size in [0, 48, 52, 56, 64, 72] {
        ensure_eq!((size, set_attributes(0, &of_size(size), 0)), (size, Ok(0)));
    }
    for size in [1, 47, 4097, u32::MAX] {
        let told = of_size(size);
        ensure_eq!(
            (size, set_attributes(0, &told, 0)),
            (size, Err(Errno::E2BIG))
        );
        ensure_eq!(
            // SAFETY: the struct is alive; the kernel wrote to it.
            unsafe { (&raw const told.size).read_volatile() },
            Attributes::SIZE
        );
    }
    let more = Attributes {
        beyond: [0, 1],
        ..of_size(72)
    };
    ensure_eq!(set_attributes(0, &more, 0), Err(Errno::E2BIG));
    ensure_eq!(
        // SAFETY: as above.
        unsafe { (&raw const more.size).read_volatile() },
        Attributes::SIZE
    );
    for (size, told) in [(48, 48), (56, 56), (64, 56), (72, 56)] {
        ensure_eq!((size, get_attributes(0, size)?.size), (size, told));
    }
    for size in [0, 47, 4097] {
        ensure_eq!(
            (size, get_attributes(0, size).map(|_| 0)),
            (size, Err(Errno::EINVAL))
        );
    }
    ensure_eq!(Attributes::FIRST_SIZE + 8, Attributes::SIZE);
    Ok(())
}

fn kept_attributes() -> Outcome {
    set(0, libc::SCHED_RR, 4)?;
    let keep_policy = Attributes {
        size: Attributes::SIZE,
        priority: 8,
        flags: Attributes::KEEP_POLICY,
        ..Default::default()
    };
    set_attributes(0, &keep_policy, 0)?;
    ensure_eq!((policy(0)?, priority(0)?), (2, 8));
    // Keeping the parameters keeps the policy as well, but it must fit them.
    let keep_params = Attributes {
        size: Attributes::SIZE,
        policy: 1,
        flags: Attributes::KEEP_PARAMS | 1,
        ..Default::default()
    };
    set_attributes(0, &keep_params, 0)?;
    ensure_eq!((policy(0)?, priority(0)?), (2 | RESET, 8));
    let unfit = Attributes {
        policy: 0,
        ..keep_params
    };
    ensure_eq!(set_attributes(0, &unfit, 0), Err(Errno::EINVAL));
    Ok(())
}

/// What a child finds of its policy, priority and niceness.
fn child_finds(expected: (i32, i32, i32)) -> Outcome {
    let child = child(|| {
        let found = policy(0).and_then(|p| Ok((p, priority(0)?, nice(0, 0)?)));
        status_of((|| {
            ensure_eq!(found, Ok(expected));
            Ok(())
        })())
    })?;
    succeeds(child)
}

fn inherited() -> Outcome {
    set_nice(0, 0, -4)?;
    child_finds((0, 0, -4))?;
    set(0, libc::SCHED_FIFO, 3)?;
    child_finds((1, 3, -4))
}

fn reset_on_fork() -> Outcome {
    set_nice(0, 0, -4)?;
    set(0, RESET, 0)?;
    ensure_eq!(policy(0), Ok(RESET));
    child_finds((0, 0, 0))?;
    set_nice(0, 0, 4)?;
    child_finds((0, 0, 4))?;
    set(0, libc::SCHED_RR | RESET, 3)?;
    ensure_eq!(policy(0), Ok(libc::SCHED_RR | RESET));
    child_finds((0, 0, 0))?;
    // Kept by sched_setparam, ended by sched_setscheduler.
    set_priority(0, 4)?;
    ensure_eq!(policy(0), Ok(libc::SCHED_RR | RESET));
    set(0, libc::SCHED_RR, 4)?;
    ensure_eq!(policy(0), Ok(libc::SCHED_RR));
    child_finds((2, 4, 4))
}

/// The limit that was set; where even root may not raise limits, the test does with none.
fn limit(resource: Resource, wanted: i32) -> Result<i32, Failure> {
    match setrlimit(resource, wanted as u64, wanted as u64) {
        Ok(()) => Ok(wanted),
        Err(Errno::EPERM) => setrlimit(resource, 0, 0).map(|()| 0).map_err(Failure::from),
        Err(error) => Err(error.into()),
    }
}

fn realtime_limit() -> Outcome {
    let limit = limit(Resource::RLIMIT_RTPRIO, 10)?;
    set(0, libc::SCHED_FIFO, limit.max(1))?;
    setuid(Uid::from_raw(1000))?;
    ensure_eq!(set(0, libc::SCHED_FIFO, 11), Err(Errno::EPERM));
    ensure_eq!(set_priority(0, 11), Err(Errno::EPERM));
    let other = set(0, libc::SCHED_RR, 1);
    ensure_eq!(other, if limit > 0 { Ok(0) } else { Err(Errno::EPERM) });
    setrlimit(Resource::RLIMIT_RTPRIO, 0, limit as u64)?;
    // Down is always allowed, up no more, another real-time policy neither.
    set_priority(0, 1)?;
    ensure_eq!(set_priority(0, 2), Err(Errno::EPERM));
    ensure_eq!(set(0, 3 - policy(0)?, 1), Err(Errno::EPERM));
    set(0, libc::SCHED_OTHER | RESET, 0)?;
    ensure_eq!(set(0, libc::SCHED_RR | RESET, 1), Err(Errno::EPERM));
    ensure_eq!(set(0, libc::SCHED_OTHER, 0), Err(Errno::EPERM));
    Ok(())
}

fn nice_limit() -> Outcome {
    let limit = limit(Resource::RLIMIT_NICE, 25)?;
    // Without a limit of its own a thread may not go down at all.
    let least = if limit > 0 { 20 - limit } else { 10 };
    setuid(Uid::from_raw(1000))?;
    set_nice(0, 0, 10)?;
    set_nice(0, 0, least)?;
    ensure_eq!(set_nice(0, 0, least - 1), Err(Errno::EACCES));
    let lower = Attributes {
        size: Attributes::SIZE,
        nice: least - 1,
        ..Default::default()
    };
    ensure_eq!(set_attributes(0, &lower, 0), Err(Errno::EPERM));
    set(0, libc::SCHED_IDLE, 0)?;
    let back = set(0, libc::SCHED_OTHER, 0);
    ensure_eq!(back, if limit > 0 { Ok(0) } else { Err(Errno::EPERM) });
    set(0, libc::SCHED_IDLE, 0)?;
    setrlimit(Resource::RLIMIT_NICE, 0, limit as u64)?;
    ensure_eq!(set(0, libc::SCHED_OTHER, 0), Err(Errno::EPERM));
    Ok(())
}

fn foreign_thread() -> Outcome {
    let parent = nix::unistd::getppid().as_raw();
    let cpus = nix::sched::sched_getaffinity(Pid::from_raw(0))?;
    setuid(Uid::from_raw(1000))?;
    ensure_eq!(set_nice(0, parent, 5), Err(Errno::EPERM));
    ensure_eq!(set(parent, libc::SCHED_BATCH, 0), Err(Errno::EPERM));
    ensure_eq!(set_priority(parent, 0), Err(Errno::EPERM));
    ensure_eq!(
        sched_setaffinity(Pid::from_raw(parent), &cpus),
        Err(Errno::EPERM)
    );
    // Looking is free.
    ensure!(policy(parent).is_ok() && priority(parent).is_ok() && nice(0, parent).is_ok());
    Ok(())
}

fn niceness_of_many() -> Outcome {
    let (gate, release) = nix::unistd::pipe()?;
    let children = [2, 6].map(|own| {
        let gate = &gate;
        child(move || {
            let _ = set_nice(0, 0, own);
            let _ = nix::unistd::read(gate, &mut [0]);
            nice(0, 0).unwrap_or(99)
        })
    });
    let children: Vec<Pid> = children.into_iter().collect::<Result<_, _>>()?;
    for (child, own) in children.iter().zip([2, 6]) {
        while nice(0, child.as_raw())? != own {
            std::thread::yield_now();
        }
    }
    let group = libc::PRIO_PGRP as i32;
    // The lowest of all, our own 0 included.
    ensure_eq!(nice(group, 0), Ok(0));
    set_nice(group, 0, 9)?;
    ensure_eq!(nice(group, 0), Ok(9));
    nix::unistd::write(&release, b"xx")?;
    for child in children {
        let status = nix::sys::wait::waitpid(child, None)?;
        ensure_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 9));
    }
    Ok(())
}

/// Binds the caller to one CPU, with a priority above those of the threads that a test makes.
fn on_one_cpu() -> Outcome {
    let mut one = CpuSet::new();
    // SAFETY: no pointer.
    one.set(unsafe { libc::sched_getcpu() } as usize)?;
    sched_setaffinity(Pid::from_raw(0), &one)?;
    set(0, libc::SCHED_FIFO, 50)?;
    Ok(())
}

fn set_thread(thread: &impl JoinHandleExt, level: i32) -> Outcome {
    // SAFETY: zeros are a valid parameter.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = level;
    // SAFETY: the thread has not been joined.
    let error = unsafe {
        libc::pthread_setschedparam(
            thread.as_pthread_t() as _,
            libc::SCHED_FIFO,
            &raw const parameter,
        )
    };
    ensure_eq!(error, 0);
    Ok(())
}

/// One that could not run preempts its maker before the call that raises it returns.
fn raised_runs_at_once() -> Outcome {
    on_one_cpu()?;
    let returned = Arc::new(AtomicBool::new(false));
    let (too_late, lowered) = (Arc::clone(&returned), Arc::new(AtomicBool::new(false)));
    let may_run = Arc::clone(&lowered);
    let thread = std::thread::spawn(move || (may_run.load(SeqCst), too_late.load(SeqCst)));
    set_thread(&thread, 5)?;
    lowered.store(true, SeqCst);
    set_thread(&thread, 60)?;
    returned.store(true, SeqCst);
    let (after_lowering, after_return) = thread.join().map_err(|_| "panic")?;
    ensure!(after_lowering && !after_return);
    Ok(())
}

/// The order in which three threads run that wait at priority 50 and go through `levels` there.
fn order_of(levels: &[i32]) -> Result<Vec<usize>, Failure> {
    on_one_cpu()?;
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads = [1, 2, 3].map(|number| {
        let order = Arc::clone(&order);
        std::thread::spawn(move || order.lock().map(|mut order| order.push(number)).is_ok())
    });
    for &level in levels {
        for thread in &threads {
            set_thread(thread, level)?;
        }
    }
    for thread in threads {
        ensure!(thread.join().map_err(|_| "panic")?);
    }
    Ok(Arc::try_unwrap(order).map_err(|_| "shared")?.into_inner()?)
}

fn lowered_goes_first() -> Outcome {
    ensure_eq!(order_of(&[5])?, [3, 2, 1]);
    Ok(())
}

fn raised_goes_last() -> Outcome {
    ensure_eq!(order_of(&[5, 7])?, [1, 2, 3]);
    Ok(())
}

fn yield_goes_last() -> Outcome {
    on_one_cpu()?;
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads = [1, 2].map(|number| {
        let order = Arc::clone(&order);
        std::thread::spawn(move || {
            for _ in 0..3 {
                if let Ok(mut order) = order.lock() {
                    order.push(number);
                }
                // SAFETY: no pointer.
                unsafe { libc::sched_yield() };
            }
        })
    });
    for thread in threads {
        ensure!(thread.join().is_ok());
    }
    ensure_eq!(*order.lock()?, [1, 2, 1, 2, 1, 2]);
    Ok(())
}

/// A real-time spinner on every CPU: an ordinary process still gets on, on each of them.
fn realtime_leaves_something() -> Outcome {
    let allowed = nix::sched::sched_getaffinity(Pid::from_raw(0))?;
    let cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    for cpu in cpus {
        let mut one = CpuSet::new();
        one.set(cpu)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (rounds, until) = (Arc::new(AtomicU64::new(0)), Arc::clone(&stop));
        let counted = Arc::clone(&rounds);
        sched_setaffinity(Pid::from_raw(0), &one)?;
        let spinner = std::thread::spawn(move || {
            set(0, libc::SCHED_FIFO, 1)?;
            while !until.load(SeqCst) {
                counted.fetch_add(1, SeqCst);
            }
            Ok::<_, Errno>(())
        });
        // It spins, as it must run before the count moves; and yet this goes on.
        let mut seen = 0;
        for _ in 0..3 {
            while rounds.load(SeqCst) == seen {
                std::thread::yield_now();
            }
            seen = rounds.load(SeqCst);
        }
        stop.store(true, SeqCst);
        spinner.join().map_err(|_| "panic")??;
        sched_setaffinity(Pid::from_raw(0), &allowed)?;
    }
    Ok(())
}

/// As a program: a real-time thread spins on every CPU until standard input ends. Says `spinning`
/// once all do.
pub fn spin_everywhere() -> ExitCode {
    static STOP: AtomicBool = AtomicBool::new(false);
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (ready, started) = std::sync::mpsc::channel();
    for _ in 0..cpus {
        let ready = ready.clone();
        std::thread::spawn(move || {
            let _ = ready.send(set(0, libc::SCHED_FIFO, 50));
            while !STOP.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
    }
    if started.iter().take(cpus).any(|result| result.is_err()) {
        return ExitCode::FAILURE;
    }
    println!("spinning");
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    STOP.store(true, SeqCst);
    ExitCode::SUCCESS
}

/// What real-time threads may use can be set; what makes no sense is refused.
fn share_of_realtime() -> Outcome {
    let [period, runtime] =
        ["period", "runtime"].map(|name| format!("/proc/sys/kernel/sched_rt_{name}_us"));
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().parse::<i64>());
    let before = read(&runtime)??;
    let error = |path: &str, value: i64| {
        let written = std::fs::write(path, format!("{value}\n"));
        written.err().and_then(|error| error.raw_os_error())
    };
    ensure_eq!(error(&runtime, read(&period)?? + 1), Some(libc::EINVAL));
    ensure_eq!(error(&period, 0), Some(libc::EINVAL));
    ensure_eq!(read(&runtime)??, before);
    ensure_eq!(error(&runtime, -1), None);
    let unlimited = read(&runtime)??;
    ensure_eq!(error(&runtime, before), None);
    ensure_eq!((unlimited, read(&runtime)??), (-1, before));
    Ok(())
}

fn getcpu() -> Outcome {
    let (mut cpu, mut node) = (u32::MAX, u32::MAX);
    let call = |cpu: *mut u32, node: *mut u32| {
        // SAFETY: the call writes an int to each, or refuses the pointer.
        result(unsafe { libc::syscall(libc::SYS_getcpu, cpu, node, 0) })
    };
    let none = std::ptr::null_mut();
    ensure_eq!(call(&raw mut cpu, &raw mut node), Ok(0));
    ensure!(cpu != u32::MAX && node != u32::MAX);
    ensure_eq!(call(none, none), Ok(0));
    ensure_eq!(
        call(std::ptr::without_provenance_mut(1), none),
        Err(Errno::EFAULT)
    );
    Ok(())
}

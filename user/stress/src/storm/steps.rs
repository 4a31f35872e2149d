//! What a thread of the storm does next.

use super::{Slot, Storm};
use crate::random::Random;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

pub const NAMES: [&str; KINDS] = [
    "wakes", "waits", "sleeps", "yields", "runs", "pins", "classes", "signals", "kills", "ends",
];
pub const KINDS: usize = 10;

/// One life in the slot `index`.
pub fn live(storm: &Storm, index: usize, random: &mut Random) {
    let slot = &storm.slots[index];
    // SAFETY: the call takes no arguments.
    let own = unsafe { libc::gettid() };
    *tid_of(slot) = Some(own);
    let mut pinned = None;
    while !storm.stop.load(Relaxed) {
        let kind = kind(random);
        storm.counts[kind].fetch_add(1, Relaxed);
        match kind {
            0 => other(storm, random).post(),
            1 => slot.receive(),
            2 => std::thread::sleep(Duration::from_micros(random.below(2000) as u64)),
            3 => std::thread::yield_now(),
            4 => compute(a_while(random)),
            // Even slots pin themselves and can check it; odd ones are pinned by others.
            5 if index.is_multiple_of(2) => pinned = Some(pin_self(storm, random)),
            5 => pin_another(storm, random),
            6 => change_class(storm, random),
            7 => signal_another(storm, random),
            8 => kill_a_child(random),
            _ => break,
        }
        check_place(storm, index, pinned);
    }
    *tid_of(slot) = None;
}

fn kind(random: &mut Random) -> usize {
    match random.below(1000) {
        0..250 => 0,
        250..450 => 1,
        450..600 => 2,
        600..750 => 3,
        750..850 => 4,
        850..910 => 5,
        910..950 => 6,
        950..994 => 7,
        // A fork write-protects what all threads use: dear, and little about switches.
        994..995 => 8,
        _ => 9,
    }
}

fn tid_of(slot: &Slot) -> std::sync::MutexGuard<'_, Option<libc::pid_t>> {
    slot.tid
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn other<'a>(storm: &'a Storm, random: &mut Random) -> &'a Slot {
    &storm.slots[random.below(storm.slots.len())]
}

/// Mostly so short that switches follow each other closely, sometimes long enough for ticks.
fn a_while(random: &mut Random) -> Duration {
    let longest_us = if random.one_in(20) { 2000 } else { 20 };
    Duration::from_micros(random.below(longest_us) as u64)
}

fn compute(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// A thread that pinned itself is where it said, whatever happened since.
fn check_place(storm: &Storm, index: usize, pinned: Option<usize>) {
    // SAFETY: the call takes no arguments.
    let here = unsafe { libc::sched_getcpu() };
    if let Some(cpu) = pinned.filter(|&cpu| cpu as i32 != here) {
        storm.breach(format_args!("storm-{index} pinned to {cpu} runs on {here}"));
    }
}

fn cpu_set(cpus: &[usize]) -> libc::cpu_set_t {
    // SAFETY: a set of no CPUs is all zeros.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        // SAFETY: CPU numbers came from a set of the same size.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    set
}

fn pin(tid: libc::pid_t, cpus: &[usize]) {
    let set = cpu_set(cpus);
    // SAFETY: `set` is one whole set. A thread that is gone is no error here.
    unsafe { libc::sched_setaffinity(tid, size_of_val(&set), &raw const set) };
}

fn pin_self(storm: &Storm, random: &mut Random) -> usize {
    let cpu = storm.cpus[random.below(storm.cpus.len())];
    pin(0, &[cpu]);
    cpu
}

/// Pins an odd slot to one CPU or to all.
fn pin_another(storm: &Storm, random: &mut Random) {
    let index = random.below(storm.slots.len()) | 1;
    let Some(slot) = storm.slots.get(index) else {
        return;
    };
    let only = [storm.cpus[random.below(storm.cpus.len())]];
    let cpus = if random.one_in(3) {
        &storm.cpus[..]
    } else {
        &only
    };
    if let Some(tid) = *tid_of(slot) {
        pin(tid, cpus);
    }
}

fn change_class(storm: &Storm, random: &mut Random) {
    let (policy, priority) = match random.below(8) {
        0 => (libc::SCHED_FIFO, 1 + random.below(40) as i32),
        1 => (libc::SCHED_RR, 1 + random.below(40) as i32),
        2 => (libc::SCHED_BATCH, 0),
        3 => (libc::SCHED_IDLE, 0),
        _ => (libc::SCHED_OTHER, 0),
    };
    let nice = random.below(40) as i32 - 20;
    if let Some(tid) = *tid_of(other(storm, random)) {
        // SAFETY: all fields but the priority are for other policies.
        let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
        parameters.sched_priority = priority;
        // SAFETY: valid parameters; calls that are refused change nothing. musl's wrapper knows
        // processes only, so the call is made directly.
        unsafe {
            libc::syscall(
                libc::SYS_sched_setscheduler,
                tid,
                policy,
                &raw const parameters,
            );
            libc::setpriority(libc::PRIO_PROCESS, tid as u32, nice);
        }
    }
}

/// Interrupts whatever another thread waits for.
fn signal_another(storm: &Storm, random: &mut Random) {
    if let Some(tid) = *tid_of(other(storm, random)) {
        // SAFETY: the thread is one of this process, and SIGUSR1 has a handler.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGUSR1) };
    }
}

/// A process that lives a little and is killed, or ends by itself first.
fn kill_a_child(random: &mut Random) {
    let (rounds, patience) = (random.below(200), random.below(1000) as u64);
    // SAFETY: the child makes plain system calls only.
    match unsafe { libc::fork() } {
        0 => child(rounds),
        -1 => {}
        pid => {
            std::thread::sleep(Duration::from_micros(patience));
            // SAFETY: the child is not reaped before the wait, so the number is its own.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0
                    && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
                {
                }
            }
        }
    }
}

fn child(rounds: usize) -> ! {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: 20_000,
    };
    for _ in 0..rounds {
        // SAFETY: valid arguments.
        unsafe {
            libc::sched_yield();
            libc::nanosleep(&raw const pause, std::ptr::null_mut());
        }
    }
    // SAFETY: ends this process and runs nothing else of it.
    unsafe { libc::_exit(0) }
}

/// The CPUs this process may use.
pub fn own_cpus() -> Vec<usize> {
    let mut set = cpu_set(&[]);
    // SAFETY: `set` is one whole set.
    unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    // SAFETY: numbers below the size of the set.
    let allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    (0..libc::CPU_SETSIZE as usize).filter(allowed).collect()
}

/// The monitor is not to starve among real-time threads.
pub fn be_urgent() {
    // SAFETY: as in `change_class`.
    unsafe {
        let mut parameters: libc::sched_param = std::mem::zeroed();
        parameters.sched_priority = 50;
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_RR | libc::SCHED_RESET_ON_FORK,
            &raw const parameters,
        );
    }
}

/// SIGUSR1 interrupts and does nothing else.
pub fn install_handler() {
    extern "C" fn nothing(_signal: i32) {}
    // SAFETY: the handler does nothing, so it is safe at any moment.
    unsafe { libc::signal(libc::SIGUSR1, nothing as *const () as usize) };
}

//! A program that calls the kernel at random until its calls are used up or have killed it.

use super::table::{CALLS, Call, NUMBERS, kept_from_root};
use super::values::Values;
use crate::random::Random;

/// Calls in one life. Most lives end earlier.
const LIFE: usize = 4_000;

/// As `user`, or as the root that the caller is.
pub fn run(seed: u64, user: Option<u32>) -> i32 {
    name(&format!("calls-{seed}"));
    // SAFETY: a call without pointers. What it sends to its group, and what stops that, stays here.
    unsafe { libc::setsid() };
    limit(libc::RLIMIT_NOFILE, 256);
    limit(libc::RLIMIT_FSIZE, 4 << 20);
    limit(libc::RLIMIT_AS, 256 << 20);
    limit(libc::RLIMIT_CORE, 0);
    let Some(mut values) = Values::new() else {
        return 1; // out of memory or descriptors: the next one may be luckier
    };
    if let Some(user) = user {
        limit(libc::RLIMIT_NPROC, 16);
        // SAFETY: calls without pointers.
        if unsafe { libc::setresgid(user, user, user) | libc::setresuid(user, user, user) } != 0 {
            return 1;
        }
    }
    let mut random = Random::new(seed, 0);
    for _ in 0..LIFE {
        let (number, arguments) = choose(&mut random, &mut values);
        if user.is_some() || !kept_from_root(number) {
            let [a, b, c, d, e, f] = arguments;
            // SAFETY: none is claimed; this process is here to be broken.
            unsafe { libc::syscall(number, a, b, c, d, e, f) };
        }
    }
    0
}

/// A call and its arguments: mostly of the right kinds, now and then anything.
fn choose(random: &mut Random, values: &mut Values) -> (libc::c_long, [usize; 6]) {
    let Call(number, kinds) = match random.one_in(8) {
        true => Call(random.below(NUMBERS) as libc::c_long, "******"),
        false => CALLS[random.below(CALLS.len())],
    };
    let mut kinds = kinds.bytes();
    let arguments = std::array::from_fn(|_| values.draw(kinds.next().unwrap_or(b'*'), random));
    (number, arguments)
}

/// Ends every process of `user`.
pub fn sweep(user: u32) -> i32 {
    // SAFETY: calls without pointers.
    unsafe {
        match libc::setresuid(user, user, user) {
            0 => libc::kill(-1, libc::SIGKILL),
            _ => 0,
        };
    }
    0
}

fn name(text: &str) {
    let mut bytes = [0u8; 16];
    let length = text.len().min(15);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    // SAFETY: ends with a NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
}

fn limit(resource: impl Into<i64>, value: u64) {
    let limit = libc::rlimit {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: the limit lives.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource.into(), &raw const limit, 0) };
}

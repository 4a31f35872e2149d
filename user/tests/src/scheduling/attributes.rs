//! sched_setattr(2) and sched_getattr(2).

use super::calls::{
    Attributes, RESET, get_attributes, nice, policy, priority, set, set_attributes,
};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;

pub const TESTS: &[Test] = &[
    ("scheduling.attributes", attributes),
    ("scheduling.wrong_attributes", wrong_attributes),
    ("scheduling.attribute_sizes", attribute_sizes),
    ("scheduling.kept_attributes", kept_attributes),
];

/// Those that most tests here begin with.
fn usual() -> Attributes {
    Attributes {
        size: Attributes::SIZE,
        nice: 7,
        policy: 3,
        ..Default::default()
    }
}

fn attributes() -> Outcome {
    let wanted = usual();
    set_attributes(0, &wanted, 0)?;
    ensure_eq!(nice(0, 0), Ok(7));
    let found = get_attributes(0, Attributes::SIZE)?;
    ensure_eq!(
        (found.policy, found.nice, found.priority, found.flags),
        (3, 7, 0, 0)
    );
    let too_nice = Attributes {
        nice: 100,
        ..wanted
    };
    set_attributes(0, &too_nice, 0)?;
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
    Ok(())
}

fn wrong_attributes() -> Outcome {
    let usual = usual();
    let with = |policy, priority| Attributes {
        policy,
        priority,
        ..usual
    };
    let unknown_flag = Attributes {
        flags: 1 << 40,
        ..usual
    };
    let wrong = [
        with(77, 0),
        with(1, 0),
        with(0, 1),
        with(1, 100),
        unknown_flag,
        with(6, 0),
    ];
    for wrong in wrong {
        ensure_eq!(set_attributes(0, &wrong, 0), Err(Errno::EINVAL));
    }
    ensure_eq!(set_attributes(0, &usual, 1), Err(Errno::EINVAL));
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

//! The machines that are booted, and the tests that run on them.

use super::guest::{Guest, KERNEL, Variant};
use super::lines::Lines;
use super::report::Report;

/// Every CPU count on both interrupt controllers, and the ways in besides.
const SELF_TESTED: &[&str] = &[
    "virt-1",
    "virt-2",
    "virt-4",
    "virt-8",
    "virt-1-gicv2",
    "virt-2-gicv2",
    "virt-4-gicv2",
    "virt-8-gicv2",
    "virt-4-el2",
    "virt-4-max",
    "virt-4-small",
    "virt-8-clusters",
    "virt-8-numa",
    "virt-4-biglittle",
];

const USER_TESTED: &[&str] = &[
    "virt-1",
    "virt-2-gicv2",
    "virt-4",
    "virt-4-max",
    "virt-4-small",
    "virt-8-numa",
];

pub fn self_tests(report: &mut Report) {
    for machine in SELF_TESTED {
        image(report, "selftest", KERNEL, machine, "weft.selftest");
    }
}

pub fn user_tests(report: &mut Report) {
    for machine in USER_TESTED {
        image(report, "user", KERNEL, machine, "-- /bin/tests");
    }
}

/// One boot that prints test lines and powers off; each line is a test of its own here.
pub fn image(report: &mut Report, kind: &str, kernel: &str, machine: &str, append: &str) {
    let variant = Variant {
        kernel: kernel.into(),
        append: append.into(),
        ..Variant::default()
    };
    let outcome = Guest::boot(&format!("{kind}-{machine}"), machine, variant).map(|mut guest| {
        let ended = guest.wait_for_end();
        (Lines::of(&guest.serial), ended)
    });
    match outcome {
        Ok((lines, ended)) => {
            let complete = ended.and_then(|()| lines.complete());
            for (name, outcome) in lines.results {
                report.record(&format!("{machine} {name}"), outcome);
            }
            report.record(&format!("{machine} runs to its end"), complete);
        }
        Err(why) => report.record(&format!("{machine} boots"), Err(why)),
    }
}

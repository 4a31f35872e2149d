//! Tests that only the machine itself can answer, run by `weft.selftest` on the command line:
//! `weft.selftest` runs all of them, `weft.selftest=a,b` the named ones; then the power goes off.
//!
//! One line each, `test NAME ... ok` or `FAILED: why`, and at the end `N passed, N failed`.

use crate::arch::aarch64::psci;
use crate::machine::Machine;
use crate::report::print;

/// Why a test failed.
type Outcome = Result<(), &'static str>;

const TESTS: &[(&str, fn() -> Outcome)] = &[];

/// Runs the tests the command line asks for and powers the machine off.
pub fn run(machine: &Machine) {
    let wanted = machine.option("weft.selftest").unwrap_or_default();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.split(',').any(|word| word == name);
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in TESTS.iter().filter(|(name, _)| is_wanted(name)) {
        match test() {
            Ok(()) => {
                passed += 1;
                print(format_args!("test {name} ... ok\n"));
            }
            Err(why) => {
                failed += 1;
                print(format_args!("test {name} ... FAILED: {why}\n"));
            }
        }
    }
    print(format_args!("{passed} passed, {failed} failed\n"));
    log::error!("power off failed: {:?}", psci::system_off());
}

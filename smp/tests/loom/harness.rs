//! How a model is searched, and how its mutants are shown to fail.

use std::process::Command;

/// Searches all schedules of `model` with at most `preemptions` forced switches.
pub fn search(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// Runs the ignored test `name` in a process of its own (loom cannot unwind out of a deadlock)
/// and checks that it fails, and for the right reason.
pub fn must_fail(name: &str, reason: &str) {
    let program = std::env::current_exe().unwrap();
    let run = Command::new(program)
        .args([name, "--exact", "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stderr) + String::from_utf8_lossy(&run.stdout);
    assert!(!run.status.success(), "{name}: the model does not notice");
    assert!(
        text.contains(reason),
        "{name} fails for another reason: {text}"
    );
}

/// A model and its mutants: the model holds, and each mutant makes it fail as stated.
macro_rules! model {
    ($name:ident within $preemptions:literal, $($mutant:ident: $reason:expr),* $(,)?) => {
        mod $name {
            #[test]
            fn holds() {
                crate::harness::search($preemptions, super::$name);
            }

            $(
                mod $mutant {
                    use super::super::*;

                    #[test]
                    #[ignore = "fails by design"]
                    fn run() {
                        smp::sync::mutant::activate(stringify!($mutant));
                        crate::harness::search($preemptions, $name);
                    }

                    #[test]
                    fn fails() {
                        let path = concat!(module_path!(), "::run");
                        let (_, path) = path.split_once("::").unwrap();
                        crate::harness::must_fail(path, $reason);
                    }
                }
            )*
        }
    };
}
pub(crate) use model;

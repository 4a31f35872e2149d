//! Counts what passed and failed, and prints a line for each.

use std::process::ExitCode;
use std::time::Instant;

#[derive(Default)]
pub struct Report {
    stage: &'static str,
    passed: usize,
    skipped: usize,
    failures: Vec<String>,
}

impl Report {
    pub fn begin(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    pub fn record(&mut self, name: &str, outcome: Result<(), String>) {
        let full = format!("{} {name}", self.stage);
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("test {full} ... ok");
            }
            Err(why) => {
                println!("test {full} ... FAILED: {why}");
                self.failures.push(format!("{full}: {why}"));
            }
        }
    }

    /// Runs one test now; the line says how long it took.
    pub fn test(&mut self, name: &str, test: impl FnOnce() -> Result<(), String>) {
        let started = Instant::now();
        let outcome = test();
        self.record(
            &format!("{name} ({:.1} s)", started.elapsed().as_secs_f64()),
            outcome,
        );
    }

    /// What this computer cannot run is said, and counted apart.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("test {} {name} ... skipped: {why}", self.stage);
    }

    pub fn close(self) -> ExitCode {
        if !self.failures.is_empty() {
            // With the reasons: who reads the end of a long log is to need no more of it.
            println!("\nfailed:");
            self.failures.iter().for_each(|what| println!("  {what}"));
        }
        let skipped = if self.skipped > 0 {
            format!(", {} skipped", self.skipped)
        } else {
            String::new()
        };
        println!(
            "{} passed, {} failed{skipped}",
            self.passed,
            self.failures.len()
        );
        if self.failures.is_empty() && self.passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

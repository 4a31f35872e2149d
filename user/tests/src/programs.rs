//! What this program does when a test executes it as another program.

use std::process::{Command, ExitCode};

/// The first argument that asks for it.
pub const MARK: &str = "--as-program";

/// A command that runs this very file as `name`.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "/bin/tests".into()));
    command.arg(MARK).arg(name);
    command
}

pub fn run(words: &[String]) -> ExitCode {
    match words.first().map(String::as_str) {
        Some("echo") => println!("{}", words[1..].join(" ")),
        Some("environment") => {
            std::env::vars().for_each(|(name, value)| println!("{name}={value}"))
        }
        Some("status") => {
            return ExitCode::from(
                words
                    .get(1)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(99),
            );
        }
        Some("open") => {
            // Is this descriptor open here?
            let number: i32 = words
                .get(1)
                .and_then(|text| text.parse().ok())
                .unwrap_or(-1);
            // SAFETY: F_GETFD takes no pointer.
            let answer = unsafe { libc::fcntl(number, libc::F_GETFD) };
            return ExitCode::from(u8::from(answer < 0));
        }
        Some("affinity") => match nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) {
            Ok(set) => {
                let cpus = (0..nix::sched::CpuSet::count())
                    .filter(|&cpu| set.is_set(cpu).unwrap_or(false));
                println!(
                    "{}",
                    cpus.map(|cpu| cpu.to_string())
                        .collect::<Vec<_>>()
                        .join(",")
                );
            }
            Err(error) => eprintln!("{error}"),
        },
        Some("dumpable") => println!("{}", nix::sys::prctl::get_dumpable() == Ok(true)),
        Some("policy") => {
            let (policy, priority) = crate::scheduling::calls::own_class();
            println!("{policy} {priority}");
        }
        Some("realtime-spinners") => return crate::scheduling::share::spin_everywhere(),
        _ => return ExitCode::from(98),
    }
    ExitCode::SUCCESS
}

//! What this program does when a test executes it as another program.

use std::process::{Command, ExitCode};
use std::str::FromStr;

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
        Some("status") => return ExitCode::from(number(words).unwrap_or(99)),
        Some("open") => return ExitCode::from(u8::from(!is_open(number(words).unwrap_or(-1)))),
        Some("affinity") => match crate::cpus::allowed() {
            Ok(cpus) => {
                let cpus: Vec<_> = cpus.iter().map(usize::to_string).collect();
                println!("{}", cpus.join(","));
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

/// What follows the name.
fn number<T: FromStr>(words: &[String]) -> Option<T> {
    words.get(1)?.parse().ok()
}

fn is_open(descriptor: i32) -> bool {
    // SAFETY: F_GETFD takes no pointer.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) >= 0 }
}

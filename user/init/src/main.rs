//! PID 1: brings the machine up, keeps its services running, and takes it down in order.
//!
//! What runs is said in `/etc/init.conf` (`config.rs`); `supervisor.rs` keeps it running;
//! `shutdown.rs` ends it. Called as `poweroff`, `reboot` or `halt`, it asks PID 1 for that.
//! Words after ` -- ` on the kernel's command line replace the services: they are run once
//! as one command, and the machine powers off when it ends.

mod config;
mod setup;
mod shutdown;
mod supervisor;

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().next().unwrap_or_default();
    if let Some(ending) = shutdown::Ending::by_name(name.rsplit('/').next().unwrap_or_default()) {
        return shutdown::ask_init(ending);
    }
    if std::process::id() != 1 {
        eprintln!("init: this is PID 1's program; `poweroff`, `reboot` and `halt` talk to it");
        return ExitCode::FAILURE;
    }
    let signals = supervisor::block_signals();
    setup::machine();
    let services = match setup::command_from_kernel() {
        Some(command) => vec![config::Service::single(command)],
        None => config::load("/etc/init.conf"),
    };
    let ending = supervisor::Supervisor::new(services).run(&signals);
    shutdown::carry_out(ending)
}

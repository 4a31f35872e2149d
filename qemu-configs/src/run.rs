//! `launch run`: boots one machine for a person, or unattended with a hang timeout.

use crate::pieces::forward;
use crate::{Result, machine, qemu, tree};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

struct Options {
    machine: machine::Machine,
    boot: qemu::Boot,
    print: bool,
    serial: Option<std::path::PathBuf>,
    hang_timeout: Option<Duration>,
}

pub fn command(arguments: lexopt::Parser) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let mut line = qemu::command_line(&options.machine, &options.boot);
    line.extend(tree::arguments(&options.machine)?);
    if options.print {
        println!("{}", qemu::printable(&line));
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = Command::new(qemu::PROGRAM);
    command.args(&line);
    if options.serial.is_none() && options.hang_timeout.is_none() {
        return Err(format!(
            "cannot start {}: {}",
            qemu::PROGRAM,
            command.exec()
        ));
    }
    watch(command, &options)
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
    use lexopt::prelude::*;
    let mut name = "virt-4".to_string();
    let (mut cpus, mut memory) = (None, None);
    let mut boot = qemu::Boot {
        kernel: "build/Image".into(),
        initrd: None,
        append: String::new(),
        ssh_port: port("SSH_PORT", 2222)?,
        http_port: port("HTTP_PORT", 8080)?,
        gdb_port: None,
    };
    let (mut print, mut serial, mut hang_timeout) = (false, None, None);
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        if argument == Long("print") {
            print = true;
            continue;
        }
        let option = match argument {
            Long(option) => option.to_string(),
            other => return Err(other.unexpected().to_string()),
        };
        let value = arguments.value().map_err(|error| error.to_string())?;
        let value = value.to_string_lossy().into_owned();
        match option.as_str() {
            "machine" => name = value,
            "cpus" => cpus = Some(number(&value)?),
            "memory" => memory = Some(value),
            "kernel" => boot.kernel = value.into(),
            "initrd" => boot.initrd = Some(value.into()),
            "append" => boot.append = value,
            "gdb" => boot.gdb_port = Some(number(&value)?),
            "serial" => serial = Some(value.into()),
            "hang-timeout" => hang_timeout = Some(Duration::from_secs(number(&value)?)),
            _ => return Err(format!("unknown option --{option}")),
        }
    }
    let mut machine = machine::load(&name)?;
    machine.cpus = cpus.unwrap_or(machine.cpus);
    machine.memory = memory.unwrap_or(machine.memory);
    Ok(Options {
        machine,
        boot,
        print,
        serial,
        hang_timeout,
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|_| format!("{text} is not a number that fits here"))
}

/// A port from the environment; 0 or the empty string opens none.
fn port(variable: &str, default: u16) -> Result<Option<u16>> {
    let port = match std::env::var(variable) {
        Ok(text) if text.is_empty() => 0,
        Ok(text) => number(&text).map_err(|error| format!("{variable}: {error}"))?,
        Err(_) => default,
    };
    Ok((port != 0).then_some(port))
}

/// Copies the serial line; ends QEMU when the line stays silent for the hang timeout.
fn watch(mut command: Command, options: &Options) -> Result<ExitCode> {
    let mut sink: Box<dyn Write> = match &options.serial {
        Some(path) => Box::new(
            std::fs::File::create(path).map_err(|error| format!("{}: {error}", path.display()))?,
        ),
        None => Box::new(std::io::stdout()),
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", qemu::PROGRAM))?;
    let (sender, receiver) = channel();
    forward(child.stdout.take().ok_or("no serial line")?, &sender);
    drop(sender);
    let forever = Duration::from_secs(u64::MAX / 4);
    loop {
        match receiver.recv_timeout(options.hang_timeout.unwrap_or(forever)) {
            Ok(bytes) => sink
                .write_all(&bytes)
                .and_then(|()| sink.flush())
                .map_err(|error| error.to_string())?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(
                    "the serial line stayed silent for the hang timeout; QEMU was ended".into(),
                );
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

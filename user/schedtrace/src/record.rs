//! Recording: /dev/schedtrace into a file.

use crate::capture::{CPUS, RECORDS, THREADS, TITLE, write_section};
use common::trace::DEVICE;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub const DEFAULT_FILE: &str = "weft.trace";
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// How often the rings are looked at; what they hold in between lasts for some 10^4 events a CPU.
const PAUSE: Duration = Duration::from_millis(10);

pub struct Options {
    pub file: PathBuf,
    pub seconds: Option<f64>,
    pub syscalls: bool,
    pub command: Vec<OsString>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file: DEFAULT_FILE.into(),
            seconds: None,
            syscalls: false,
            command: Vec::new(),
        }
    }
}

/// Set by the signals that end a recording in order.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn device() -> Result<File, String> {
    let open = File::options().read(true).write(true).open(DEVICE);
    open.map_err(|error| format!("{DEVICE}: {error}"))
}

fn tell(device: &mut File, word: &str) -> Result<(), String> {
    device
        .write_all(word.as_bytes())
        .map_err(|error| format!("{DEVICE}: {word}: {error}"))
}

/// Ends the recording of somebody else.
pub fn stop() -> Result<ExitCode, String> {
    tell(&mut device()?, "stop")?;
    Ok(ExitCode::SUCCESS)
}

pub fn run(options: &Options) -> Result<ExitCode, String> {
    let named = |error: std::io::Error| format!("{}: {error}", options.file.display());
    let mut out = BufWriter::new(File::create(&options.file).map_err(named)?);
    out.write_all(TITLE).map_err(named)?;
    end_on_signals();
    let mut device = device()?;
    tell(
        &mut device,
        if options.syscalls {
            "start syscalls"
        } else {
            "start"
        },
    )?;
    write_section(&mut out, CPUS, &online_cpus()?).map_err(named)?;
    // Whoever ends before the recording is named only here.
    write_section(&mut out, THREADS, &threads()).map_err(named)?;
    let mut command = start(&options.command)?;
    let started = Instant::now();
    let mut bytes = 0;
    loop {
        let over = is_over(options, started, command.as_mut())?;
        if over {
            tell(&mut device, "stop")?;
        }
        bytes += drain(&mut device, &mut out)?;
        if over {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    write_section(&mut out, THREADS, &threads()).map_err(named)?;
    out.flush().map_err(named)?;
    println!("{}: {bytes} bytes of records", options.file.display());
    Ok(ExitCode::SUCCESS)
}

fn threads() -> Vec<u8> {
    fs::read("/proc/weft/threads").unwrap_or_default()
}

fn online_cpus() -> Result<Vec<u8>, String> {
    fs::read(ONLINE).map_err(|error| format!("{ONLINE}: {error}"))
}

fn start(command: &[OsString]) -> Result<Option<Child>, String> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(None);
    };
    let child = Command::new(program).args(arguments).spawn();
    child
        .map(Some)
        .map_err(|error| format!("{}: {error}", program.to_string_lossy()))
}

fn is_over(
    options: &Options,
    started: Instant,
    command: Option<&mut Child>,
) -> Result<bool, String> {
    let elapsed = started.elapsed().as_secs_f64();
    let ended = match command {
        Some(child) => child
            .try_wait()
            .map_err(|error| error.to_string())?
            .is_some(),
        None => false,
    };
    let stopped = fs::read_to_string("/proc/weft/tracing").is_ok_and(|text| text.trim() == "0");
    let timed_out = options.seconds.is_some_and(|seconds| elapsed >= seconds);
    Ok(ended || stopped || timed_out || INTERRUPTED.load(Ordering::Relaxed))
}

/// Everything that is new, into the file.
fn drain(device: &mut File, out: &mut impl Write) -> Result<usize, String> {
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        let count = device
            .read(&mut buffer)
            .map_err(|error| format!("{DEVICE}: {error}"))?;
        if count == 0 {
            return Ok(total);
        }
        write_section(out, RECORDS, &buffer[..count]).map_err(|error| error.to_string())?;
        total += count;
        // What the writing of this made happen is for the next time.
        if count < buffer.len() / 2 {
            return Ok(total);
        }
    }
}

fn end_on_signals() {
    extern "C" fn note(_signal: i32) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler stores into an atomic, which is safe at any moment.
        unsafe { libc::signal(signal, note as *const () as usize) };
    }
}

//! Who is compared: Weft, and Debian's Linux for arm64, tuned and as it comes.

use super::figures::{self, Figures};
use super::rows::Setting;
use crate::Result;
use crate::test::guest::{Guest, Variant};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const INITRD: &str = "build/bench/initramfs.cpio";
const LINUX: &str = "build/linux";

/// A fair opponent: nothing that protects Linux from attacks Weft does not defend against.
const TUNED: &str = "nokaslr kpti=off mitigations=off init_on_alloc=0 audit=0 \
    randomize_kstack_offset=off";

#[derive(Clone)]
pub struct Contender {
    pub key: &'static str,
    pub title: &'static str,
    kernel: PathBuf,
    append: String,
    qemu: Vec<String>,
}

pub fn weft() -> Contender {
    Contender {
        key: "weft",
        title: "Weft",
        kernel: crate::test::guest::KERNEL.into(),
        append: String::new(),
        qemu: Vec::new(),
    }
}

/// Tuned Linux, and default Linux, from the package; fetched when it is not there yet.
pub fn linux() -> Result<[Contender; 2]> {
    let kernel = linux_kernel()?;
    let contender = |key, title, words: &str| Contender {
        key,
        title,
        kernel: kernel.clone(),
        append: format!("console=ttyAMA0 rdinit=/sbin/init quiet {words}"),
        qemu: Vec::new(),
    };
    Ok([
        contender("linux", "Linux", TUNED),
        contender("default", "default Linux", ""),
    ])
}

/// `6.1.0-50-cloud-arm64`
pub fn linux_version() -> Option<String> {
    let kernel = find_kernel()?;
    let name = kernel.file_name()?.to_str()?;
    Some(name.strip_prefix("vmlinuz-")?.to_string())
}

fn linux_kernel() -> Result<PathBuf> {
    if let Some(kernel) = find_kernel() {
        return Ok(kernel);
    }
    let fetched = Command::new("qemu-configs/debian-package.sh")
        .args(["linux-image-cloud-arm64", LINUX])
        .status();
    match (fetched, find_kernel()) {
        (_, Some(kernel)) => Ok(kernel),
        (Ok(status), None) => Err(format!("Debian's kernel cannot be fetched ({status})")),
        (Err(error), None) => Err(format!("Debian's kernel cannot be fetched: {error}")),
    }
}

fn find_kernel() -> Option<PathBuf> {
    let folder = std::fs::read_dir(Path::new(LINUX).join("boot")).ok()?;
    folder.flatten().map(|entry| entry.path()).find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    })
}

impl Contender {
    /// The same with more words for QEMU.
    pub fn with_qemu(mut self, words: &[&str]) -> Self {
        self.qemu.extend(words.iter().map(ToString::to_string));
        self
    }

    /// One boot that runs the rows of these names and powers off.
    pub fn run(&self, setting: Setting, rows: &[&str], samples: usize) -> Result<Figures> {
        // One word: Linux panics when more than 32 words follow the dashes.
        let program = format!("-- /bin/bench --samples {samples} {}", rows.join(","));
        let variant = Variant {
            kernel: self.kernel.clone(),
            append: format!("{} {program}", self.append),
            initrd: INITRD.into(),
            qemu: self.qemu.clone(),
            cpus: None,
        };
        let name = format!("bench-{}-{}", self.key, setting.key());
        let mut guest = Guest::boot(&name, setting.machine(), variant)?;
        guest.wait_for_end()?;
        figures::read(&guest.serial).map_err(|why| format!("{}: {why}", self.title))
    }
}

//! Who is compared: Weft, and Debian's Linux for arm64, tuned and as it comes.

use super::figures::{self, Entry, Figures};
use super::login;
use super::rows::Setting;
use crate::Result;
use crate::test::guest::{Guest, Variant};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

pub const INITRD: &str = "build/bench/initramfs.cpio";
pub const LINUX: &str = "build/linux";

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
    /// Makes sure that there is a root file system to log in to.
    pub login: fn() -> Result<PathBuf>,
}

pub fn weft() -> Contender {
    Contender {
        key: "weft",
        title: "Weft",
        kernel: crate::test::guest::KERNEL.into(),
        append: String::new(),
        qemu: Vec::new(),
        login: || Ok(Variant::default().initrd),
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
        login: login::linux_initrd,
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

    /// Every row has a figure in the end, or the reason why not: one that takes the machine down
    /// costs no other row than itself, because what comes after it runs in another boot.
    pub fn run(&self, setting: Setting, rows: &[&str], samples: usize) -> Figures {
        let (mut figures, mut left, mut in_vain) = (Figures::new(), rows, 0);
        loop {
            let (found, end) = self.boot(setting, left, samples);
            let measured = left.iter().position(|row| !figures::has(&found, row));
            figures.extend(found);
            let Some(measured) = measured else {
                return figures;
            };
            let why = end.err().unwrap_or("it ended before its last row".into());
            eprintln!("== {}, {}: {why}", self.title, left[measured]);
            in_vain = if measured == 0 { in_vain + 1 } else { 0 };
            // Two boots without a figure: it is not the row.
            let given_up = if in_vain == 2 {
                left.len()
            } else {
                measured + 1
            };
            let short = why.split(';').next().unwrap_or_default(); // without the serial line
            let missing = |row: &&str| (row.to_string(), Entry::missing(short));
            figures.extend(left[measured..given_up].iter().map(missing));
            left = &left[given_up..];
            if left.is_empty() {
                return figures;
            }
        }
    }

    /// One boot that runs the rows of these names and powers off: what it said, how it ended.
    fn boot(&self, setting: Setting, rows: &[&str], samples: usize) -> (Figures, Result<()>) {
        let variant = self.variant(&setting.words(rows, samples), INITRD.into());
        let name = format!("bench-{}-{}", self.key, setting.key());
        let mut guest = match Guest::boot(&name, setting.machine(), variant) {
            Ok(guest) => guest,
            Err(why) => return (Figures::new(), Err(why)),
        };
        guest.end_by = Some(Instant::now() + setting.limit());
        let end = guest.wait_for_end();
        (figures::read(&guest.serial), end)
    }

    /// This kernel with more words on its command line, and a root file system.
    pub fn variant(&self, words: &str, initrd: PathBuf) -> Variant {
        Variant {
            kernel: self.kernel.clone(),
            append: format!("{} {words}", self.append),
            initrd,
            qemu: self.qemu.clone(),
            cpus: None,
        }
    }
}

//! Broken input at boot: the system says what is wrong, and does not fall over.

use super::guest::{Guest, Variant};
use super::report::Report;
use std::path::PathBuf;

pub fn all(report: &mut Report) {
    report.test("initramfs cut short", || {
        let whole = crate::read_file("build/initramfs.cpio".as_ref())?;
        said_clearly("cut", &whole[..whole.len() / 2], &["initramfs", "root:"])
    });
    report.test("initramfs of noise", || {
        let noise: Vec<u8> = (0..100_000_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        said_clearly("noise", &noise, &["no first process", "initramfs", "root:"])
    });
    report.test("first program missing", || {
        let variant = Variant {
            append: "init=/no/such/program".into(),
            ..Variant::default()
        };
        Guest::boot("faults-missing", "virt-2", variant)?.wait_for("no first process")
    });
}

fn said_clearly(name: &str, initramfs: &[u8], words: &[&str]) -> Result<(), String> {
    let path = PathBuf::from(format!("build/test/{name}.cpio"));
    std::fs::write(&path, initramfs).map_err(|error| error.to_string())?;
    let variant = Variant {
        initrd: Some(path),
        ..Variant::default()
    };
    let mut guest = Guest::boot(&format!("faults-{name}"), "virt-2", variant)?;
    guest.wait_until(|serial| words.iter().any(|word| serial.contains(word)))
}

//! Broken input at boot: the system says what is wrong, and does not fall over.

use super::guest::{Guest, Variant};
use super::report::Report;
use std::path::PathBuf;

pub fn all(report: &mut Report) {
    report.test("initramfs cut short", || {
        let whole = crate::read_file("build/initramfs.cpio".as_ref())?;
        said_clearly("cut", &whole[..whole.len() / 2])
    });
    report.test("initramfs of noise", || {
        let noise = |index: u32| (index.wrapping_mul(2_654_435_761) >> 13) as u8;
        said_clearly("noise", &(0..100_000).map(noise).collect::<Vec<_>>())
    });
    report.test("first program missing", || {
        let variant = Variant {
            append: "init=/no/such/program".into(),
            ..Variant::default()
        };
        Guest::boot("faults-missing", "virt-2", variant)?.wait_for("cannot run /no/such/program")
    });
}

/// The damage is named; then the system starts with what is left, or says why it cannot.
fn said_clearly(name: &str, initramfs: &[u8]) -> Result<(), String> {
    let path = PathBuf::from(format!("build/test/{name}.cpio"));
    std::fs::write(&path, initramfs).map_err(|error| error.to_string())?;
    let variant = Variant {
        initrd: path,
        ..Variant::default()
    };
    let mut guest = Guest::boot(&format!("faults-{name}"), "virt-2", variant)?;
    guest.wait_for("initramfs: damaged")?;
    guest.wait_until(|serial| {
        ["powering off", "cannot run", "listening"]
            .iter()
            .any(|word| serial.contains(word))
    })
}

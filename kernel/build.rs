//! Links the kernel binary by its own layout; the host library needs nothing.

fn main() {
    println!("cargo:rerun-if-changed=weft.ld");
    println!("cargo:rerun-if-changed=src/arch/aarch64");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        for argument in [
            "-T",
            &format!("{folder}/weft.ld"),
            "--no-dynamic-linker",
            "-z",
            "max-page-size=4096",
        ] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}

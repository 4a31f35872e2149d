//! Programs that take all memory there is. On Linux the ones that would endanger others do nothing
//! unless `TESTS_MAY_EXHAUST_MEMORY` is set, or ask for little: the memory there is somebody's.

pub mod endings;
pub mod greed;
pub mod victims;

const ADJUSTMENT: &str = "/proc/self/oom_score_adj";

fn may_exhaust() -> bool {
    std::env::var_os("TESTS_MAY_EXHAUST_MEMORY").is_some()
        || std::path::Path::new("/proc/weft").exists()
}

/// The calling process goes first, or, with less than 0, late.
fn adjust(adjustment: i32) -> std::io::Result<()> {
    std::fs::write(ADJUSTMENT, adjustment.to_string())
}

//! Limits that some rows need higher than a program starts with.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many descriptors as the hard limit allows; where that fails, opening them says so.
pub fn many_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

//! Who asks for a file operation, and from where in the tree.

use super::mount::{self, Location};
use crate::process::credentials::Credentials;
use alloc::sync::Arc;

/// The view of the file tree that an operation is done with. Its methods are in operations.rs.
#[derive(Clone)]
pub struct Caller {
    pub credentials: Arc<Credentials>,
    pub root: Location,
    pub working_directory: Location,
    pub umask: u16,
}

impl Caller {
    /// The current process.
    pub fn current() -> Self {
        let current = crate::process::current();
        let context = current.fs();
        Self {
            credentials: current.credentials(),
            root: context.root(),
            working_directory: context.working_directory(),
            umask: context.umask(),
        }
    }

    /// The kernel itself: everything is allowed, from the root of the tree.
    pub fn kernel() -> Self {
        let root = mount::root();
        Self {
            credentials: Arc::new(Credentials::root()),
            working_directory: root.clone(),
            root,
            umask: 0,
        }
    }
}

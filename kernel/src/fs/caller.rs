//! Who asks for a file operation, and from where in the tree.

use super::context::Places;
use super::mount::{self, Location};
use crate::process::credentials::Credentials;
use alloc::sync::Arc;

/// The view of the file tree that an operation is done with. Its methods are in operations.rs.
#[derive(Clone)]
pub struct Caller {
    pub credentials: Arc<Credentials>,
    pub places: Arc<Places>,
    pub umask: u16,
}

impl Caller {
    /// The current process.
    pub fn current() -> Self {
        let current = crate::process::current();
        let context = current.fs();
        Self {
            credentials: current.credentials(),
            places: context.places(),
            umask: context.umask(),
        }
    }

    /// From here on the root is `base`, or the working directory.
    pub fn confine(&mut self, base: Option<&Location>) {
        let working_directory = self.places.working_directory.clone();
        self.places = Arc::new(Places {
            root: base.unwrap_or(&working_directory).clone(),
            working_directory,
        });
    }

    /// The kernel itself: everything is allowed, from the root of the tree.
    pub fn kernel() -> Self {
        let root = mount::root();
        Self {
            credentials: Arc::new(Credentials::root()),
            places: Arc::new(Places {
                working_directory: root.clone(),
                root,
            }),
            umask: 0,
        }
    }
}

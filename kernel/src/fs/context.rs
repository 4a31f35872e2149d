//! A process's view of the file tree: root, working directory, umask (shared on `CLONE_FS`).

use super::mount::Location;
use core::sync::atomic::{AtomicU32, Ordering};
use smp::SpinLock;

struct Places {
    root: Location,
    working_directory: Location,
}

/// Root, working directory and umask.
pub struct FsContext {
    places: SpinLock<Places>,
    umask: AtomicU32,
}

impl FsContext {
    /// At the root of the file tree, umask 022.
    pub fn new(root: Location) -> Self {
        let places = Places {
            working_directory: root.clone(),
            root,
        };
        Self {
            places: SpinLock::new(places),
            umask: AtomicU32::new(0o022),
        }
    }

    pub fn root(&self) -> Location {
        self.places.lock().root.clone()
    }

    pub fn working_directory(&self) -> Location {
        self.places.lock().working_directory.clone()
    }

    // What was there before is dropped after the lock is released.
    pub fn set_root(&self, root: Location) {
        let _old = core::mem::replace(&mut self.places.lock().root, root);
    }

    pub fn set_working_directory(&self, directory: Location) {
        let _old = core::mem::replace(&mut self.places.lock().working_directory, directory);
    }

    pub fn umask(&self) -> u16 {
        self.umask.load(Ordering::Relaxed) as u16
    }

    /// Sets the umask and returns the old one.
    pub fn set_umask(&self, umask: u16) -> u16 {
        self.umask.swap(u32::from(umask & 0o777), Ordering::Relaxed) as u16
    }

    /// A copy for fork(2).
    pub fn duplicate(&self) -> Self {
        let places = self.places.lock();
        let copy = Places {
            root: places.root.clone(),
            working_directory: places.working_directory.clone(),
        };
        Self {
            places: SpinLock::new(copy),
            umask: AtomicU32::new(u32::from(self.umask())),
        }
    }
}

//! A process's view of the file tree: root, working directory, umask (shared on `CLONE_FS`).

use super::mount::{self, Location};
use crate::process;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use smp::{Mutex, SpinLock};

/// Where paths start.
#[derive(Clone)]
pub struct Places {
    pub root: Location,
    pub working_directory: Location,
}

/// The root of whoever reads a path in /proc: what is below it is shown as seen from there.
pub fn readers_root() -> Location {
    let context = process::try_current().and_then(|current| current.fs_of());
    context.map_or_else(mount::root, |context| context.root())
}

/// Root, working directory and umask.
pub struct FsContext {
    /// Replaced as a whole, so that a call takes one reference.
    places: SpinLock<Arc<Places>>,
    /// Held while the places are about to change.
    changing: Mutex<()>,
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
            places: SpinLock::new(Arc::new(places)),
            changing: Mutex::new(()),
            umask: AtomicU32::new(0o022),
        }
    }

    pub fn root(&self) -> Location {
        self.places.lock().root.clone()
    }

    pub fn working_directory(&self) -> Location {
        self.places.lock().working_directory.clone()
    }

    pub fn places(&self) -> Arc<Places> {
        self.places.lock().clone()
    }

    pub fn set_root(&self, root: Location) {
        self.change(|places| places.root = root);
    }

    pub fn set_working_directory(&self, directory: Location) {
        self.change(|places| places.working_directory = directory);
    }

    fn change(&self, change: impl FnOnce(&mut Places)) {
        let _changing = self.changing.lock();
        let mut places = Places::clone(&self.places());
        change(&mut places);
        let (mut places, mut held) = (Arc::new(places), self.places.lock());
        core::mem::swap(&mut *held, &mut places);
        // What was there before is dropped after the lock is released.
        drop(held);
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
        Self {
            places: SpinLock::new(self.places()),
            changing: Mutex::new(()),
            umask: AtomicU32::new(u32::from(self.umask())),
        }
    }
}

//! What others hang on a thread: its name and the kernel's extension.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::any::Any;

use super::Thread;
use crate::sync::irqs_off;

impl Thread {
    pub fn name(&self) -> String {
        let _irqs = irqs_off();
        self.name.lock().clone()
    }

    pub fn set_name(&self, name: &str) {
        let mut name = name.to_string();
        let _irqs = irqs_off();
        core::mem::swap(&mut *self.name.lock(), &mut name);
    }

    /// What the kernel hung on the thread, if it is a `T`. `None` once the thread is reaped.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let _irqs = irqs_off();
        self.extension.lock().clone()?.downcast().ok()
    }

    /// The same without counting a reference or taking a lock.
    ///
    /// # Safety
    /// The thread was started, and is not dead for as long as the result is used: it is the
    /// current thread, or an argument of [`Platform::before_switch`](crate::Platform).
    #[cfg(not(any(loom, shuttle)))]
    pub unsafe fn extension_unchecked<T: Any>(&self) -> Option<&T> {
        // SAFETY: from the start until the reaper nobody writes it, says the caller.
        let extension = unsafe { &*self.extension.as_ptr() };
        extension.as_deref()?.downcast_ref()
    }

    /// Hangs `extension` on a thread that was created and not yet started.
    pub fn set_extension(&self, extension: Arc<dyn Any + Send + Sync>) {
        drop(self.replace_extension(Some(extension)));
    }

    pub(crate) fn replace_extension(
        &self,
        mut extension: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let _irqs = irqs_off();
        core::mem::swap(&mut *self.extension.lock(), &mut extension);
        extension
    }
}

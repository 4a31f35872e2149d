//! The files whose owners are to be told, and the kernel thread that tells them.
//!
//! Who makes a file ready holds its observers' lock, and perhaps others, with interrupts masked:
//! all it does here is put the file on a list. The thread sends, with nothing held. A file is on
//! the list once at most, so a write costs one step for each open file, not for each that hears.

use super::Signalled;
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::AcqRel;
use smp::{Mutex, SpinLock, ThreadSpec, WaitQueue};

/// In [`Signalled::told`]: it is on the list.
const LISTED: u32 = 1 << 31;

/// The newest first.
static LIST: SpinLock<Option<Arc<Signalled>>> = SpinLock::new(None);
static FILLED: WaitQueue = WaitQueue::new();

/// Has its owner told of `kinds`. Any context.
pub(super) fn push(file: &Signalled, kinds: u32) {
    if file.told.fetch_or(kinds | LISTED, AcqRel) & LISTED != 0 {
        return;
    }
    let Some(file) = file.this.upgrade() else {
        return;
    };
    let mut newest = LIST.lock();
    *file.next.lock() = newest.take();
    *newest = Some(file);
    drop(newest);
    FILLED.wake_one();
}

/// What has been pushed is not told any more, unless it is being told just now.
pub(super) fn withdraw(file: &Signalled) {
    file.told.fetch_and(LISTED, AcqRel);
}

/// Starts the thread unless it runs.
pub(super) fn start() -> Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock();
    if !*started {
        let thread = ThreadSpec::new("file-signals", || {
            loop {
                tell_all(FILLED.wait(take));
            }
        });
        smp::spawn(thread).map_err(|_| Errno::ENOMEM)?;
        *started = true;
    }
    Ok(())
}

/// The list, the oldest first.
fn take() -> Option<Arc<Signalled>> {
    let mut rest = LIST.lock().take();
    let mut oldest = None;
    while let Some(file) = rest {
        rest = core::mem::replace(&mut *file.next.lock(), oldest);
        oldest = Some(file);
    }
    oldest
}

fn tell_all(mut oldest: Arc<Signalled>) {
    loop {
        let next = oldest.next.lock().take();
        // From here on it may be pushed again.
        let kinds = oldest.told.swap(0, AcqRel) & !LISTED;
        oldest.tell(kinds);
        match next {
            Some(next) => oldest = next,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_listed_once_and_in_order() {
        let files = [(); 3].map(|()| Signalled::new());
        push(&files[1], 1);
        push(&files[0], 1);
        push(&files[1], 2);
        push(&files[2], 1);
        withdraw(&files[2]);
        push(&files[2], 4);
        let mut oldest = take();
        for (index, kinds) in [(1, 3), (0, 1), (2, 4)] {
            let file = oldest.expect("pushed");
            assert!(Arc::ptr_eq(&file, &files[index]));
            assert_eq!(file.told.swap(0, AcqRel), kinds | LISTED);
            oldest = file.next.lock().take();
        }
        assert!(oldest.is_none() && take().is_none());
        push(&files[0], 1);
        tell_all(take().expect("pushed again"));
        assert_eq!(files[0].told.load(core::sync::atomic::Ordering::Relaxed), 0);
    }
}

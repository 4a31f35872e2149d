//! Epolls that watch epolls: no circles, and no more than five deep (epoll_ctl(2), `ELOOP`).

use super::Epoll;
use crate::error::{Errno, Result};
use crate::fs::file::downcast;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use smp::{Mutex, MutexGuard};

/// The longest chain of epolls, as in Linux (EP_MAX_NESTS).
const DEEPEST: usize = 5;

static NESTING: Mutex<()> = Mutex::new(());

/// While held, no other epoll starts to watch an epoll.
pub(super) fn lock() -> MutexGuard<'static, ()> {
    NESTING.lock()
}

/// Lets `outer` watch `inner`, or says why not.
pub(super) fn allow(outer: &Arc<Epoll>, inner: &Arc<Epoll>) -> Result<()> {
    if Arc::ptr_eq(outer, inner) {
        return Err(Errno::EINVAL);
    }
    let above = outer.above.load(Ordering::Relaxed) + 1;
    let below = depth(inner, outer, DEEPEST)?;
    if above + below > DEEPEST {
        return Err(Errno::ELOOP);
    }
    lower(inner, above);
    Ok(())
}

/// How many epolls deep `epoll` is, itself included; `ELOOP` past `left` or where `forbidden` is
/// found.
fn depth(epoll: &Arc<Epoll>, forbidden: &Arc<Epoll>, left: usize) -> Result<usize> {
    if left == 0 || Arc::ptr_eq(epoll, forbidden) {
        return Err(Errno::ELOOP);
    }
    let mut deepest = 0;
    for inner in watched_by(epoll) {
        deepest = deepest.max(depth(&inner, forbidden, left - 1)?);
    }
    Ok(deepest + 1)
}

/// Notes that there are `above` epolls above `epoll`. Never taken back: a tower that was once
/// high stays forbidden ground.
fn lower(epoll: &Arc<Epoll>, above: usize) {
    if epoll.above.fetch_max(above, Ordering::Relaxed) < above {
        watched_by(epoll)
            .iter()
            .for_each(|inner| lower(inner, above + 1));
    }
}

fn watched_by(epoll: &Epoll) -> Vec<Arc<Epoll>> {
    // The files outlive the lock: the last reference to one may be in here.
    let interests = epoll.interests.lock();
    let files: Vec<_> = interests
        .values()
        .filter_map(|interest| interest.file())
        .collect();
    drop(interests);
    files
        .iter()
        .filter_map(|file| downcast::<Epoll>(file.file()))
        .collect()
}

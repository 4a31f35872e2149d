//! A thread that ends, or leaves its program, while others wait for futexes it holds: the first of
//! each inherits the futex, marked OWNER_DIED.

use super::table;
use crate::process::Current;
use core::sync::atomic::{Ordering, fence};

/// Hands on what the thread holds. After its robust list was walked, so that whoever is refused
/// from now on finds the word marked. `goes_on`: with another program (execve).
pub fn release_all(current: &Current, goes_on: bool) {
    current.futexes_released.store(true, Ordering::Relaxed);
    // Pairs with the fence of `queue_up`.
    fence(Ordering::SeqCst);
    if current.thread().holds_others_up() {
        table::for_each(|bucket| {
            for futex in bucket.owned_by(current.thread()) {
                bucket.hand_over_from_dead(&futex);
            }
        });
    }
    if goes_on {
        current.futexes_released.store(false, Ordering::Relaxed);
    }
}

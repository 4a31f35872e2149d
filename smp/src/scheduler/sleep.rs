//! Sleeping: until a wake, a deadline, or the end of a thread.

use super::Scheduler;
use crate::platform::Platform;
use crate::runtime::{Runtime, Unparked};
use crate::switch::Reason;
use crate::thread::ThreadRef;

impl<P: Platform> Scheduler<P> {
    pub(super) fn park_until(&self, deadline_ns: Option<u64>) -> Unparked {
        let were_unmasked = self.platform.irq_save();
        let over = self.begin_park(deadline_ns);
        let unparked = over.unwrap_or_else(|| self.end_park());
        self.platform.irq_restore(were_unmasked);
        unparked
    }

    /// The first half of `park`: returns at once with a result if the park is over before it
    /// began, else with `None` when the calling thread runs again. IRQs masked.
    ///
    /// Simulators, whose switch is a note and returns at once, call the halves apart.
    pub fn begin_park(&self, deadline_ns: Option<u64>) -> Option<Unparked> {
        // SAFETY: IRQs are masked; nobody calls this while acting; gone before the switch.
        let parked = unsafe { self.owner() }.park(deadline_ns);
        match parked {
            Ok(switch) => {
                self.perform(switch);
                None
            }
            Err(over) => Some(over),
        }
    }

    /// The second half of `park`, by the thread that runs again. IRQs masked.
    pub fn end_park(&self) -> Unparked {
        self.with_owner(|owner| {
            let me = owner.current();
            match me.sleep.parked_on() {
                Some(cpu) if !self.cpus[cpu.index()].shared.sleepers.remove(me) => {
                    Unparked::TimedOut
                }
                _ => Unparked::Woken,
            }
        })
    }

    pub(super) fn wait_for_end_of(&self, thread: &ThreadRef) {
        let mut waits = self.begin_join(thread);
        while waits {
            self.park(None);
            waits = !self.has_joined();
        }
    }

    /// Registers the calling thread to be woken by the end of `thread`; false if that is past.
    /// After true the caller parks until it is released: see [`join`](Runtime::join).
    #[must_use = "after true the end must be waited for"]
    pub fn begin_join(&self, thread: &ThreadRef) -> bool {
        thread.joiners.register(&self.current())
    }

    /// Whether the end has come for which the calling thread registered.
    pub fn has_joined(&self) -> bool {
        self.current().joiners.is_released()
    }

    /// Switches to another thread for good; the calling one is published as dead by the tail.
    pub fn bury_current(&self) {
        self.platform.irq_save();
        self.reschedule(Reason::Exit);
    }
}

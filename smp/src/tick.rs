//! Time: the quantum, sleepers, and the one hardware timer for all of it.
//!
//! Tickless: the timer is set for the end of the quantum only while somebody waits.

use crate::owner::Owner;
use crate::platform::Platform;
use crate::realtime;
use crate::share;

/// The time of what is not to come.
pub(crate) const NEVER: u64 = u64::MAX;
/// What is left of a request, or of a class's part of a period, may be so little that it is not
/// worth an interrupt of its own.
const MIN_RUN_NS: u64 = 100_000;
/// The most sleepers woken by one interrupt: any number may be due at once, and something more urgent
/// must not wait for them all.
const MAX_WAKES: usize = 16;

impl<P: Platform> Owner<'_, P> {
    /// The timer fired: wake sleepers that are due, end the quantum if its time is up.
    pub fn tick(&mut self) {
        let now = self.now();
        self.local.armed_ns = NEVER;
        let cpu = self.cpu;
        let sleepers = &cpu.shared.sleepers;
        // The timer comes again at once for those that are left.
        (0..MAX_WAKES).all(|_| sleepers.expire_one(now, |thread| self.wake(thread)));
        self.local.next_sleeper_ns = sleepers.next_deadline();
        self.serve_requests();
        self.charge();
        if !self.local.is_idle() && self.local.quantum_end_ns <= now {
            self.local.quantum_end_ns = NEVER;
            self.local.fair.reconcile(&self.cpu.shared.shelf);
            self.balance();
            self.rotate();
            self.look_around();
            if self.better_waits() {
                self.set_need(true);
            } else {
                self.current_body(|body| body.renew_turn());
            }
        }
        self.leave();
    }

    /// Starts or stops the tick, as `waiting` threads want it; false when a request slipped in
    /// while it stopped.
    #[inline(always)]
    pub fn update_tick(&mut self, waiting: usize) -> bool {
        if self.local.is_idle() {
            self.local.quantum_end_ns = NEVER;
            return true;
        }
        let off = waiting == 0 && !self.may_move_on();
        if off {
            self.local.quantum_end_ns = NEVER;
        } else if self.local.quantum_end_ns == NEVER {
            self.local.quantum_end_ns = self.quantum_end(waiting);
        }
        if self.local.tick_off == off {
            return true;
        }
        self.local.tick_off = off;
        self.cpu.shared.control.set_tick_off(off)
    }

    /// When to look whether another should run, if the present thread goes on.
    #[inline(always)]
    fn quantum_end(&mut self, waiting: usize) -> u64 {
        let now = self.now();
        let (priority, turn, request) = self.current_body(|body| {
            // A turn that is over lasts until somebody can take over: no time is no quantum.
            let turn = body.turn_left_ns.filter(|&left| left > 0);
            (body.priority, turn, body.share.left_ns())
        });
        let (quantum, others) = match priority {
            0 => {
                // Who yielded has a request that is longer than what is granted now.
                let request = request.clamp(MIN_RUN_NS, share::slice_ns(waiting + 1));
                (request, self.local.realtime.len())
            }
            _ => (turn.unwrap_or(realtime::TURN_NS), self.local.fair.len()),
        };
        let end = now + quantum.max(1);
        match others {
            0 => end,
            // Both classes want to run: their share may decide first.
            _ => {
                let change = self.local.fair_server.next_change_ns(now);
                end.min(change.max(now + MIN_RUN_NS))
            }
        }
    }

    fn next_event(&self) -> u64 {
        let Self { local, .. } = self;
        let sleeper_or_timer = local.next_sleeper_ns.min(local.next_timer_ns);
        local.quantum_end_ns.min(sleeper_or_timer)
    }

    /// Sets the hardware timer if it would fire too late. A timer that fires too early costs less
    /// than setting it at every switch.
    #[inline(always)]
    pub fn program_timer(&mut self) {
        let next = self.next_event();
        if self.local.armed_ns > next {
            self.local.armed_ns = next;
            self.sched.platform.set_timer(Some(next));
        }
    }

    /// Sets the hardware timer to the very next event: an idle CPU is not woken in vain.
    pub fn program_timer_exactly(&mut self) {
        let next = self.next_event();
        if self.local.armed_ns != next {
            self.local.armed_ns = next;
            let comes = next != NEVER;
            self.sched.platform.set_timer(comes.then_some(next));
        }
    }

    /// Enters the current thread, about to park, among the sleepers if it has a deadline.
    pub fn sleep_until(&mut self, deadline_ns: Option<u64>) {
        self.current()
            .sleep
            .set_parked_on(deadline_ns.map(|_| self.id));
        let Some(deadline) = deadline_ns else { return };
        self.cpu.shared.sleepers.insert(self.current(), deadline);
        let next = &mut self.local.next_sleeper_ns;
        *next = deadline.min(*next);
    }
}

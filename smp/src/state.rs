//! The state word of a thread: its phase, a sticky wake token, a control request and its home.
//!
//! ```text
//!            start                  pick                begin_park (no WAKE)
//!   NEW ----------> READY ----------------> RUNNING -----------------------> PARKING
//!                   ^  ^ ^                   |    |                             |
//!                   |  | '---- requeue ------'    '-- die --> DEAD              | tail
//!                   |  '------- tail, WAKE was set ------------------------------|
//!                   '---------- wake -------------------- BLOCKED <-------------'
//! ```
//!
//! Everything two CPUs could race for is in this one word, and every transition is a
//! read-modify-write of it, so that plain coherence decides each race:
//! * `WAKE` against parking: whoever wakes sets it in every phase but BLOCKED; parking fails, or
//!   the tail sends the thread back to READY, when it finds it.
//! * `CONTROL` against moving: a changed affinity or policy is stored first, then `CONTROL` is
//!   set; whoever moves the thread (changes `home`, starts running it) sees it, or its mover sees
//!   the new home. The holder of the thread clears `CONTROL`, then rereads the parameters.
//!
//! The tail runs after the context was saved, so BLOCKED and READY imply a saved context.

use percpu::CpuId;

use crate::sync::{AtomicU32, Ordering, mutate};
use crate::thread::Phase;

const PHASE: u32 = 0b111;
const NEW: u32 = 0;
const RUNNING: u32 = 1;
const PARKING: u32 = 2;
const BLOCKED: u32 = 3;
const READY: u32 = 4;
const DEAD: u32 = 5;
const WAKE: u32 = 1 << 3;
const CONTROL: u32 = 1 << 4;
const HOME_SHIFT: u32 = 16;
const HOME: u32 = 0xffff << HOME_SHIFT;

/// One reading of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(u32);

impl Snapshot {
    pub fn phase(self) -> Phase {
        match self.0 & PHASE {
            NEW => Phase::New,
            RUNNING => Phase::Running,
            PARKING => Phase::Parking,
            BLOCKED => Phase::Blocked,
            READY => Phase::Ready,
            _ => Phase::Dead,
        }
    }

    /// The CPU that runs the thread, holds it, or last did.
    pub fn home(self) -> CpuId {
        CpuId::new((self.0 >> HOME_SHIFT) as usize)
    }

    /// Parameters changed and nobody has looked yet.
    pub fn control(self) -> bool {
        self.0 & CONTROL != 0
    }

    fn with_phase(self, phase: u32) -> u32 {
        self.0 & !PHASE | phase
    }
}

/// What a wake amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a thread made ready must be enqueued"]
pub(crate) enum Wake {
    /// The thread was blocked: it is READY now and the caller holds it.
    Won,
    /// The token was left for the thread (or it is dead): nothing to do.
    Left,
}

/// How a park ended at the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a woken thread must be enqueued"]
pub(crate) enum Parked {
    Blocked,
    /// A wake came meanwhile: the thread is READY and the caller holds it.
    Woken,
}

/// Somebody changed the thread's parameters: settle them before it may run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ControlPending;

pub(crate) struct State(AtomicU32);

impl State {
    pub fn new() -> Self {
        Self(AtomicU32::new(NEW))
    }

    /// An idle thread: always running on its CPU.
    pub fn new_running(home: CpuId) -> Self {
        Self(AtomicU32::new(
            RUNNING | (home.index() as u32) << HOME_SHIFT,
        ))
    }

    /// For people and for decisions that a later read-modify-write confirms.
    pub fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// NEW to READY, by the creator.
    pub fn start(&self, home: CpuId) {
        let home = (home.index() as u32) << HOME_SHIFT;
        let before = self.update(Ordering::AcqRel, |s| {
            Some(s.with_phase(READY) & !HOME | home)
        });
        debug_assert!(
            matches!(before, Ok(s) if s.phase() == Phase::New),
            "started twice"
        );
    }

    /// READY to RUNNING on `home`, by the CPU that holds the thread.
    pub fn run(&self, home: CpuId) -> Result<Snapshot, ControlPending> {
        let bits = (home.index() as u32) << HOME_SHIFT;
        let before = self.update(Ordering::AcqRel, |s| {
            debug_assert_eq!(s.phase(), Phase::Ready, "picked a thread that is not ready");
            (!s.control()).then_some(s.with_phase(RUNNING) & !HOME | bits)
        });
        before.map_err(|_| ControlPending)
    }

    /// RUNNING to READY, by the tail of the CPU it left. Nobody else changes the phase of a running
    /// thread, so the difference can be added whatever happens to the other bits.
    pub fn requeue(&self) -> Snapshot {
        let before = Snapshot(self.0.fetch_add(READY - RUNNING, Ordering::AcqRel));
        debug_assert_eq!(before.phase(), Phase::Running, "left without having run");
        before
    }

    /// RUNNING to PARKING, by the thread itself. False when a wake token was waiting: it is
    /// consumed and the thread runs on.
    pub fn begin_park(&self) -> bool {
        let parked = self.update(Ordering::AcqRel, |s| {
            (s.0 & WAKE == 0).then_some(s.with_phase(PARKING))
        });
        if parked.is_err() {
            self.take_token();
        }
        parked.is_ok()
    }

    /// Consumes the wake token, by the thread itself; says whether there was one.
    pub fn take_token(&self) -> bool {
        // An acquiring read-modify-write: what the waker wrote before is visible after.
        let order = mutate("token_relaxed", Ordering::AcqRel, Ordering::Relaxed);
        self.0.fetch_and(!WAKE, order) & WAKE != 0
    }

    /// PARKING to BLOCKED, or to READY if a wake came in between; by the tail.
    pub fn finish_park(&self) -> Parked {
        let order = mutate("tail_relaxed", Ordering::AcqRel, Ordering::Relaxed);
        let before = self.update(order, |s| {
            let phase = if s.0 & WAKE != 0 { READY } else { BLOCKED };
            Some(s.with_phase(phase) & !WAKE)
        });
        match before {
            Ok(s) if s.0 & WAKE != 0 => Parked::Woken,
            _ => Parked::Blocked,
        }
    }

    /// BLOCKED to READY, or the wake token in any other phase.
    ///
    /// Always writes, even when the token is there already: the thread that consumes the token
    /// must see what *this* waker wrote before, and only a read-modify-write links the two.
    pub fn wake(&self) -> Wake {
        let order = mutate("wake_relaxed", Ordering::AcqRel, Ordering::Relaxed);
        let before = self.update(order, |s| match s.phase() {
            Phase::Blocked => Some(s.with_phase(READY)),
            Phase::Dead => None,
            Phase::Ready if mutate("token_dropped_when_ready", false, true) => None,
            _ if s.0 & WAKE != 0 && mutate("token_not_rewritten", false, true) => None,
            _ => Some(s.0 | WAKE),
        });
        match before {
            Ok(s) if s.phase() == Phase::Blocked => Wake::Won,
            _ => Wake::Left,
        }
    }

    /// Moves a READY thread the caller holds to a new home. The result tells whether
    /// parameters changed since they were last read.
    pub fn set_home(&self, home: CpuId) -> Snapshot {
        let bits = (home.index() as u32) << HOME_SHIFT;
        if mutate("set_home_by_store", false, true) {
            let before = Snapshot(self.0.load(Ordering::Acquire));
            self.0.store(before.0 & !HOME | bits, Ordering::Release);
            return before;
        }
        let before = self.update(Ordering::AcqRel, |s| Some(s.0 & !HOME | bits));
        before.expect("never declined")
    }

    /// Announces changed parameters (stored before); the result says where the thread is.
    pub fn request_control(&self) -> Snapshot {
        Snapshot(self.0.fetch_or(CONTROL, Ordering::AcqRel))
    }

    /// The holder is about to read the parameters again.
    pub fn clear_control(&self) {
        self.0.fetch_and(!CONTROL, Ordering::AcqRel);
    }

    /// RUNNING to DEAD, by the tail: the stack is free from here on.
    pub fn die(&self) {
        let _ = self.update(Ordering::AcqRel, |s| Some(s.with_phase(DEAD)));
    }

    /// Applies `change` until it sticks or declines; the word before on success.
    fn update(
        &self,
        order: Ordering,
        mut change: impl FnMut(Snapshot) -> Option<u32>,
    ) -> Result<Snapshot, Snapshot> {
        // Relaxed: a stale first reading only costs a round; a decision to decline is repeated
        // by the callers with an acquiring operation.
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Some(next) = change(Snapshot(seen)) {
            match self
                .0
                .compare_exchange_weak(seen, next, order, Ordering::Relaxed)
            {
                Ok(_) => return Ok(Snapshot(seen)),
                Err(current) => seen = current,
            }
        }
        Err(Snapshot(seen))
    }
}

//! A thread as the machine sees it.

#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub place: Place,
    /// Its deadline, if it sleeps with one.
    pub deadline: Option<u64>,
    /// When it was woken, and how long it has waited since.
    pub woken_at: u64,
    pub waited: u64,
    pub fresh: bool,
    pub run_left: u64,
    pub last_cpu: Option<usize>,
    pub pinned: Option<usize>,
    pub started: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Asleep,
    Ready { since: u64 },
    Running { cpu: usize },
    Ended,
}

impl Thread {
    /// Nobody.
    pub fn ended() -> Self {
        Self {
            place: Place::Ended,
            deadline: None,
            woken_at: 0,
            waited: 0,
            fresh: false,
            run_left: 0,
            last_cpu: None,
            pinned: None,
            started: false,
        }
    }

    pub fn is_asleep(&self) -> bool {
        self.place == Place::Asleep
    }
}

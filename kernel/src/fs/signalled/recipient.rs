//! Who gets the signals, on whose behalf.

use super::kind::Kind;
use crate::error::Result;
use crate::process::signal::{SigInfo, send_to_process, send_to_thread};
use crate::process::table::{self, GroupId};
use crate::process::{Credentials, Process, Signal, Task};
use alloc::sync::{Arc, Weak};

/// Who is told. All three are forgotten when they end, whoever gets their numbers.
#[derive(Clone, Default)]
pub enum Owner {
    #[default]
    Nobody,
    Thread(Weak<Task>),
    Process(Weak<Process>),
    Group(GroupId),
}

#[derive(Clone, Default)]
pub(super) struct Recipient {
    pub owner: Owner,
    /// On whose behalf signals are sent.
    pub sender: Option<Arc<Credentials>>,
    /// Instead of `SIGIO`, and with details.
    pub signal: Option<Signal>,
}

impl Recipient {
    /// Thread context, no lock held: the last reference to a process may be dropped here.
    pub fn tell(&self, kind: Kind, fd: i32) {
        let info = match self.signal {
            Some(signal) => SigInfo::poll(signal, kind.code, kind.band.bits().into(), fd),
            None => SigInfo::kernel(Signal::IO),
        };
        match &self.owner {
            Owner::Nobody => {}
            Owner::Thread(task) => {
                if let Some(task) = task.upgrade().filter(|task| self.may_signal(task)) {
                    or_plain(info, |info| send_to_thread(&task, info));
                }
            }
            Owner::Process(process) => {
                if let Some(process) = process.upgrade() {
                    self.tell_process(&process, info);
                }
            }
            Owner::Group(group) => {
                table::members(*group).for_each(|process| self.tell_process(&process, info));
            }
        }
    }

    fn tell_process(&self, process: &Arc<Process>, info: SigInfo) {
        if process
            .first_thread()
            .is_some_and(|task| self.may_signal(&task))
        {
            or_plain(info, |info| send_to_process(process, info));
        }
    }

    fn may_signal(&self, task: &Arc<Task>) -> bool {
        let target = task.credentials();
        let sender = self.sender.as_ref();
        sender.is_some_and(|sender| sender.may_signal(&target))
    }
}

/// Where there is no room for the details, at least `SIGIO` comes.
fn or_plain(info: SigInfo, send: impl Fn(SigInfo) -> Result<()>) {
    if send(info).is_err() {
        // A full queue keeps standard signals.
        let _ = send(SigInfo::kernel(Signal::IO));
    }
}

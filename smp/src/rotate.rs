//! Even shares where counts cannot be even: CPUs take turns at being the crowded one.
//!
//! Six hogs on four CPUs stand 2, 2, 1, 1, and no move makes that better. So at the end of a
//! quantum a CPU that would change roles with another by giving it a thread (about as heavy as
//! the difference between the two) does so: to the CPU that gave longest ago, and always the thread
//! that has been with it longest. In the end everybody is alone and in company for the same time.
//! Nobody needs to know the whole; what is read of others are hints.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::balance::{Move, judge};
use crate::owner::Owner;
use crate::platform::Platform;

/// A thread stays for so long, so that moving costs little against running.
const STAY_NS: u64 = 20_000_000;

impl<P: Platform> Owner<'_, P> {
    /// Gives a waiting thread to a CPU that changes roles by it, if it is that one's turn.
    pub fn rotate(&mut self) {
        let now = self.now();
        let (priority, arrived_ns) = self.current_body(|body| (body.priority, body.arrived_ns));
        let settled = now.saturating_sub(arrived_ns) >= STAY_NS;
        let crowded = self.local.fair.len() > 0 && self.local.realtime.len() == 0;
        if !crowded || priority > 0 || !settled {
            return;
        }
        let gave_ns = |cpu: CpuId| {
            let hints = &self.sched.cpus[cpu.index()].shared.hints;
            hints.gave_ns.load(Relaxed)
        };
        self.lighter(&gave_ns)
            .any(|target| self.trade(target, arrived_ns));
    }

    fn trade(&mut self, target: CpuId, since_ns: u64) -> bool {
        let (mine, theirs) = self.loads(target);
        let same = |weight| judge(mine, theirs, weight) == Move::Same;
        let shelf = &self.cpu.shared.shelf;
        let eldest = self.local.fair.take_eldest(since_ns, target, shelf, same);
        let Some(thread) = eldest else {
            return false;
        };
        self.cpu.shared.hints.gave_ns.store(self.now(), Relaxed);
        self.hand_over(thread, target, 0);
        true
    }
}

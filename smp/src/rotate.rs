//! Even shares where counts cannot be even: CPUs take turns at being the crowded one.
//!
//! Six hogs on four CPUs stand 2, 2, 1, 1, and no move makes that better. So at the end of a
//! quantum a CPU with one thread more than another gives one away, to the CPU that gave longest
//! ago, and always the thread that has been with it longest: in the end everybody is alone and in
//! company for the same time. Nobody needs to know the whole; what is read of others are hints.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::owner::Owner;
use crate::platform::Platform;

/// A thread stays for so long, so that moving costs little against running.
const STAY_NS: u64 = 20_000_000;
/// The most CPUs compared.
const MAX_COMPARED: usize = 16;

impl<P: Platform> Owner<'_, P> {
    /// Gives a waiting thread to a CPU that has one fewer, if it is that one's turn.
    pub fn rotate(&mut self) {
        let ready = self.local.fair.len();
        let now = self.now();
        let (priority, arrived_ns) = self.current_body(|body| (body.priority, body.arrived_ns));
        let settled = now.saturating_sub(arrived_ns) >= STAY_NS;
        if ready == 0 || priority > 0 || self.local.realtime.len() > 0 || !settled {
            return;
        }
        let Some(target) = self.next_in_turn(ready as u32) else {
            return;
        };
        let shelf = &self.cpu.shared.shelf;
        let eldest = self.local.fair.take_eldest(arrived_ns, target, shelf);
        if let Some(thread) = eldest {
            self.cpu.shared.hints.gave_ns.store(now, Relaxed);
            self.hand_over(thread, target, 0);
        }
    }

    /// Of the near CPUs with `load` fair threads the one that gave longest ago.
    fn next_in_turn(&self, load: u32) -> Option<CpuId> {
        let (sched, id) = (self.sched, self.id);
        let ring = sched.map.clusters_from(id);
        let others = ring.flat_map(|c| sched.map.members(c, sched.online.word(c), id));
        let others = others.filter(|&cpu| cpu != id).take(MAX_COMPARED);
        let fitting = others.filter(|&cpu| sched.load(cpu) == load && sched.serves_fair(cpu));
        let gave = |cpu: &CpuId| sched.cpus[cpu.index()].shared.hints.gave_ns.load(Relaxed);
        fitting.min_by_key(gave)
    }
}

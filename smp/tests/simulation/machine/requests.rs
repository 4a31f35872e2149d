//! What the tests ask for from outside.

use smp::{CpuId, CpuSet, Params, Policy, Runtime, ThreadRef};

use super::Machine;

impl Machine {
    /// CPU `by` asks `cpu` to go off.
    pub fn take_off(&mut self, cpu: usize, by: usize) -> Result<(), smp::OfflineError> {
        let mut asked = Ok(());
        self.awake(by, |m| asked = m.sched.begin_offline(CpuId::new(cpu)));
        asked
    }

    pub fn is_off(&self, cpu: usize) -> bool {
        self.cpus[cpu].off
    }

    pub fn bring_back(&mut self, cpu: usize) {
        assert!(std::mem::take(&mut self.cpus[cpu].off), "it is off");
        self.on(cpu, |m| m.sched.cpu_online(CpuId::new(cpu)));
        self.settle(cpu);
    }

    pub fn set_power_saving(&mut self, saving: bool) {
        self.awake(0, |m| m.sched.set_power_saving(saving));
    }

    pub fn set_policy(&mut self, thread: &ThreadRef, policy: Policy) {
        self.change(0, thread, &|params| Params { policy, ..params });
    }

    pub fn set_nice(&mut self, thread: &ThreadRef, nice: i8) {
        self.change(0, thread, &|params| Params { nice, ..params });
    }

    /// Changes a thread's parameters from CPU `cpu`.
    pub fn change(&mut self, cpu: usize, thread: &ThreadRef, change: &dyn Fn(Params) -> Params) {
        self.awake(cpu, |m| m.sched.change_params(thread, change));
    }

    pub fn set_affinity(&mut self, thread: &ThreadRef, set: &CpuSet) {
        self.moved_at.insert(thread.tid(), self.now());
        self.awake(0, |m| m.sched.set_affinity(thread, set).expect("online"));
    }

    /// Whether what runs on `cpu` may be preempted.
    pub fn set_preemptible(&mut self, cpu: usize, may: bool) {
        self.sched.platform().lines(cpu).preemption_off = !may;
    }
}

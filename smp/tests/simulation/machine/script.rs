//! What simulated threads do, step by step.

use smp::{CpuSet, Params, Platform, Runtime, ThreadSpec};

use super::Machine;

/// What a simulated thread does next.
#[derive(Clone, Debug)]
pub enum Step {
    Run(u64),
    Sleep(u64),
    Park,
    Yield,
    Wake(u32),
    Call(u32),
    /// From here on it is in a bulk transfer.
    MoveBulk,
    SetAffinity(u32, CpuSet),
    SetParams(u32, Params),
    Spawn(u32, Vec<Step>),
    /// From the start again, so many times.
    Repeat(u64),
}

pub(super) struct Script {
    pub steps: Vec<Step>,
    pub next: usize,
    pub rounds: u64,
    pub run_left: u64,
    pub parked: bool,
}

impl Machine {
    /// The script of the running thread goes on to its next step.
    pub(super) fn step(&mut self, cpu: usize) {
        let tid = self.cpus[cpu].running;
        let script = self.scripts.get_mut(&tid).expect("a scripted thread");
        let step = script.steps.get(script.next).cloned();
        script.next += 1;
        match step {
            Some(Step::Run(ns)) => script.run_left = ns,
            Some(Step::Repeat(times)) => {
                if script.rounds < times {
                    script.rounds += 1;
                    script.next = 0;
                }
            }
            Some(Step::Sleep(ns)) => {
                script.parked = true;
                let deadline = self.now() + ns;
                self.park(cpu, Some(deadline));
            }
            Some(Step::Park) => {
                script.parked = true;
                self.park(cpu, None);
            }
            Some(Step::Yield) => self.on(cpu, |m| m.sched.yield_now()),
            Some(Step::Wake(tid)) => {
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.unpark(&thread));
                }
            }
            Some(Step::Call(tid)) => {
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.call(&thread));
                }
            }
            Some(Step::MoveBulk) => self.on(cpu, |m| m.sched.current().set_moves_bulk(true)),
            Some(Step::SetAffinity(tid, set)) => {
                self.moved_at.insert(tid, self.now());
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.set_affinity(&thread, &set))
                        .expect("online");
                }
            }
            Some(Step::SetParams(tid, params)) => {
                if let Some(thread) = self.sched.find_thread(tid) {
                    self.on(cpu, |m| m.sched.change_params(&thread, &|_| params));
                }
            }
            Some(Step::Spawn(tid, steps)) => {
                self.spawn_on(cpu, ThreadSpec::new("child", || {}).tid(tid), steps);
                self.spawned.push_back(tid);
            }
            None => {
                self.scripts.remove(&tid);
                self.finished += 1;
                self.on(cpu, |m| m.sched.bury_current());
                self.sched.reap();
            }
        }
        self.on(cpu, |m| m.sched.platform().lines(cpu).irqs_off = false);
        self.settle(cpu);
    }

    fn park(&mut self, cpu: usize, deadline: Option<u64>) {
        let over = self.on(cpu, |m| {
            m.sched.platform().irq_save();
            m.sched.begin_park(deadline)
        });
        if over.is_some() {
            let tid = self.cpus[cpu].running;
            self.scripts.get_mut(&tid).unwrap().parked = false;
        }
    }
}

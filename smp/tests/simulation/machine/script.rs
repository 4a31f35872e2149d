//! What simulated threads do, step by step.

use smp::{CpuSet, Params, Platform, Runtime, Scheduler, ThreadRef, ThreadSpec};

use super::Machine;
use super::platform::SimPlatform;

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
        let script = self.script(tid);
        let step = script.steps.get(script.next).cloned();
        script.next += 1;
        match step {
            Some(step) => self.perform(cpu, tid, step),
            None => self.end(cpu, tid),
        }
        self.on(cpu, |m| m.sched.platform().lines(cpu).irqs_off = false);
        self.settle(cpu);
    }

    fn perform(&mut self, cpu: usize, own: u32, step: Step) {
        let script = self.script(own);
        match step {
            Step::Run(ns) => script.run_left = ns,
            Step::Repeat(times) => {
                if script.rounds < times {
                    script.rounds += 1;
                    script.next = 0;
                }
            }
            Step::Sleep(ns) => self.park(cpu, Some(self.now() + ns)),
            Step::Park => self.park(cpu, None),
            Step::Yield => self.on(cpu, |m| m.sched.yield_now()),
            Step::Wake(tid) => self.to(cpu, tid, |sched, thread| sched.unpark(thread)),
            Step::Call(tid) => self.to(cpu, tid, |sched, thread| sched.call(thread)),
            Step::MoveBulk => self.on(cpu, |m| m.sched.current().set_moves_bulk(true)),
            Step::SetAffinity(tid, set) => {
                self.moved_at.insert(tid, self.now());
                self.to(cpu, tid, |sched, thread| {
                    sched.set_affinity(thread, &set).expect("online");
                });
            }
            Step::SetParams(tid, params) => self.to(cpu, tid, |sched, thread| {
                sched.change_params(thread, &|_| params);
            }),
            Step::Spawn(tid, steps) => {
                self.spawn_on(cpu, ThreadSpec::new("child", || {}).tid(tid), steps);
                self.spawned.push_back(tid);
            }
        }
    }

    /// On `cpu`, does something to a thread, unless that has ended.
    fn to(&mut self, cpu: usize, tid: u32, act: impl FnOnce(&Scheduler<SimPlatform>, &ThreadRef)) {
        if let Some(thread) = self.sched.find_thread(tid) {
            self.on(cpu, |m| act(&m.sched, &thread));
        }
    }

    /// The script is over.
    fn end(&mut self, cpu: usize, tid: u32) {
        self.scripts.remove(&tid);
        self.finished += 1;
        self.on(cpu, |m| m.sched.bury_current());
        self.sched.reap();
    }

    fn park(&mut self, cpu: usize, deadline: Option<u64>) {
        let tid = self.cpus[cpu].running;
        self.script(tid).parked = true;
        let over = self.on(cpu, |m| {
            m.sched.platform().irq_save();
            m.sched.begin_park(deadline)
        });
        if over.is_some() {
            self.script(tid).parked = false;
        }
    }

    fn script(&mut self, tid: u32) -> &mut Script {
        self.scripts.get_mut(&tid).expect("a scripted thread")
    }
}

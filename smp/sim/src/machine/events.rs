//! Events: what makes a CPU act, and what the thread on it does next.

use super::thread::Place;
use super::{Machine, Turn};
use crate::policy::{Interrupt, Task};
use crate::workload::{Step, Workload};

impl<W: Workload> Machine<W> {
    /// Something happens on `cpu`.
    pub(super) fn event(&mut self, cpu: usize) {
        self.charge(cpu);
        let now = self.now();
        if self.hardware.take_ipi(cpu, now) {
            self.interrupt(cpu, Interrupt::Peer);
        } else if self.hardware.take_timer(cpu, now) {
            self.interrupt(cpu, Interrupt::Timer);
        } else if self.cpus[cpu].device_at() <= now {
            self.device(cpu);
        } else {
            self.step(cpu);
        }
    }

    fn interrupt(&mut self, cpu: usize, reason: Interrupt) {
        self.act(cpu, |machine| {
            machine.hardware.charge(machine.hardware.costs.interrupt_ns);
            machine.policy.interrupt(reason);
        });
    }

    fn device(&mut self, cpu: usize) {
        let Some((at, tasks)) = self.cpus[cpu].devices.pop_front() else {
            return;
        };
        // Those that went to sleep between the interrupt and its handler.
        self.sleepers_become_ready(tasks.clone(), at);
        self.act(cpu, |machine| {
            machine.hardware.charge(machine.hardware.costs.interrupt_ns);
            machine.policy.interrupt(Interrupt::Device);
            tasks.for_each(|task| machine.wake(task));
            machine.policy.end_of_interrupt();
        });
    }

    /// The running thread goes on to its next step.
    fn step(&mut self, cpu: usize) {
        let task = self.cpus[cpu].running.expect("a thread has done its step");
        let step = self.workload.next(task, self.now());
        match step {
            Step::Run(ns) => {
                self.threads[task as usize].run_left = ns;
                self.plan(cpu);
            }
            Step::Sleep(ns) => self.park(cpu, Some(self.now() + ns)),
            Step::SleepUntil(at) => self.park(cpu, Some(at)),
            Step::Park => self.park(cpu, None),
            Step::Yield => self.call(cpu, |machine| machine.policy.yield_now()),
            Step::Wake(other) => {
                if self.threads[other as usize].is_asleep() {
                    self.becomes_ready(other, self.now());
                }
                self.call(cpu, |machine| machine.wake(other));
            }
            Step::Exit => {
                self.leaves(cpu, task, Place::Ended);
                self.alive -= 1;
                self.act(cpu, |machine| machine.policy.exit());
            }
        }
    }

    fn park(&mut self, cpu: usize, deadline: Option<u64>) {
        let task = self.cpus[cpu].running.expect("who parks runs");
        self.call(cpu, |machine| {
            if machine.policy.park(deadline) {
                machine.leaves(cpu, task, Place::Asleep);
                machine.threads[task as usize].deadline = deadline;
                machine.sleepers.extend(deadline.map(|at| (at, task)));
            }
        });
    }

    /// The running thread makes a system call.
    fn call(&mut self, cpu: usize, action: impl FnOnce(&mut Self)) {
        self.act(cpu, |machine| {
            machine.hardware.charge(machine.hardware.costs.call_ns);
            action(machine);
        });
    }

    /// Lets `cpu` act, go on to its next rest, and pay.
    pub(super) fn act(&mut self, cpu: usize, action: impl FnOnce(&mut Self)) {
        self.hardware.set_here(cpu);
        action(self);
        let next = self.policy.rest();
        let free_at = self.now() + self.hardware.take_spent();
        let before = std::mem::replace(&mut self.cpus[cpu].running, next);
        if self.hardware.costs.turns {
            self.turn = Turn {
                cpu,
                end: free_at,
                changed: before != next,
            };
        }
        self.cpus[cpu].free_at = free_at;
        self.cpus[cpu].charged_at = free_at;
        if before != next {
            self.changes(cpu, before, next, free_at);
        }
        self.plan(cpu);
        while let Some(other) = self.hardware.take_touched() {
            self.plan(other);
        }
    }

    /// Wakes a thread, for the first time or again.
    pub(super) fn wake(&mut self, task: Task) {
        self.hardware.charge(self.hardware.costs.wake_ns);
        match std::mem::replace(&mut self.threads[task as usize].started, true) {
            true => self.policy.wake(task),
            false => self.policy.start(task),
        }
    }
}

//! Where threads are: asleep, ready, running, and what is measured when that changes.

use super::thread::{Place, Thread};
use super::{Machine, work};
use crate::policy::Task;
use crate::workload::Workload;

impl<W: Workload> Machine<W> {
    /// Those of `tasks` that sleep have something to do since then.
    pub(super) fn sleepers_become_ready(&mut self, tasks: std::ops::Range<Task>, since: u64) {
        for task in tasks {
            let thread = self.threads.get(task as usize);
            if thread.is_some_and(Thread::is_asleep) {
                self.becomes_ready(task, since);
            }
        }
    }

    pub(super) fn becomes_ready(&mut self, task: Task, since: u64) {
        let thread = &mut self.threads[task as usize];
        if let Some(deadline) = thread.deadline.take() {
            self.sleepers.remove(&(deadline, task));
        }
        thread.place = Place::Ready { since };
        (thread.woken_at, thread.waited, thread.fresh) = (since, 0, true);
        self.ready += usize::from(thread.pinned.is_none());
    }

    /// The thread gives up its CPU.
    pub(super) fn leaves(&mut self, cpu: usize, task: Task, place: Place) {
        let thread = &mut self.threads[task as usize];
        thread.place = place;
        self.measure.done(thread.waited, self.hardware.now());
        self.cpus[cpu].running = None;
        self.idle += 1;
    }

    /// `next` runs where `before` did.
    pub(super) fn changes(
        &mut self,
        cpu: usize,
        before: Option<Task>,
        next: Option<Task>,
        free_at: u64,
    ) {
        if let Some(task) = before {
            let thread = &mut self.threads[task as usize];
            thread.place = Place::Ready {
                since: self.hardware.now(),
            };
            self.ready += usize::from(thread.pinned.is_none());
            self.idle += 1;
        }
        if let Some(task) = next {
            self.enters(cpu, task, free_at);
            self.idle -= 1;
        }
    }

    fn enters(&mut self, cpu: usize, task: Task, free_at: u64) {
        let thread = &mut self.threads[task as usize];
        let Place::Ready { since } = thread.place else {
            panic!(
                "thread {task} runs on CPU {cpu} although {:?}",
                thread.place
            );
        };
        let allowed = thread.pinned.is_none_or(|only| only == cpu);
        assert!(allowed, "thread {task} runs on CPU {cpu}, which it may not");
        thread.place = Place::Running { cpu };
        self.ready -= usize::from(thread.pinned.is_none());
        thread.waited += free_at.saturating_sub(since);
        if std::mem::take(&mut thread.fresh) {
            let (from, waited) = (thread.woken_at, free_at.saturating_sub(thread.woken_at));
            self.measure.first_run(task, from, waited);
        }
        let from = thread.last_cpu.replace(cpu).filter(|&last| last != cpu);
        if let Some(last) = from {
            let distance = self.hardware.layout.distance(last, cpu);
            self.measure.moves[distance] += 1;
            if self.policy.pays_refill() {
                thread.run_left += self.hardware.costs.refill_ns[distance];
            }
        }
    }

    /// Accounts for what the thread on `cpu` has done since the last time.
    pub(super) fn charge(&mut self, cpu: usize) {
        let (now, speed) = (self.hardware.now(), (self.hardware.layout.speed)(cpu));
        let state = &mut self.cpus[cpu];
        let Some(task) = state.running else { return };
        if now <= state.charged_at {
            return;
        }
        let ran = now - state.charged_at;
        let thread = &mut self.threads[task as usize];
        thread.run_left = thread.run_left.saturating_sub(work(ran, speed));
        self.measure.ran(cpu, task, state.charged_at, now);
        state.charged_at = now;
    }
}

//! Events in, tracks out: what each CPU ran and when, what each thread did, who woke whom.

use crate::capture::{Capture, Event, Lost, Named};
use std::collections::BTreeMap;
use trace_format::{Event as What, Left};

/// Something that lasts, on the track of a CPU or a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    pub track: Track,
    pub start_ns: u64,
    pub end_ns: u64,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    Cpu(u32),
    Interrupts(u32),
    Thread(u32),
    Syscalls(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A thread runs: on a CPU's track and on its own.
    Runs {
        tid: u32,
        cpu: u32,
        left: Option<Left>,
    },
    /// A thread is ready and waits for a CPU.
    Waits {
        cpu: u32,
    },
    Interrupt {
        intid: u32,
    },
    Syscall {
        number: u32,
        result: Option<i64>,
    },
}

/// A moment on a CPU's track.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    pub cpu: u32,
    pub ns: u64,
    pub what: What,
}

/// A wake that made a thread run: from the waker's CPU to the woken thread's.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    pub from: (u32, u64),
    pub to: (u32, u64),
    pub tid: u32,
}

/// Records that are missing from a CPU's track.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    pub cpu: u32,
    pub ns: u64,
    pub count: u64,
}

#[derive(Default)]
pub struct Timeline {
    pub slices: Vec<Slice>,
    pub moments: Vec<Moment>,
    pub flows: Vec<Flow>,
    pub gaps: Vec<Gap>,
    pub threads: BTreeMap<u32, Named>,
    pub cpus: Vec<u32>,
}

/// What is known of a CPU between two events.
#[derive(Default)]
struct Cpu {
    runs: Option<(u32, u64)>,
    interrupt: Option<(u32, u64)>,
    /// Of its last event.
    last_ns: u64,
}

#[derive(Default)]
struct Thread {
    /// Ready since, on which CPU, and the wake that made it so.
    ready: Option<(u64, u32)>,
    wake: Option<(u32, u64)>,
    syscall: Option<(u32, u64)>,
}

#[derive(Default)]
struct Builder {
    cpus: BTreeMap<u32, Cpu>,
    threads: BTreeMap<u32, Thread>,
    timeline: Timeline,
}

pub fn build(capture: &Capture) -> Timeline {
    let mut builder = Builder::default();
    for &cpu in &capture.cpus {
        builder.cpu(cpu);
    }
    builder.timeline.threads = capture.threads.clone();
    for lost in &capture.lost {
        builder.timeline.gaps.push(Gap {
            cpu: lost.cpu,
            ns: lost.ns,
            count: lost.count,
        });
    }
    let mut gaps: Vec<&Lost> = capture.lost.iter().collect();
    for event in &capture.events {
        let begins = |gap: &&Lost| gap.cpu == event.cpu && gap.ns <= event.ns;
        if let Some(index) = gaps.iter().position(begins) {
            gaps.swap_remove(index);
            builder.lose(event.cpu);
        }
        builder.take(event);
    }
    builder.close(capture.events.last().map_or(0, |event| event.ns));
    let mut timeline = builder.timeline;
    timeline.cpus = builder.cpus.into_keys().collect();
    timeline
}

impl Builder {
    fn take(&mut self, event: &Event) {
        let Event { cpu, ns, what } = event;
        let (cpu, ns) = (*cpu, *ns);
        self.cpu(cpu).last_ns = ns;
        match what {
            What::Switch { from, to, left } => self.switch(cpu, ns, *from, *to, *left),
            What::Wake { tid, target } => {
                let thread = self.threads.entry(*tid).or_default();
                thread.wake = Some((cpu, ns));
                thread.ready.get_or_insert((ns, *target));
            }
            What::IrqEnter { intid } => self.cpu(cpu).interrupt = Some((*intid, ns)),
            What::IrqExit { .. } => self.end_interrupt(cpu, ns),
            What::SyscallEnter { number, .. } => {
                if let Some((tid, _)) = self.cpu(cpu).runs {
                    self.threads.entry(tid).or_default().syscall = Some((*number, ns));
                }
            }
            What::SyscallExit { result, .. } => self.end_syscall(cpu, ns, *result as i64),
            What::Name { tid, name } => {
                self.timeline.threads.entry(*tid).or_default().name = text(name);
            }
            What::Process { tid, pid } => {
                self.timeline.threads.entry(*tid).or_default().pid = *pid;
            }
            other => self.timeline.moments.push(Moment {
                cpu,
                ns,
                what: *other,
            }),
        }
    }

    /// What came after the last event of a CPU is not known.
    fn lose(&mut self, cpu: u32) {
        let ns = self.cpu(cpu).last_ns;
        self.end_interrupt(cpu, ns);
        self.end_run(cpu, ns, None);
    }

    fn cpu(&mut self, cpu: u32) -> &mut Cpu {
        self.cpus.entry(cpu).or_default()
    }

    fn slice(&mut self, track: Track, start_ns: u64, end_ns: u64, kind: Kind) {
        self.timeline.slices.push(Slice {
            track,
            start_ns,
            end_ns,
            kind,
        });
    }

    fn switch(&mut self, cpu: u32, ns: u64, from: u32, to: u32, left: Left) {
        self.end_run(cpu, ns, Some(left));
        if from != 0 && matches!(left, Left::Yielded | Left::Preempted) {
            self.threads.entry(from).or_default().ready = Some((ns, cpu));
        }
        if to == 0 {
            return;
        }
        self.cpu(cpu).runs = Some((to, ns));
        let thread = self.threads.entry(to).or_default();
        let (ready, wake) = (thread.ready.take(), thread.wake.take());
        if let Some((since, cpu)) = ready {
            self.slice(Track::Thread(to), since, ns, Kind::Waits { cpu });
        }
        if let Some(from) = wake {
            let (to, tid) = ((cpu, ns), to);
            self.timeline.flows.push(Flow { from, to, tid });
        }
    }

    fn end_run(&mut self, cpu: u32, ns: u64, left: Option<Left>) {
        if let Some((tid, start)) = self.cpu(cpu).runs.take() {
            let kind = Kind::Runs { tid, cpu, left };
            self.slice(Track::Cpu(cpu), start, ns, kind.clone());
            self.slice(Track::Thread(tid), start, ns, kind);
        }
    }

    fn end_interrupt(&mut self, cpu: u32, ns: u64) {
        if let Some((intid, start)) = self.cpu(cpu).interrupt.take() {
            self.slice(Track::Interrupts(cpu), start, ns, Kind::Interrupt { intid });
        }
    }

    fn end_syscall(&mut self, cpu: u32, ns: u64, result: i64) {
        let Some((tid, _)) = self.cpu(cpu).runs else {
            return;
        };
        if let Some((number, start)) = self.threads.entry(tid).or_default().syscall.take() {
            let result = Some(result);
            let kind = Kind::Syscall { number, result };
            self.slice(Track::Syscalls(tid), start, ns, kind);
        }
    }

    /// What was going on when the recording ended.
    fn close(&mut self, ns: u64) {
        for cpu in self.cpus.keys().copied().collect::<Vec<_>>() {
            self.end_interrupt(cpu, ns);
            self.end_run(cpu, ns, None);
        }
        for (tid, thread) in std::mem::take(&mut self.threads) {
            if let Some((since, cpu)) = thread.ready {
                self.slice(Track::Thread(tid), since, ns, Kind::Waits { cpu });
            }
            if let Some((number, start)) = thread.syscall {
                let kind = Kind::Syscall {
                    number,
                    result: None,
                };
                self.slice(Track::Syscalls(tid), start, ns, kind);
            }
        }
    }
}

/// A name as far as it goes.
fn text(name: &[u8; 16]) -> String {
    let end = name.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]).into_owned()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::capture::{parse, tests::file};
    use trace_format::Record;

    fn switch(ticks: u64, from: u32, to: u32, left: Left) -> Record {
        What::Switch { from, to, left }.at(ticks)
    }

    /// CPU 0 runs thread 7, which wakes 8 onto CPU 1 and sleeps; 8 is still running at the end.
    pub fn two_cpus() -> Timeline {
        let zero = vec![
            switch(10, 0, 7, Left::Idle),
            What::Wake { tid: 8, target: 1 }.at(20),
            What::IpiSent { target: 1, bits: 1 }.at(21),
            switch(30, 7, 0, Left::Parked),
        ];
        let one = vec![
            What::IrqEnter { intid: 0 }.at(22),
            What::IrqExit { intid: 0 }.at(24),
            switch(25, 0, 8, Left::Idle),
            What::SyscallEnter {
                number: 64,
                argument: 1,
            }
            .at(26),
        ];
        let threads = "tid=7 pid=3 name=\"quoted\\\ntid=8 pid=3 name=b\n";
        build(&parse(&file(&[(0, 0, zero), (1, 2, one)], threads)).unwrap())
    }

    #[test]
    fn nothing_is_claimed_to_run_across_a_gap() {
        let before = vec![switch(10, 0, 7, Left::Idle), What::IpiReceived.at(12)];
        let after = vec![
            switch(40, 9, 5, Left::Parked),
            switch(50, 5, 0, Left::Parked),
        ];
        let file = file(&[(0, 0, before), (0, 100, after)], "");
        let timeline = build(&parse(&file).unwrap());
        let runs = timeline.slices.iter().filter(|s| s.track == Track::Cpu(0));
        let runs: Vec<_> = runs.map(|s| (s.start_ns, s.end_ns)).collect();
        assert_eq!(runs, [(10_000, 12_000), (40_000, 50_000)]);
    }

    #[test]
    fn runs_waits_and_wakes_are_followed_across_cpus() {
        let timeline = two_cpus();
        let on = |track| -> Vec<_> {
            let slices = timeline.slices.iter().filter(|slice| slice.track == track);
            slices.map(|s| (s.start_ns, s.end_ns)).collect()
        };
        assert_eq!(on(Track::Cpu(0)), [(10_000, 30_000)]);
        assert_eq!(on(Track::Cpu(1)), [(25_000, 30_000)], "to the end");
        assert_eq!(on(Track::Interrupts(1)), [(22_000, 24_000)]);
        assert_eq!(on(Track::Thread(8)), [(20_000, 25_000), (25_000, 30_000)]);
        assert_eq!(on(Track::Syscalls(8)), [(26_000, 30_000)], "never returned");
        let flow = Flow {
            from: (0, 20_000),
            to: (1, 25_000),
            tid: 8,
        };
        assert_eq!(timeline.flows, [flow]);
        assert_eq!(timeline.gaps[0].count, 2);
        assert_eq!(timeline.moments.len(), 1, "the interrupt that was sent");
        assert_eq!(timeline.cpus, [0, 1, 2], "the idle one too");
    }
}

//! Every CPU does random things: runs threads that park, yield, wake, bind and are preempted.

use shuttle::rand::{Rng, thread_rng};
use smp::params::Params;
use smp::{CpuId, CpuSet, Phase, Policy, Runtime, ThreadRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::machine::Machine;
use crate::search::{finds, holds};

/// A thread, and whether something has happened that it must not sleep through.
struct Player {
    thread: ThreadRef,
    event: AtomicBool,
    /// It has looked and found nothing: it parks next, unless it is preempted before.
    looked: AtomicBool,
}

/// What the CPUs may do, from the harmless to the rest.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Moves {
    WakeAndPark,
    Preempt,
    Bind,
    RealTime,
}

struct Game {
    machine: Arc<Machine>,
    players: Vec<Player>,
    moves: Moves,
}

impl Game {
    /// Plays on `cpus` CPUs with `players` threads, `turns` moves a CPU, and looks at the result.
    fn play(cpus: usize, players: usize, turns: usize, moves: Moves) {
        let machine = Machine::new(cpus);
        let players = (0..players).map(|_| Player {
            thread: machine.start(),
            event: AtomicBool::new(false),
            looked: AtomicBool::new(false),
        });
        let game = Arc::new(Self {
            players: players.collect(),
            machine,
            moves,
        });
        let others: Vec<_> = (1..cpus).map(|cpu| game.spawn(cpu, turns)).collect();
        game.cpu(0, turns);
        others.into_iter().for_each(|cpu| cpu.join().unwrap());
        game.machine.rest();
        game.check();
    }

    fn spawn(self: &Arc<Self>, cpu: usize, turns: usize) -> shuttle::thread::JoinHandle<()> {
        let game = self.clone();
        shuttle::thread::spawn(move || game.cpu(cpu, turns))
    }

    fn cpu(&self, cpu: usize, turns: usize) {
        self.machine.become_cpu(cpu);
        self.machine.idle();
        for _ in 0..turns {
            self.turn();
            self.machine.serve(false);
        }
    }

    fn turn(&self) {
        if self.machine.is_idle() {
            return shuttle::thread::yield_now();
        }
        let (sched, me) = (&self.machine.0, self.current());
        if me.looked.load(Relaxed) && thread_rng().gen_range(0..2) == 0 {
            me.looked.store(false, Relaxed);
            let _ = sched.begin_park(None);
            return;
        }
        match thread_rng().gen_range(0..10) {
            0..3 => me.looked.store(!me.event.swap(false, Relaxed), Relaxed),
            3..6 => self.wake(),
            6 => sched.yield_now(),
            7 if self.moves >= Moves::Preempt => self.machine.serve(true),
            8 if self.moves >= Moves::Bind => self.bind(),
            9 if self.moves >= Moves::RealTime => self.reclassify(),
            _ => {}
        }
    }

    fn any(&self) -> &Player {
        &self.players[thread_rng().gen_range(0..self.players.len())]
    }

    fn current(&self) -> &Player {
        let id = self.machine.0.current_id();
        let found = self.players.iter().find(|player| player.thread.id() == id);
        found.expect("a CPU runs a player or nobody")
    }

    fn wake(&self) {
        let player = self.any();
        player.event.store(true, Relaxed);
        self.machine.0.unpark(&player.thread);
    }

    fn bind(&self) {
        let cpus = self.machine.0.cpu_count();
        let mut set: CpuSet = (0..cpus)
            .filter(|_| thread_rng().gen_range(0..2) == 0)
            .map(CpuId::new)
            .collect();
        if set.count() == 0 {
            set = CpuSet::ALL;
        }
        self.machine
            .0
            .set_affinity(&self.any().thread, &set)
            .unwrap();
    }

    fn reclassify(&self) {
        let policy = match thread_rng().gen_range(0..4) {
            0 => Policy::Fifo(1),
            1 => Policy::RoundRobin(2),
            _ => Policy::Normal,
        };
        let change = |params| Params { policy, ..params };
        self.machine.0.change_params(&self.any().thread, &change);
    }

    fn check(&self) {
        for player in &self.players {
            let sleeps = player.thread.phase() == Phase::Blocked;
            let missed = sleeps && player.event.load(Relaxed);
            assert!(
                !missed,
                "lost: thread {} sleeps through a wake",
                player.thread.id().tid
            );
        }
        let threads: Vec<_> = self
            .players
            .iter()
            .map(|player| player.thread.clone())
            .collect();
        self.machine.check(&threads);
    }
}

fn four_cpus_wake_and_park() {
    Game::play(4, 6, 8, Moves::WakeAndPark);
}

fn four_cpus_preempt() {
    Game::play(4, 7, 8, Moves::Preempt);
}

fn six_cpus_bind() {
    Game::play(6, 9, 6, Moves::Bind);
}

fn eight_cpus_do_everything() {
    Game::play(8, 12, 6, Moves::RealTime);
}

#[test]
fn nobody_is_lost_on_four_cpus() {
    holds(four_cpus_wake_and_park);
    holds(four_cpus_preempt);
}

#[test]
fn nobody_is_lost_on_six_cpus() {
    holds(six_cpus_bind);
}

#[test]
fn nobody_is_lost_on_eight_cpus() {
    holds(eight_cpus_do_everything);
}

#[test]
fn a_stack_in_use_while_ready_is_found() {
    finds(
        "tail_before_save",
        &["on two CPUs", "check TwoCpus"],
        four_cpus_preempt,
    );
}

#[test]
fn a_lost_wake_is_found() {
    finds(
        "token_dropped_when_ready",
        &["sleeps through a wake"],
        four_cpus_wake_and_park,
    );
}

#[test]
fn an_affinity_ignored_is_found() {
    finds(
        "announce_before_store",
        &["affinity breach", "check Affinity"],
        six_cpus_bind,
    );
}

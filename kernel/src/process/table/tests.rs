//! The process tree without processes that run: who adopts whom, which groups are orphaned.

use super::*;
use crate::process::rlimits::Rlimits;
use crate::process::signal::{Actions, Signal};
use crate::process::{CpuTimes, Image};

fn entry(pid: u32, parent: u32, group: u32, session: &Arc<Session>) -> Entry {
    let image = Arc::new(Image::default());
    let thread = smp::current();
    Entry {
        process: Process::new(pid, None, Actions::default(), Rlimits::initial(), image),
        number: thread.clone(),
        leader: thread,
        parent,
        children: BTreeSet::new(),
        group,
        session: session.clone(),
        uid: 0,
        zombie: None,
        has_execed: false,
        exit_signal: 17,
        is_subreaper: false,
        parent_death_signal: 0,
    }
}

/// init, a shell (10) in its own group, a pipeline (20, 21) in one group below it, 30 below 20.
fn tree() -> (Tree, Arc<Session>) {
    let session = Session::new(&smp::current());
    let mut tree = Tree::new();
    for (pid, parent, group) in [
        (1, 0, 1),
        (10, 1, 10),
        (20, 10, 20),
        (21, 10, 20),
        (30, 20, 20),
    ] {
        tree.insert(entry(pid, parent, group, &session));
    }
    (tree, session)
}

fn dead() -> Zombie {
    Zombie {
        status: ExitStatus::Exited(0),
        times: CpuTimes::default(),
    }
}

#[test]
fn orphans_go_to_init_or_the_nearest_subreaper() {
    let (mut tree, _) = tree();
    assert_eq!(tree.reaper_of(20), INIT);
    tree.entry_mut(10).unwrap().is_subreaper = true;
    assert_eq!(tree.reaper_of(20), 10);
    tree.entry_mut(30).unwrap().zombie = Some(dead());
    tree.entry_mut(30).unwrap().exit_signal = Signal::KILL.number();
    assert!(tree.adopt_children(20, 10), "a zombie to be waited for");
    assert_eq!(
        tree.entry(30)
            .map(|entry| (entry.parent, entry.process.parent_pid())),
        Some((10, 10))
    );
    let signal = tree.entry(30).unwrap().exit_signal;
    assert_eq!(signal, Signal::CHLD.number(), "10 did not ask to be killed");
    assert_eq!(
        tree.entry(10).unwrap().children,
        BTreeSet::from([20, 21, 30])
    );
    tree.entry_mut(10).unwrap().zombie = Some(dead());
    assert_eq!(tree.reaper_of(20), INIT, "the dead adopt nobody");
}

#[test]
fn a_group_is_orphaned_when_its_last_outside_parent_goes() {
    let (mut tree, _) = tree();
    assert!(!tree.is_orphaned(20));
    // 20 and 21 are the shell's children; 30's parent is of its own group and does not count.
    tree.adopt_children(10, INIT);
    assert!(tree.is_orphaned(20));
}

#[test]
fn a_group_lives_as_long_as_its_members() {
    let (mut tree, session) = tree();
    for pid in [20, 21] {
        assert!(tree.remove(pid).is_some());
        assert_eq!(tree.group_session(20), Some(session.id()));
    }
    tree.move_to_group(30, 30, &session);
    assert_eq!(
        (tree.group_session(20), tree.group_session(30)),
        (None, Some(session.id()))
    );
    assert!(tree.entry(10).unwrap().children.is_empty());
    assert!(tree.remove(20).is_none(), "only once");
}

/// Its number is another's then, who must not get what was meant for the first.
#[test]
fn a_group_that_has_ended_is_not_taken_for_its_successor() {
    let (mut tree, session) = tree();
    let group = tree.group_id(20).expect("a group");
    assert!(tree.remove(20).is_some());
    assert!(tree.is_alive(group), "21 is in it");
    assert!(tree.remove(21).is_some());
    assert!(tree.remove(30).is_some());
    assert!(!tree.is_alive(group));
    let mut successor = entry(20, 10, 20, &session);
    let number = std::thread::spawn(smp::current).join().unwrap();
    (successor.number, successor.leader) = (number.clone(), number);
    tree.insert(successor);
    assert_eq!(tree.group_session(20), Some(session.id()));
    assert!(!tree.is_alive(group));
    assert!(tree.group_id(20).is_some_and(|new| tree.is_alive(new)));
}

use super::*;
use crate::fs::pipe;
use crate::user_memory::{Sink, Source};
use alloc::vec;
use std::thread;

const MS: u64 = 1_000_000;
const IN: u32 = PollEvents::IN.bits();

type Pipe = (Arc<OpenFile>, Arc<OpenFile>);

fn pipe() -> Pipe {
    pipe::new(OpenFlags::NONBLOCK)
}

fn write(pipe: &Pipe) {
    assert_eq!(pipe.1.write(&mut Source::Kernel(b"x")), Ok(1));
}

fn read(pipe: &Pipe) {
    assert_eq!(pipe.0.read(&mut Sink::Kernel(&mut [0])), Ok(1));
}

/// What is ready now, as (events, data).
fn now(epoll: &Epoll) -> Vec<(u32, u64)> {
    harvest(epoll, 10, Some(0))
}

fn harvest(epoll: &Epoll, limit: usize, deadline: Option<u64>) -> Vec<(u32, u64)> {
    let mut seen = Vec::new();
    let count = epoll.wait(limit, deadline, |index, events, data| {
        assert_eq!(index, seen.len());
        seen.push((events.bits(), data));
        Ok(())
    });
    assert_eq!(count, Ok(seen.len()));
    seen
}

fn add(epoll: &Arc<Epoll>, pipe: &Pipe, style: Style, data: u64) {
    epoll
        .add(3, &pipe.0, Request::new(IN | style.bits(), data))
        .unwrap();
}

#[test]
fn level_triggered_is_told_again_and_again() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::empty(), 7);
    assert_eq!(now(&epoll), []);
    write(&pipe);
    assert_eq!(now(&epoll), [(IN, 7)]);
    assert_eq!(now(&epoll), [(IN, 7)]);
    read(&pipe);
    assert_eq!(now(&epoll), []);
}

#[test]
fn edge_triggered_is_told_once_per_change() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    write(&pipe);
    add(&epoll, &pipe, Style::EDGE, 7);
    assert_eq!(now(&epoll), [(IN, 7)]);
    assert_eq!(now(&epoll), []);
    write(&pipe);
    assert_eq!(now(&epoll), [(IN, 7)]);
    assert_eq!(now(&epoll), []);
}

#[test]
fn one_shot_waits_for_its_rearming() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::ONESHOT, 7);
    write(&pipe);
    assert_eq!(now(&epoll), [(IN, 7)]);
    write(&pipe);
    assert_eq!(now(&epoll), []);
    epoll
        .modify(3, &pipe.0, Request::new(IN | Style::ONESHOT.bits(), 8))
        .unwrap();
    assert_eq!(now(&epoll), [(IN, 8)]);
    assert_eq!(now(&epoll), []);
}

#[test]
fn many_are_told_in_turn() {
    let epoll = Epoll::new();
    let pipes: Vec<_> = (0..20).map(|_| pipe()).collect();
    for (data, pipe) in pipes.iter().enumerate() {
        add(&epoll, pipe, Style::empty(), data as u64);
        write(pipe);
    }
    let mut told: Vec<u64> = (0..5)
        .flat_map(|_| harvest(&epoll, 4, Some(0)))
        .map(|(_, data)| data)
        .collect();
    told.sort();
    assert_eq!(told, (0..20).collect::<Vec<_>>());
}

#[test]
fn requests_are_checked() {
    let (epoll, one) = (Epoll::new(), pipe());
    let request = Request::new(IN, 0);
    assert_eq!(epoll.remove(3, &one.0), Err(Errno::ENOENT));
    assert_eq!(epoll.modify(3, &one.0, request), Err(Errno::ENOENT));
    epoll.add(3, &one.0, request).unwrap();
    assert_eq!(epoll.add(3, &one.0, request), Err(Errno::EEXIST));
    assert_eq!(epoll.add(4, &one.0, request), Ok(()));
    let exclusive = Request::new(IN | Style::EXCLUSIVE.bits(), 0);
    assert_eq!(epoll.modify(3, &one.0, exclusive), Err(Errno::EINVAL));
    epoll.remove(3, &one.0).unwrap();
    epoll.remove(4, &one.0).unwrap();
    assert!(one.0.file().observers().unwrap().is_empty());
    write(&one);
    assert_eq!(now(&epoll), []);
}

#[test]
fn a_closed_file_leaves_by_itself() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::empty(), 7);
    write(&pipe);
    let (reader, writer) = pipe;
    drop(reader);
    assert_eq!(now(&epoll), []);
    assert!(writer.file().observers().unwrap().is_empty());
    let another = self::pipe();
    add(&epoll, &another, Style::empty(), 8);
    assert_eq!(epoll.interests.lock().len(), 1);
}

#[test]
fn a_closed_epoll_stops_observing() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::empty(), 7);
    write(&pipe);
    let list = Arc::downgrade(&epoll.ready);
    drop(epoll);
    assert!(pipe.0.file().observers().unwrap().is_empty());
    assert!(
        list.upgrade().is_none(),
        "the ready list and its interests keep each other"
    );
}

#[test]
fn a_change_ends_a_wait() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::empty(), 7);
    let waiting = epoll.clone();
    let waiter = thread::spawn(move || harvest(&waiting, 9, None));
    thread::sleep(std::time::Duration::from_millis(5));
    write(&pipe);
    assert_eq!(waiter.join().unwrap(), [(IN, 7)]);
    let deadline = smp::now_ns() + 5 * MS;
    read(&pipe);
    assert_eq!(harvest(&epoll, 9, Some(deadline)), []);
    assert!(smp::now_ns() >= deadline);
}

/// Every edge reaches exactly one of the waiters.
#[test]
fn waiters_share_the_work() {
    const ROUNDS: usize = 300;
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::EDGE | Style::ONESHOT, 7);
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let (epoll, reader) = (epoll.clone(), pipe.0.clone());
            thread::spawn(move || {
                let mut got = 0;
                loop {
                    assert_eq!(harvest(&epoll, 9, None).len(), 1);
                    let mut byte = [0];
                    if reader.read(&mut Sink::Kernel(&mut byte)) == Ok(0) {
                        epoll.modify(3, &reader, Request::new(IN, 7)).unwrap();
                        return got;
                    }
                    got += 1;
                    let request = Request::new(IN | (Style::EDGE | Style::ONESHOT).bits(), 7);
                    epoll.modify(3, &reader, request).unwrap();
                }
            })
        })
        .collect();
    (0..ROUNDS).for_each(|_| write(&pipe));
    drop(pipe);
    let got: Vec<usize> = waiters
        .into_iter()
        .map(|waiter| waiter.join().unwrap())
        .collect();
    assert_eq!(got.iter().sum::<usize>(), ROUNDS);
}

#[test]
fn an_epoll_is_ready_when_an_interest_is() {
    let (inner, pipe) = (Epoll::new(), pipe());
    let inner_file = OpenFile::new(inner.clone(), OpenFlags::RDWR);
    let outer = Epoll::new();
    outer.add(5, &inner_file, Request::new(IN, 9)).unwrap();
    add(&inner, &pipe, Style::empty(), 7);
    assert_eq!(now(&outer), []);
    write(&pipe);
    assert_eq!(now(&outer), [(IN, 9)]);
    read(&pipe);
    assert_eq!(now(&outer), []);
}

#[test]
fn circles_and_towers_are_refused() {
    let epolls: Vec<_> = (0..7).map(|_| Epoll::new()).collect();
    let files: Vec<_> = epolls
        .iter()
        .map(|epoll| OpenFile::new(epoll.clone(), OpenFlags::RDWR))
        .collect();
    let add = |outer: usize, inner: usize| epolls[outer].add(9, &files[inner], Request::new(IN, 0));
    assert_eq!(add(0, 0), Err(Errno::EINVAL));
    assert_eq!(add(0, 1), Ok(()));
    assert_eq!(add(1, 0), Err(Errno::ELOOP));
    for outer in 1..4 {
        assert_eq!(add(outer, outer + 1), Ok(()));
    }
    assert_eq!(add(4, 0), Err(Errno::ELOOP));
    assert_eq!(add(5, 0), Err(Errno::ELOOP), "a tower grows upwards");
    assert_eq!(add(4, 6), Err(Errno::ELOOP), "a tower grows downwards");
}

#[test]
fn a_failed_report_keeps_the_event() {
    let (epoll, pipe) = (Epoll::new(), pipe());
    add(&epoll, &pipe, Style::EDGE, 7);
    write(&pipe);
    assert_eq!(
        epoll.wait(9, Some(0), |_, _, _| Err(Errno::EFAULT)),
        Err(Errno::EFAULT)
    );
    assert_eq!(now(&epoll), vec![(IN, 7)]);
}

//! epoll: one of many registered descriptors becomes ready, is reported, and is read empty.

use super::{Row, row};
use crate::measure::{Outcome, Plan, Trouble, figure};
use crate::{cpus, limits};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

pub const ROWS: &[Row] = &[row(
    "epoll",
    "an event among 1, 100 and 1,000 descriptors: write, epoll_wait, read",
    events,
)];

fn events(plan: Plan) -> Outcome {
    cpus::stay()?;
    limits::many_descriptors();
    let row = |count: usize| Ok(figure(&count.to_string(), with(plan, count)?));
    [1, 100, 1_000].into_iter().map(row).collect()
}

fn with(plan: Plan, count: usize) -> Result<Vec<f64>, Trouble> {
    const ROUNDS: u32 = 500;
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let flags = EfdFlags::EFD_NONBLOCK;
    let add = |index| {
        let event = EventFd::from_value_and_flags(0, flags)?;
        epoll.add(&event, EpollEvent::new(EpollFlags::EPOLLIN, index))?;
        Ok(event)
    };
    let sources: Vec<_> = (0..count as u64).map(add).collect::<Result<_, Trouble>>()?;
    let mut round = 0;
    plan.try_batches(ROUNDS, || {
        let start = crate::clock::now();
        for _ in 0..ROUNDS {
            round += 1;
            sources[round * 7 % count].write(1)?;
            let mut found = [EpollEvent::empty(); 4];
            let ready = epoll.wait(&mut found, EpollTimeout::NONE)?;
            if ready != 1 {
                return Err(Trouble::Failed(format!("{ready} events instead of 1")));
            }
            sources[found[0].data() as usize].read()?;
        }
        Ok(crate::clock::now() - start)
    })
}

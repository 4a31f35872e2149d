//! Many threads that map, grow and fork in one address space.

use super::{Mapping, PAGE};
use crate::harness::{Outcome, Test, child, succeeds};
use nix::sys::mman::ProtFlags;

pub const TESTS: &[Test] = &[
    ("memory.many_threads_map", many_threads_map),
    ("memory.many_threads_reallocate", many_threads_reallocate),
    ("memory.fork_while_threads_map", fork_while_threads_map),
];

/// Eight threads, each with a number of its own, do what `work` makes for them: all say that it went
/// well.
fn eight_do<W>(work: impl Fn(u8) -> W) -> Outcome
where
    W: FnOnce() -> bool + Send + 'static,
{
    let threads: Vec<_> = (1..=8).map(|seed| std::thread::spawn(work(seed))).collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    Ok(())
}

fn many_threads_map() -> Outcome {
    let work = |seed: u8| {
        move || -> bool {
            (0..200).all(|round| {
                let Ok(mapping) = Mapping::private((1 + (usize::from(seed) + round) % 16) * PAGE)
                else {
                    return false;
                };
                (0..mapping.1)
                    .step_by(PAGE)
                    .for_each(|offset| mapping.write(offset, seed));
                let fine = (0..mapping.1)
                    .step_by(PAGE)
                    .all(|offset| mapping.read(offset) == seed);
                let protected =
                    mapping.protect(ProtFlags::PROT_READ).is_ok() && mapping.read(0) == seed;
                fine && protected && mapping.unmap().is_ok()
            })
        }
    };
    eight_do(work)
}

fn many_threads_reallocate() -> Outcome {
    let work = |seed: u8| {
        move || {
            (0..20).all(|_| {
                let mut bytes = Vec::new();
                (0..300_000_u32).for_each(|_| bytes.push(seed)); // grows by realloc, later by mremap
                bytes.iter().all(|&byte| byte == seed)
            })
        }
    };
    eight_do(work)
}

fn fork_while_threads_map() -> Outcome {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let stop = std::sync::Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let Ok(mapping) = Mapping::private(8 * PAGE) else {
                        return;
                    };
                    (0..8).for_each(|page| mapping.write(page * PAGE, 1));
                    let _ = mapping.unmap();
                }
            })
        })
        .collect();
    let mark = Mapping::private(16 * PAGE)?;
    for round in 0..50 {
        (0..16).for_each(|page| mark.write(page * PAGE, round));
        let fine = child(|| i32::from((0..16).any(|page| mark.read(page * PAGE) != round)))?;
        succeeds(fine)?;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    ensure!(threads.into_iter().all(|thread| thread.join().is_ok()));
    Ok(())
}

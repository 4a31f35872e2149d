//! What is shared with children and files, and what is copied.

use super::{Mapping, PAGE, faults};
use crate::harness::{Folder, Outcome, Test, child, succeeds};
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::signal::Signal;

pub const TESTS: &[Test] = &[
    ("memory.copy_on_write_both_ways", copy_on_write_both_ways),
    ("memory.smaps_tells_who_shares", smaps_tells_who_shares),
    ("memory.shared_is_shared", shared_is_shared),
    ("memory.file_private_and_shared", file_private_and_shared),
    ("memory.beyond_file_is_bus_error", beyond_file_is_bus_error),
];

fn copy_on_write_both_ways() -> Outcome {
    let mapping = Mapping::private(64 * PAGE)?;
    (0..64).for_each(|page| mapping.write(page * PAGE, 1));
    let (reader, writer) = nix::unistd::pipe()?;
    let family = child(|| {
        // A grandchild sees what the child wrote before, the parent sees none of it.
        (0..32).for_each(|page| mapping.write(page * PAGE, 2));
        let grandchild = child(|| i32::from(mapping.read(0) != 2 || mapping.read(63 * PAGE) != 1));
        let fine = grandchild.and_then(succeeds).is_ok();
        let _ = nix::unistd::read(&reader, &mut [0]);
        i32::from(
            !fine
                || (0..32).any(|page| mapping.read(page * PAGE) != 2)
                || mapping.read(40 * PAGE) != 1,
        )
    })?;
    (0..64).for_each(|page| mapping.write(page * PAGE, 3));
    nix::unistd::write(&writer, b"x")?;
    succeeds(family)?;
    ensure!((0..64).all(|page| mapping.read(page * PAGE) == 3));
    Ok(())
}

/// What /proc/self/smaps says of the area around `address`, in kilobytes.
fn smaps(address: usize, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let holds = |line: &&str| {
        let range = line.split(' ').next().and_then(|word| word.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        range.is_some_and(|(start, end)| {
            number(start).is_some_and(|start| start <= address)
                && number(end).is_some_and(|end| address < end)
        })
    };
    let mut lines = text.lines().skip_while(|line| !holds(line));
    let line = lines.find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Redis asks this of its child, and does not start without an answer.
fn smaps_tells_who_shares() -> Outcome {
    // Its neighbours are out of reach, so that it stays an area of its own.
    let around = Mapping::with(3 * PAGE, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)?;
    let start = std::ptr::NonNull::new(around.at(PAGE).cast()).ok_or("no address")?;
    let page = Mapping(start, PAGE);
    page.protect(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
    page.write(0, 1);
    let tell = |field| smaps(start.as_ptr() as usize, field);
    let all = || ["Rss:", "Shared_Clean:", "Shared_Dirty:", "Private_Dirty:"].map(tell);
    ensure_eq!(all(), [Some(4), Some(0), Some(0), Some(4)]);
    let shared = [Some(4), Some(0), Some(4), Some(0)];
    succeeds(child(|| {
        i32::from(all() != shared || tell("Pss:") != Some(2))
    })?)?;
    ensure_eq!(all(), [Some(4), Some(0), Some(0), Some(4)]);
    around.unmap()
}

fn shared_is_shared() -> Outcome {
    let mapping = Mapping::new(2 * PAGE, MapFlags::MAP_SHARED)?;
    mapping.write(0, 1);
    succeeds(child(|| {
        mapping.write(PAGE, 2); // touched here first
        i32::from(mapping.read(0) != 1)
    })?)?;
    ensure_eq!(mapping.read(PAGE), 2);
    Ok(())
}

fn file_private_and_shared() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(folder.path("file"), vec![b'a'; 3 * PAGE])?;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(folder.path("file"))?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let map = |flags| Mapping::of_file(&file, 3 * PAGE, both, flags);
    let (private, shared) = (map(MapFlags::MAP_PRIVATE)?, map(MapFlags::MAP_SHARED)?);
    private.write(0, b'p');
    shared.write(PAGE, b's');
    ensure!(private.read(PAGE) == b's' && shared.read(0) == b'a');
    let content = std::fs::read(folder.path("file"))?;
    ensure!(content[0] == b'a' && content[PAGE] == b's');
    std::os::unix::fs::FileExt::write_at(&file, b"w", 2 * PAGE as u64)?;
    ensure_eq!(shared.read(2 * PAGE), b'w');
    Ok(())
}

fn beyond_file_is_bus_error() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(folder.path("short"), b"abc")?;
    let file = std::fs::File::open(folder.path("short"))?;
    let flags = MapFlags::MAP_PRIVATE;
    let mapping = Mapping::of_file(&file, 2 * PAGE, ProtFlags::PROT_READ, flags)?;
    ensure!(mapping.read(2) == b'c' && mapping.read(3) == 0);
    faults(|| _ = mapping.read(PAGE), Signal::SIGBUS)
}

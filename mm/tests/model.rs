//! Random operations on a few spaces, against a model that is a map from pages to bytes.
//!
//! Every step is followed by a check that no CPU's simulated TLB contradicts the tables. A
//! failure prints its seed; `MM_SEED=n cargo test -p mm --test model` plays it again.

mod common;

use common::{PAGE, Random, leaks, leave, private, put_away, read_write};
use mm::space::{
    AddressSpace, Advice, Backing, Fault, MapFlags, MapRequest, Placement, Prot, RemapTo,
    SharedMemory,
};
use mm::testing::{check_coherence, load_byte, machine, store_byte};
use percpu::CpuId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// The window straddles two last-level tables.
const BASE: usize = (1 << 30) - 12 * PAGE;
const PAGES: usize = 24;

#[derive(Clone)]
struct Page {
    prot: Prot,
    byte: Byte,
}

/// The first byte of a page: its own, or one that everybody sees who shares it.
#[derive(Clone)]
enum Byte {
    Own(u8),
    Shared(Object, u64),
}

/// The bytes of a shared memory object, by page.
type Object = Rc<RefCell<BTreeMap<u64, u8>>>;

impl Byte {
    fn get(&self) -> u8 {
        match self {
            Byte::Own(value) => *value,
            Byte::Shared(object, index) => object.borrow().get(index).copied().unwrap_or(0),
        }
    }

    fn set(&mut self, new: u8) {
        match self {
            Byte::Own(value) => *value = new,
            Byte::Shared(object, index) => drop(object.borrow_mut().insert(*index, new)),
        }
    }
}

struct Process {
    space: Arc<AddressSpace>,
    model: BTreeMap<usize, Page>,
}

impl Process {
    fn load(&self, page: usize) -> Result<u8, Fault> {
        match self.model.get(&page) {
            None => Err(Fault::NotMapped),
            Some(page) if page.prot.is_empty() => Err(Fault::NotAllowed),
            Some(page) => Ok(page.byte.get()),
        }
    }

    fn store(&mut self, page: usize, value: u8) -> Result<(), Fault> {
        match self.model.get_mut(&page) {
            None => Err(Fault::NotMapped),
            Some(page) if !page.prot.contains(Prot::WRITE) => Err(Fault::NotAllowed),
            Some(page) => {
                page.byte.set(value);
                Ok(())
            }
        }
    }
}

/// The same done to the space and to the model.
impl Process {
    fn map_private(&mut self, first: usize, count: usize, prot: Prot) {
        let placement = Placement::Fixed(address(first));
        let request = private(placement, count * PAGE, prot);
        self.space.map(request).unwrap();
        let byte = Byte::Own(0);
        let pages = first..first + count;
        let fresh = pages.map(|page| {
            (
                page,
                Page {
                    prot,
                    byte: byte.clone(),
                },
            )
        });
        self.model.extend(fresh);
    }

    fn map_shared(&mut self, first: usize, count: usize, prot: Prot) {
        let source = Arc::new(SharedMemory::new());
        let request = MapRequest {
            flags: MapFlags::SHARED,
            backing: Backing::Source { source, first: 3 },
            ..private(Placement::Fixed(address(first)), count * PAGE, prot)
        };
        self.space.map(request).unwrap();
        let object = Object::default();
        for index in 0..count {
            let byte = Byte::Shared(object.clone(), index as u64);
            self.model.insert(first + index, Page { prot, byte });
        }
    }

    fn unmap(&mut self, first: usize, count: usize) {
        self.space.unmap(address(first), count * PAGE).unwrap();
        let gone = first..first + count;
        self.model.retain(|page, _| !gone.contains(page));
    }

    fn protect(&mut self, first: usize, count: usize, prot: Prot) {
        let mut pages = first..first + count;
        let covered = pages.all(|page| self.model.contains_key(&page));
        let outcome = self.space.protect(address(first), count * PAGE, prot);
        assert_eq!(outcome.is_ok(), covered);
        if covered {
            let pages = self.model.range_mut(first..first + count);
            pages.for_each(|(_, page)| page.prot = prot);
        }
    }

    fn remap(&mut self, first: usize, count: usize, (target, new_count): (usize, usize)) {
        let to = RemapTo::Fixed(address(target));
        let (length, new_length) = (count * PAGE, new_count * PAGE);
        let outcome = self.space.remap(address(first), length, new_length, to);
        if outcome.is_ok() {
            remap_model(&mut self.model, first, count, target, new_count);
        }
    }

    fn discard(&mut self, first: usize, count: usize) {
        let _ = self
            .space
            .advise(address(first), count * PAGE, Advice::Discard);
        for (_, page) in self.model.range_mut(first..first + count) {
            if let Byte::Own(value) = &mut page.byte {
                *value = 0;
            }
        }
    }

    fn fork(&self) -> Process {
        Process {
            space: self.space.fork().unwrap(),
            model: self.model.clone(),
        }
    }
}

fn address(page: usize) -> usize {
    BASE + page * PAGE
}

/// A random run of pages in the window.
fn run(random: &mut Random) -> (usize, usize) {
    let first = random.below(PAGES);
    (first, 1 + random.below((PAGES - first).min(6)))
}

fn some_prot(random: &mut Random) -> Prot {
    [Prot::empty(), Prot::READ, read_write(), read_write()][random.below(4)]
}

fn step(random: &mut Random, processes: &mut Vec<Process>) {
    let alive = processes.len();
    let which = random.below(alive);
    let (first, count) = run(random);
    let value = random.below(256) as u8;
    let process = &mut processes[which];
    process.space.activate();
    match random.below(12) {
        0 => process.map_private(first, count, some_prot(random)),
        1 => process.map_shared(first, count, some_prot(random)),
        2 => process.unmap(first, count),
        3 => process.protect(first, count, some_prot(random)),
        4 => process.remap(first, count, run(random)),
        5 => process.discard(first, count),
        6 if alive < 4 => {
            let child = process.fork();
            processes.push(child);
        }
        7 if alive > 1 => {
            let dead = processes.swap_remove(which);
            processes[0].space.activate();
            put_away(dead.space);
        }
        8..=9 => {
            let loaded = load_byte(&process.space, address(first));
            assert_eq!(loaded, process.load(first));
        }
        _ => {
            let stored = store_byte(&process.space, address(first), value);
            assert_eq!(stored, process.store(first, value));
        }
    }
}

fn remap_model(
    model: &mut BTreeMap<usize, Page>,
    first: usize,
    count: usize,
    target: usize,
    new_count: usize,
) {
    let last = model[&(first + count - 1)].clone();
    let moved: Vec<_> = (0..count)
        .map(|index| model.remove(&(first + index)).unwrap())
        .collect();
    for index in 0..new_count {
        let page = moved
            .get(index)
            .cloned()
            .unwrap_or_else(|| match &last.byte {
                Byte::Own(_) => Page {
                    prot: last.prot,
                    byte: Byte::Own(0),
                },
                Byte::Shared(object, at) => Page {
                    prot: last.prot,
                    byte: Byte::Shared(object.clone(), at + (index + 1 - count) as u64),
                },
            });
        model.insert(target + index, page);
    }
}

fn play(seed: u64, steps: usize) {
    println!("seed {seed}");
    let machine = machine();
    let leaked = leaks(&machine, || {
        let random = &mut Random::new(seed);
        let mut processes = vec![Process {
            space: AddressSpace::new().unwrap(),
            model: BTreeMap::new(),
        }];
        for _ in 0..steps {
            // A few CPUs take turns, so that flushes have somewhere to go.
            percpu::on_cpu(CpuId::new(random.below(3)), || {
                step(random, &mut processes);
                mm::space::deactivate();
            });
            check_coherence();
        }
        for process in &processes {
            process.space.activate();
            (0..PAGES).for_each(|page| {
                assert_eq!(load_byte(&process.space, address(page)), process.load(page))
            });
        }
        for cpu in 0..3 {
            percpu::on_cpu(CpuId::new(cpu), leave);
        }
        leave();
        processes
            .into_iter()
            .for_each(|process| put_away(process.space));
    });
    assert_eq!(leaked, 0, "seed {seed}");
}

#[test]
fn spaces_behave_as_the_model() {
    if let Ok(seed) = std::env::var("MM_SEED") {
        return play(seed.parse().unwrap(), 5_000);
    }
    let (seeds, steps) = if cfg!(miri) { (1, 60) } else { (60, 600) };
    (1..=seeds).for_each(|seed| play(seed, steps));
}

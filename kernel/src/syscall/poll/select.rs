//! select(2), by sets of descriptors.

use super::{Timeout, with_mask_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Fd, OpenFile, PollEvents, poll};
use crate::process::current;
use crate::user_memory::{UserPtr, copy_in, copy_out};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// What each of select's three sets waits for (select(2), "Correspondence between select() and
/// poll() notifications").
const SELECTED: [PollEvents; 3] = [
    PollEvents::IN
        .union(PollEvents::RDNORM)
        .union(PollEvents::RDBAND)
        .union(PollEvents::HUP)
        .union(PollEvents::ERR),
    PollEvents::OUT
        .union(PollEvents::WRNORM)
        .union(PollEvents::WRBAND)
        .union(PollEvents::ERR),
    PollEvents::PRI,
];

/// One of select's descriptor sets: 64-bit words, as `fd_set` on 64-bit machines.
struct FdSet {
    address: usize,
    bytes: Vec<u8>,
}

impl FdSet {
    fn read(address: usize, descriptors: usize) -> Result<Self> {
        let length = if address == 0 {
            0
        } else {
            descriptors.div_ceil(64) * 8
        };
        let mut bytes = vec![0; length];
        copy_in(address, &mut bytes)?;
        Ok(Self { address, bytes })
    }

    fn contains(&self, fd: usize) -> bool {
        self.bytes
            .get(fd / 8)
            .is_some_and(|byte| byte >> (fd % 8) & 1 == 1)
    }

    fn clear(&mut self) {
        self.bytes.fill(0);
    }

    fn insert(&mut self, fd: usize) {
        self.bytes[fd / 8] |= 1 << (fd % 8);
    }

    fn write(&self) -> Result<()> {
        if self.address == 0 {
            Ok(())
        } else {
            copy_out(self.address, &self.bytes)
        }
    }
}

/// A descriptor in any of the sets.
struct Selected {
    fd: usize,
    file: Arc<OpenFile>,
    /// In which sets it is, and in which it was last seen ready.
    sets: [bool; 3],
    ready: [bool; 3],
}

impl Selected {
    /// Looks; in how many sets it is ready.
    fn look(&mut self) -> usize {
        let wanted = |index: usize| {
            if self.sets[index] {
                SELECTED[index]
            } else {
                PollEvents::empty()
            }
        };
        let ready = poll::ready(&self.file, wanted(0) | wanted(1) | wanted(2));
        self.ready =
            core::array::from_fn(|index| self.sets[index] && ready.intersects(SELECTED[index]));
        self.ready.iter().filter(|&&ready| ready).count()
    }
}

pub fn pselect6(registers: &mut TrapFrame) -> Result<usize> {
    let descriptors = usize::try_from(registers.argument(0) as i32).map_err(|_| Errno::EINVAL)?;
    let descriptors = descriptors.min(current().files().limit());
    let mut sets = Vec::new();
    for index in 1..=3 {
        sets.push(FdSet::read(registers.argument(index), descriptors)?);
    }
    let timeout = Timeout::read(registers.argument(4))?;
    // The sixth argument points to the mask's address and size.
    let mask = UserPtr::<[usize; 2]>::new(registers.argument(5))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let [mask, mask_size] = mask.unwrap_or_default();
    let mut selected = select_from(&sets, descriptors)?;
    let files: Vec<_> = selected.iter().map(|one| one.file.clone()).collect();
    let found = with_mask_at(mask, mask_size, || {
        let look = || Ok(selected.iter_mut().map(Selected::look).sum());
        poll::wait_for(files.iter(), timeout.deadline_ns, look)
    });
    timeout.write_back();
    let found = found?;
    for (index, set) in sets.iter_mut().enumerate() {
        set.clear();
        selected
            .iter()
            .filter(|one| one.ready[index])
            .for_each(|one| set.insert(one.fd));
        set.write()?;
    }
    Ok(found)
}

/// The open files of the sets; `EBADF` if one is not open.
fn select_from(sets: &[FdSet], descriptors: usize) -> Result<Vec<Selected>> {
    let files = current().files();
    let mut selected = Vec::new();
    for fd in 0..descriptors {
        let within = core::array::from_fn(|index| sets[index].contains(fd));
        if within != [false; 3] {
            selected.push(Selected {
                fd,
                file: files.get(fd as Fd)?,
                sets: within,
                ready: [false; 3],
            });
        }
    }
    Ok(selected)
}

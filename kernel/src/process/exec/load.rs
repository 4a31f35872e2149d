//! Mapping a program's segments into an address space.

use super::elf::{Program, Segment};
use crate::error::{Errno, Result};
use crate::fs::OpenFile;
use alloc::sync::Arc;
use mm::space::{Backing, Label, MapFlags, MapRequest, Placement, Prot};
use mm::{AddressSpace, PAGE_SIZE, PageSource};

/// Where a program ended up.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// Added to every linked address (AT_BASE of an interpreter).
    pub bias: usize,
    pub entry: usize,
    /// AT_PHDR.
    pub headers: usize,
    /// One past its last page: where the heap may start.
    pub end: usize,
}

/// Maps all segments of `program`; a relocatable one near `hint` (0: anywhere).
pub fn map(
    memory: &AddressSpace,
    file: &OpenFile,
    program: &Program,
    hint: usize,
) -> Result<Loaded> {
    let source = file.page_source().ok_or(Errno::EACCES)?;
    let (start, end) = program.span();
    let (start, end) = (start as usize, end as usize);
    let bias = if program.relocatable {
        reserve(memory, end - start, hint)?.wrapping_sub(start)
    } else {
        0
    };
    for segment in &program.segments {
        map_segment(memory, &source, segment, bias)?;
    }
    let moved = |address: u64| (address as usize).wrapping_add(bias);
    Ok(Loaded {
        bias,
        entry: moved(program.entry),
        headers: moved(program.headers),
        end: end.wrapping_add(bias),
    })
}

/// Finds room for the whole program, so that its segments keep their distances.
fn reserve(memory: &AddressSpace, length: usize, hint: usize) -> Result<usize> {
    let request = anonymous(Placement::Hint(hint), length, Prot::empty());
    Ok(memory.map(request)?)
}

fn anonymous(placement: Placement, length: usize, prot: Prot) -> MapRequest {
    let flags = MapFlags::empty();
    MapRequest {
        placement,
        length,
        prot,
        flags,
        backing: Backing::Anonymous,
        label: Label::None,
    }
}

fn map_segment(
    memory: &AddressSpace,
    source: &Arc<dyn PageSource>,
    segment: &Segment,
    bias: usize,
) -> Result<()> {
    let address = (segment.address as usize).wrapping_add(bias);
    let start = address & !(PAGE_SIZE - 1);
    let file_end = address + segment.file_size as usize;
    let memory_end = (address + segment.memory_size as usize).next_multiple_of(PAGE_SIZE);
    let file_pages_end = if segment.file_size == 0 {
        start
    } else {
        file_end.next_multiple_of(PAGE_SIZE)
    };
    if file_pages_end > start {
        let first = segment.file_offset / PAGE_SIZE as u64;
        let backing = Backing::Source {
            source: source.clone(),
            first,
        };
        let request = MapRequest {
            backing,
            ..anonymous(
                Placement::Fixed(start),
                file_pages_end - start,
                segment.prot,
            )
        };
        memory.map(request)?;
        if segment.memory_size > segment.file_size {
            zero_tail(memory, file_end, file_pages_end)?;
        }
    }
    if memory_end > file_pages_end {
        let request = anonymous(
            Placement::Fixed(file_pages_end),
            memory_end - file_pages_end,
            segment.prot,
        );
        memory.map(request)?;
    }
    Ok(())
}

/// The rest of the page in which the file's part ends belongs to the zero-filled part.
fn zero_tail(memory: &AddressSpace, from: usize, to: usize) -> Result<()> {
    const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
    memory
        .write_initial(from, &ZEROS[..to - from])
        .map_err(|_| Errno::ENOMEM)
}

/// The stack: all of its limit is mapped, and pages come when they are touched.
pub fn map_stack(memory: &AddressSpace, top: usize, size: usize) -> Result<()> {
    let request = anonymous(Placement::Fixed(top - size), size, Prot::READ | Prot::WRITE);
    memory.map(MapRequest {
        label: Label::Stack,
        ..request
    })?;
    Ok(())
}

/// Puts the start of the program's life on its stack.
pub fn write_stack(memory: &AddressSpace, address: usize, bytes: &[u8]) -> Result<()> {
    memory
        .write_initial(address, bytes)
        .map_err(|_| Errno::ENOMEM)
}

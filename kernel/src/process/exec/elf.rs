//! ELF programs: what to map where (elf(5)), from headers that nobody has vouched for.
//!
//! Everything odd is `ENOEXEC`: truncated headers, other machines, segments that wrap, overlap the
//! kernel half or lie outside the file.

use crate::error::{Errno, Result};
use alloc::vec::Vec;
use elf::abi::{EM_AARCH64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD, PT_PHDR};
use elf::endian::AnyEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::segment::{ProgramHeader, SegmentTable};
use mm::PAGE_SIZE;
use mm::space::Prot;

/// How much of a file the loader reads: the headers must lie within it.
pub const HEAD_SIZE: usize = 4096;
const EHDR_SIZE: usize = 64;
const PHDR_SIZE: usize = 56;
/// One past the last address a program may be linked at.
const END: u64 = mm::USER_END as u64;

/// A segment to map, addresses as linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub address: u64,
    pub memory_size: u64,
    pub file_offset: u64,
    pub file_size: u64,
    pub prot: Prot,
}

/// A program as its headers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Position-independent: may go anywhere.
    pub relocatable: bool,
    pub entry: u64,
    /// Where the program headers are in memory, as linked (AT_PHDR).
    pub headers: u64,
    pub header_count: u16,
    pub segments: Vec<Segment>,
    /// Where in the file the interpreter's name is, and how long with its NUL.
    pub interpreter: Option<(u64, usize)>,
}

impl Program {
    /// Reads the headers at the head of a file of `file_size` bytes.
    pub fn parse(head: &[u8], file_size: u64) -> Result<Self> {
        let header = parse_header(head)?;
        let start = usize::try_from(header.e_phoff).map_err(|_| Errno::ENOEXEC)?;
        let end = start
            .checked_add(header.e_phnum as usize * PHDR_SIZE)
            .ok_or(Errno::ENOEXEC)?;
        let bytes = head.get(start..end).ok_or(Errno::ENOEXEC)?;
        let headers: Vec<ProgramHeader> = SegmentTable::new(AnyEndian::Little, Class::ELF64, bytes)
            .iter()
            .collect();
        let segments = load_segments(&headers, file_size)?;
        let interpreter = headers
            .iter()
            .find(|header| header.p_type == PT_INTERP)
            .map(interpreter_range)
            .transpose()?;
        let program = Self {
            relocatable: header.e_type == ET_DYN,
            entry: header.e_entry,
            headers: headers_address(&header, &headers, &segments),
            header_count: header.e_phnum,
            segments,
            interpreter,
        };
        program.segment_with(program.entry).ok_or(Errno::ENOEXEC)?;
        Ok(program)
    }

    /// The first and one past the last address, page-aligned.
    pub fn span(&self) -> (u64, u64) {
        let page = PAGE_SIZE as u64;
        let start = self
            .segments
            .first()
            .map_or(0, |segment| segment.address & !(page - 1));
        let end = self.segments.last().map_or(0, |segment| {
            (segment.address + segment.memory_size).next_multiple_of(page)
        });
        (start, end)
    }

    fn segment_with(&self, address: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| {
            (segment.address..segment.address + segment.memory_size).contains(&address)
        })
    }
}

fn parse_header(head: &[u8]) -> Result<FileHeader<AnyEndian>> {
    let head = head.get(..EHDR_SIZE).ok_or(Errno::ENOEXEC)?;
    let ident = parse_ident::<AnyEndian>(head).map_err(|_| Errno::ENOEXEC)?;
    if ident.0 != AnyEndian::Little || ident.1 != Class::ELF64 {
        return Err(Errno::ENOEXEC);
    }
    let header =
        FileHeader::parse_tail(ident, &head[elf::abi::EI_NIDENT..]).map_err(|_| Errno::ENOEXEC)?;
    let ours = header.e_machine == EM_AARCH64
        && matches!(header.e_type, ET_EXEC | ET_DYN)
        && header.e_phentsize as usize == PHDR_SIZE
        && header.e_phnum > 0;
    if ours {
        Ok(header)
    } else {
        Err(Errno::ENOEXEC)
    }
}

fn load_segments(headers: &[ProgramHeader], file_size: u64) -> Result<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    for header in headers
        .iter()
        .filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0)
    {
        let segment = load_segment(header, file_size)?;
        if segments
            .last()
            .is_some_and(|last| last.address + last.memory_size > segment.address)
        {
            return Err(Errno::ENOEXEC);
        }
        segments.push(segment);
    }
    if segments.is_empty() {
        Err(Errno::ENOEXEC)
    } else {
        Ok(segments)
    }
}

fn load_segment(header: &ProgramHeader, file_size: u64) -> Result<Segment> {
    let page = PAGE_SIZE as u64;
    let memory_end = header
        .p_vaddr
        .checked_add(header.p_memsz)
        .ok_or(Errno::ENOEXEC)?;
    let file_end = header
        .p_offset
        .checked_add(header.p_filesz)
        .ok_or(Errno::ENOEXEC)?;
    let sound = memory_end <= END
        && file_end <= file_size
        && header.p_filesz <= header.p_memsz
        && header.p_vaddr % page == header.p_offset % page;
    if !sound {
        return Err(Errno::ENOEXEC);
    }
    let mut prot = Prot::empty();
    prot.set(Prot::READ, header.p_flags & PF_R != 0);
    prot.set(Prot::WRITE, header.p_flags & PF_W != 0);
    prot.set(Prot::EXEC, header.p_flags & PF_X != 0);
    Ok(Segment {
        address: header.p_vaddr,
        memory_size: header.p_memsz,
        file_offset: header.p_offset,
        file_size: header.p_filesz,
        prot,
    })
}

fn interpreter_range(header: &ProgramHeader) -> Result<(u64, usize)> {
    match header.p_filesz {
        2..=4096 => Ok((header.p_offset, header.p_filesz as usize)),
        _ => Err(Errno::ENOEXEC),
    }
}

/// PT_PHDR says where; otherwise the segment that holds them does.
fn headers_address(
    header: &FileHeader<AnyEndian>,
    headers: &[ProgramHeader],
    segments: &[Segment],
) -> u64 {
    if let Some(found) = headers.iter().find(|header| header.p_type == PT_PHDR) {
        return found.p_vaddr;
    }
    let holder = segments.iter().find(|segment| {
        (segment.file_offset..segment.file_offset + segment.file_size).contains(&header.e_phoff)
    });
    holder.map_or(0, |segment| {
        segment.address + (header.e_phoff - segment.file_offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const CODE: u64 = 0x40_0000;

    /// A little-endian AArch64 executable with one segment per `(address, memory, offset, size)`.
    fn image(segments: &[(u64, u64, u64, u64)]) -> Vec<u8> {
        let mut image = vec![0u8; EHDR_SIZE + segments.len() * PHDR_SIZE];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        put(16, &ET_EXEC.to_le_bytes());
        put(18, &EM_AARCH64.to_le_bytes());
        put(20, &1u32.to_le_bytes());
        put(24, &CODE.to_le_bytes());
        put(32, &(EHDR_SIZE as u64).to_le_bytes());
        put(52, &(EHDR_SIZE as u16).to_le_bytes());
        put(54, &(PHDR_SIZE as u16).to_le_bytes());
        put(56, &(segments.len() as u16).to_le_bytes());
        for (index, &(address, memory, offset, size)) in segments.iter().enumerate() {
            let at = EHDR_SIZE + index * PHDR_SIZE;
            put(at, &PT_LOAD.to_le_bytes());
            put(at + 4, &(PF_R | PF_X).to_le_bytes());
            for (word, value) in [offset, address, address, size, memory, 4096]
                .into_iter()
                .enumerate()
            {
                put(at + 8 + word * 8, &value.to_le_bytes());
            }
        }
        image
    }

    fn parse(segments: &[(u64, u64, u64, u64)]) -> Result<Program> {
        Program::parse(&image(segments), 0x1_0000)
    }

    #[test]
    fn a_plain_program() {
        let program = parse(&[(CODE, 0x2800, 0, 0x2000)]).unwrap();
        assert!(!program.relocatable);
        assert_eq!(program.span(), (CODE, CODE + 0x3000));
        assert_eq!(program.headers, CODE + 64);
        assert_eq!(program.segments[0].prot, Prot::READ | Prot::EXEC);
    }

    #[test]
    fn truncated_at_every_length() {
        let image = image(&[(CODE, 0x1000, 0, 0x100)]);
        for length in 0..image.len() {
            assert_eq!(
                Program::parse(&image[..length], 0x1_0000).err(),
                Some(Errno::ENOEXEC),
                "{length} bytes"
            );
        }
        assert!(Program::parse(&image, 0x1_0000).is_ok());
    }

    #[test]
    fn wild_segments() {
        let bad: &[&[(u64, u64, u64, u64)]] = &[
            &[(CODE, 0x1000, 0, 0x2_0000)],               // outside the file
            &[(CODE, 0x1000, u64::MAX - 10, 0x100)],      // file range wraps
            &[(CODE, 0x100, 0, 0x200)],                   // more file than memory
            &[(CODE + 1, 0x1000, 0, 0x100)],              // not congruent
            &[(0xffff_0000_0000_0000, 0x1000, 0, 0x100)], // kernel half
            &[(CODE, u64::MAX - 0x1000, 0, 0x100)],       // memory range wraps
            &[(CODE, 0x2000, 0, 0x100), (CODE + 0x1000, 1, 0, 1)], // overlap
            &[(CODE + 0x10_0000, 0x1000, 0, 0x100)],      // entry in no segment
            &[],
        ];
        for segments in bad {
            assert_eq!(parse(segments).err(), Some(Errno::ENOEXEC), "{segments:x?}");
        }
    }

    #[test]
    fn every_single_byte_flip_is_survived() {
        let good = image(&[
            (CODE, 0x2000, 0, 0x1000),
            (CODE + 0x3000, 0x1000, 0x1000, 0x800),
        ]);
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                if let Ok(program) = Program::parse(&bad, 0x1_0000) {
                    let (start, end) = program.span();
                    assert!(start < end && end <= END);
                }
            }
        }
    }
}

//! ELF -> the flat image that QEMU, U-Boot and other loaders boot by the Linux `Image` header.
//!
//! The kernel's own assembly starts with the header (Linux `Documentation/arch/arm64/booting`);
//! here its segments are laid out by physical address, zeroed data is written out, the symbol
//! table goes after it (see `symbols.rs`), and `image_size` is made to cover everything, so
//! that no loader and no allocator puts anything on top of the table.

use crate::{Result, read_file, symbols, write_if_changed};
use elf::{ElfBytes, abi::PT_LOAD, endian::LittleEndian};
use std::{path::PathBuf, process::ExitCode};

const IMAGE_SIZE_OFFSET: usize = 16;
const MAGIC_OFFSET: usize = 56;
const MAGIC: &[u8] = b"ARM\x64";
const PAGE: usize = 4096;

pub fn command(mut arguments: lexopt::Parser) -> Result<ExitCode> {
    use lexopt::prelude::*;
    let (mut elf, mut out) = (None, None);
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("elf") => elf = arguments.value().ok().map(PathBuf::from),
            Long("out") => out = arguments.value().ok().map(PathBuf::from),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let elf = elf.ok_or("--elf FILE is missing")?;
    let out = out.ok_or("--out FILE is missing")?;
    let image = build(&read_file(&elf)?).map_err(|error| format!("{}: {error}", elf.display()))?;
    write_if_changed(&out, &image)?;
    println!("{}: {} KiB", out.display(), image.len() / 1024);
    Ok(ExitCode::SUCCESS)
}

/// The whole image: code, data, zeroes, symbol table.
pub fn build(bytes: &[u8]) -> Result<Vec<u8>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|error| error.to_string())?;
    let mut image = flatten(&file, bytes)?;
    image.resize(image.len().next_multiple_of(PAGE), 0);
    image.extend(symbols::table(&file)?);
    image.resize(image.len().next_multiple_of(PAGE), 0);
    if image.get(MAGIC_OFFSET..MAGIC_OFFSET + 4) != Some(MAGIC) {
        return Err("no Linux Image header at the start of the first segment".into());
    }
    let size = (image.len() as u64).to_le_bytes();
    image[IMAGE_SIZE_OFFSET..IMAGE_SIZE_OFFSET + 8].copy_from_slice(&size);
    Ok(image)
}

fn flatten(file: &ElfBytes<LittleEndian>, bytes: &[u8]) -> Result<Vec<u8>> {
    let segments: Vec<_> = file
        .segments()
        .ok_or("no program headers")?
        .iter()
        .filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0)
        .collect();
    let start = segments
        .iter()
        .map(|segment| segment.p_paddr)
        .min()
        .ok_or("nothing to load")?;
    let end = segments
        .iter()
        .map(|segment| segment.p_paddr + segment.p_memsz)
        .max()
        .unwrap_or(start);
    let mut image = vec![0; (end - start) as usize];
    for segment in segments {
        let from = segment.p_offset as usize;
        let content = bytes
            .get(from..from + segment.p_filesz as usize)
            .ok_or("a segment reaches past the end of the file")?;
        let to = (segment.p_paddr - start) as usize;
        image[to..to + content.len()].copy_from_slice(content);
    }
    Ok(image)
}

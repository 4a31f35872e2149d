//! The compact symbol table behind the kernel image, for backtraces in a panic.
//!
//! Little-endian, 8-byte aligned, at the first page boundary behind the last loaded segment:
//!
//! ```text
//! magic      8 bytes  "WEFTSYM1"
//! count      u32      number of entries
//! strings    u32      bytes of names
//! entries    count x { address u64, name_offset u32, name_length u32 }, sorted by address
//! names      UTF-8, demangled, not terminated; name_offset counts from their start
//! ```
//!
//! An address belongs to the last entry that is not above it.

use crate::Result;
use elf::{ElfBytes, abi::STT_FUNC, abi::STT_NOTYPE, endian::LittleEndian};

const MAGIC: &[u8; 8] = b"WEFTSYM1";

pub fn table(file: &ElfBytes<LittleEndian>) -> Result<Vec<u8>> {
    Ok(encode(&functions(file)?))
}

/// Every code symbol, by address, one name per address.
pub fn functions(file: &ElfBytes<LittleEndian>) -> Result<Vec<(u64, String)>> {
    let Some((symbols, names)) = file.symbol_table().map_err(|error| error.to_string())? else {
        return Ok(Vec::new()); // stripped: backtraces show bare addresses
    };
    let sections = file.section_headers().ok_or("no section headers")?;
    let is_code = |index: u16| {
        sections
            .get(index.into())
            .is_ok_and(|section| section.sh_flags & u64::from(elf::abi::SHF_EXECINSTR) != 0)
    };
    let mut found: Vec<_> = symbols
        .iter()
        .filter(|symbol| {
            matches!(symbol.st_symtype(), STT_FUNC | STT_NOTYPE) && is_code(symbol.st_shndx)
        })
        .filter_map(|symbol| Some((symbol.st_value, names.get(symbol.st_name as usize).ok()?)))
        .filter(|(_, name)| !name.is_empty() && !name.starts_with('$'))
        .map(|(address, name)| (address, format!("{:#}", rustc_demangle::demangle(name))))
        .collect();
    found.sort();
    found.dedup_by_key(|(address, _)| *address);
    Ok(found)
}

fn encode(functions: &[(u64, String)]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut names = String::new();
    for (address, name) in functions {
        entries.extend(address.to_le_bytes());
        entries.extend((names.len() as u32).to_le_bytes());
        entries.extend((name.len() as u32).to_le_bytes());
        names.push_str(name);
    }
    let mut table = MAGIC.to_vec();
    table.extend((functions.len() as u32).to_le_bytes());
    table.extend((names.len() as u32).to_le_bytes());
    table.extend(entries);
    table.extend(names.bytes());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_the_header_and_point_at_their_names() {
        let table = encode(&[(0x10, "first".into()), (0x20, "second".into())]);
        assert_eq!(&table[..8], MAGIC);
        assert_eq!(table[8..16], [2, 0, 0, 0, 11, 0, 0, 0]);
        assert_eq!(
            table[32..48],
            [0x20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]
        );
        assert_eq!(&table[48..], b"firstsecond");
    }
}

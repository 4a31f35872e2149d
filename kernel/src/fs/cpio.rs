//! Reading cpio archives in the "newc" format (`cpio -H newc`), as initramfs images are.
//!
//! The archive is untrusted input: every size is checked, and what is wrong is told with its
//! offset.

use core::fmt;

const HEADER: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";

/// What is wrong with an archive, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpioError {
    /// No newc header here: damaged, compressed, or another format.
    BadMagic {
        offset: usize,
    },
    BadNumber {
        offset: usize,
    },
    /// The archive ends inside this entry.
    Truncated {
        offset: usize,
    },
    /// An empty name or one without its NUL.
    BadName {
        offset: usize,
    },
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CpioError::BadMagic { offset } => write!(f, "no newc header at offset {offset}"),
            CpioError::BadNumber { offset } => {
                write!(f, "a header field at offset {offset} is no hex number")
            }
            CpioError::Truncated { offset } => {
                write!(f, "the archive ends inside the entry at offset {offset}")
            }
            CpioError::BadName { offset } => {
                write!(f, "the entry at offset {offset} has a bad name")
            }
        }
    }
}

/// One file of an archive.
#[derive(Clone, Copy, Debug)]
pub struct CpioEntry<'a> {
    pub name: &'a [u8],
    pub inode: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u32,
    pub modified: u32,
    pub device: (u32, u32),
    pub data: &'a [u8],
}

/// Iterates over the entries; ends after an error.
pub struct Archive<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Archive<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Zeros may follow a trailer, and another archive may follow them.
    fn skip_padding(&mut self) {
        let zeros = self.bytes[self.at..]
            .iter()
            .take_while(|&&byte| byte == 0)
            .count();
        self.at += zeros;
    }

    fn entry(&mut self) -> Result<CpioEntry<'a>, CpioError> {
        let offset = self.at;
        let header = self
            .bytes
            .get(offset..offset + HEADER)
            .ok_or(CpioError::Truncated { offset })?;
        if !matches!(&header[..6], b"070701" | b"070702") {
            return Err(CpioError::BadMagic { offset });
        }
        let field = |index: usize| {
            hex(&header[6 + index * 8..][..8]).ok_or(CpioError::BadNumber { offset })
        };
        let (name, data_at) = self.padded(offset + HEADER, field(11)? as usize, offset)?;
        let (data, next) = self.padded(data_at, field(6)? as usize, offset)?;
        self.at = next;
        Ok(CpioEntry {
            name: name
                .strip_suffix(b"\0")
                .filter(|name| !name.is_empty())
                .ok_or(CpioError::BadName { offset })?,
            inode: field(0)?,
            mode: field(1)?,
            uid: field(2)?,
            gid: field(3)?,
            links: field(4)?,
            modified: field(5)?,
            device: (field(9)?, field(10)?),
            data,
        })
    }

    /// `length` bytes at `start`, and where the next 4-byte-aligned part begins.
    fn padded(
        &self,
        start: usize,
        length: usize,
        offset: usize,
    ) -> Result<(&'a [u8], usize), CpioError> {
        let end = start
            .checked_add(length)
            .ok_or(CpioError::Truncated { offset })?;
        let bytes = self
            .bytes
            .get(start..end)
            .ok_or(CpioError::Truncated { offset })?;
        Ok((bytes, end.next_multiple_of(4).min(self.bytes.len())))
    }
}

impl<'a> Iterator for Archive<'a> {
    type Item = Result<CpioEntry<'a>, CpioError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.skip_padding();
            if self.at >= self.bytes.len() {
                return None;
            }
            match self.entry() {
                Ok(entry) if entry.name == TRAILER => continue,
                Ok(entry) => return Some(Ok(entry)),
                Err(error) => {
                    self.at = self.bytes.len();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    // `from_str_radix` would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    /// Adds an entry to an archive, with sizes as given.
    pub fn push(
        archive: &mut Vec<u8>,
        name: &[u8],
        mode: u32,
        data: &[u8],
        file_size: usize,
        name_size: usize,
    ) {
        let header = format!(
            "070701{:08X}{mode:08X}{:08X}{:08X}{:08X}{:08X}{file_size:08X}{:08X}{:08X}{:08X}{:08X}{name_size:08X}{:08X}",
            1, 0, 0, 1, 1_700_000_000, 0, 0, 5, 1, 0
        );
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(name);
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }

    pub fn add(archive: &mut Vec<u8>, name: &str, mode: u32, data: &[u8]) {
        push(
            archive,
            name.as_bytes(),
            mode,
            data,
            data.len(),
            name.len() + 1,
        );
    }

    fn sample() -> Vec<u8> {
        let mut archive = Vec::new();
        add(&mut archive, "bin", 0o040755, b"");
        add(&mut archive, "bin/sh", 0o100755, b"#!x");
        add(&mut archive, "TRAILER!!!", 0, b"");
        archive
    }

    #[test]
    fn entries_come_in_order() {
        let archive = sample();
        let entries: Vec<_> = Archive::new(&archive).map(Result::unwrap).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[1].name, entries[1].data),
            (&b"bin/sh"[..], &b"#!x"[..])
        );
        assert_eq!((entries[1].mode, entries[1].device), (0o100755, (5, 1)));
    }

    #[test]
    fn archives_follow_one_another() {
        let mut archive = sample();
        archive.resize(archive.len().next_multiple_of(512), 0);
        archive.extend(sample());
        assert_eq!(Archive::new(&archive).filter(Result::is_ok).count(), 4);
    }

    #[test]
    fn every_truncation_is_an_error_and_not_a_panic() {
        let archive = sample();
        for length in 1..archive.len() {
            let entries: Vec<_> = Archive::new(&archive[..length]).collect();
            assert!(entries.iter().filter(|entry| entry.is_ok()).count() <= 2);
            if let Some(first_error) = entries.iter().position(Result::is_err) {
                assert_eq!(first_error, entries.len() - 1);
            }
        }
        assert!(matches!(
            Archive::new(&archive[..50]).next(),
            Some(Err(CpioError::Truncated { offset: 0 }))
        ));
    }

    #[test]
    fn wild_sizes_are_refused() {
        for (file_size, name_size) in [
            (0xffff_ffff, 2),
            (0, 0xffff_ffff),
            (0xffff_fffd, 0xffff_fffd),
            (0, 0),
        ] {
            let mut archive = Vec::new();
            push(&mut archive, b"a", 0o100644, b"", file_size, name_size);
            assert!(
                matches!(Archive::new(&archive).next(), Some(Err(_))),
                "{file_size:#x} {name_size:#x}"
            );
        }
    }

    #[test]
    fn garbage_is_named() {
        assert!(matches!(
            Archive::new(&[0x1f; 200]).next(),
            Some(Err(CpioError::BadMagic { offset: 0 }))
        ));
        let mut archive = sample();
        archive[6..14].copy_from_slice(b"+0000001");
        assert!(matches!(
            Archive::new(&archive).next(),
            Some(Err(CpioError::BadNumber { offset: 0 }))
        ));
    }
}

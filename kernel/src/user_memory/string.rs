//! Strings that end in a NUL.

use super::copy_in;
use crate::error::{Errno, Result};
use alloc::string::String;
use alloc::vec::Vec;

/// Reads a NUL-terminated string of at most `limit` bytes (without the NUL), `ENAMETOOLONG` past it.
pub fn read_c_bytes(address: usize, limit: usize) -> Result<Vec<u8>> {
    const CHUNK: usize = 64;
    let mut bytes = Vec::new();
    while bytes.len() <= limit {
        let at = address.wrapping_add(bytes.len());
        // Never reads past the end of the page that holds `at`: the next one may be unmapped.
        let mut chunk = [0u8; CHUNK];
        let chunk = &mut chunk[..CHUNK.min(4096 - at % 4096)];
        copy_in(at, chunk)?;
        let end = chunk.iter().position(|&byte| byte == 0);
        bytes.try_reserve(CHUNK).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(&chunk[..end.unwrap_or(chunk.len())]);
        if end.is_some() && bytes.len() <= limit {
            return Ok(bytes);
        }
    }
    Err(Errno::ENAMETOOLONG)
}

/// As [`read_c_bytes`], for text; `EINVAL` when it is not UTF-8.
pub fn read_c_string(address: usize, limit: usize) -> Result<String> {
    String::from_utf8(read_c_bytes(address, limit)?).map_err(|_| Errno::EINVAL)
}

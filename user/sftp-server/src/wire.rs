//! SFTP's encoding (draft-ietf-secsh-filexfer-02, section 3): big-endian integers, strings that
//! begin with their length. Names are bytes: nothing is lost of those that are not UTF-8.

use crate::status::Failure;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longest packet, without its length, that is taken or sent: OpenSSH's own limit.
pub const PACKET_LIMIT: u32 = 256 << 10;
/// Data in one read or write; the rest of a packet is room for its head.
pub const DATA_LIMIT: u32 = PACKET_LIMIT - 1024;

/// What is left to read of a request.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Failure> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Failure::malformed())?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        Ok(self.take(N)?.try_into().expect("take gave N bytes"))
    }

    pub fn u8(&mut self) -> Result<u8, Failure> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, Failure> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Failure> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn string(&mut self) -> Result<&'a [u8], Failure> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// A path; the empty one is the folder that the server was started in.
    pub fn path(&mut self) -> Result<&'a Path, Failure> {
        let bytes = self.string()?;
        let bytes = if bytes.is_empty() { b"." } else { bytes };
        Ok(Path::new(OsStr::from_bytes(bytes)))
    }
}

/// A reply as it is put together; `finish` puts its length before it.
pub struct Reply(Vec<u8>);

impl Reply {
    /// `id` is the request's, so that the client knows what is answered.
    pub fn new(kind: u8, id: u32) -> Self {
        Self::unnumbered(kind).u32(id)
    }

    /// The version is the one reply without a number.
    pub fn unnumbered(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut reply = self.u32(bytes.len() as u32);
        reply.0.extend(bytes);
        reply
    }

    pub fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32 - 4;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_come_back() {
        let bytes = Reply::new(7, 3).u64(1 << 40).string(b"\xff").finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u32().unwrap() as usize, bytes.len() - 4);
        assert_eq!((reader.u8().unwrap(), reader.u32().unwrap()), (7, 3));
        assert_eq!(reader.u64().unwrap(), 1 << 40);
        assert_eq!(reader.string().unwrap(), b"\xff");
        assert!(reader.u8().is_err());
    }

    #[test]
    fn a_string_longer_than_its_packet_is_refused() {
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).string().is_err());
    }
}

//! How a request failed: one of SFTP's few codes, and the system's own words.

use crate::wire::Reply;
use nix::errno::Errno;
use std::io::{Error, ErrorKind};

const STATUS: u8 = 101;

/// SSH_FX_* (draft-ietf-secsh-filexfer-02, section 7).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Code {
    Ok = 0,
    Eof = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

#[derive(Debug, PartialEq)]
pub struct Failure {
    code: Code,
    text: String,
}

impl Failure {
    pub fn new(code: Code, text: &str) -> Self {
        let text = text.into();
        Self { code, text }
    }

    pub fn malformed() -> Self {
        Self::new(Code::BadMessage, "malformed request")
    }

    pub fn unsupported() -> Self {
        Self::new(Code::Unsupported, "no such request")
    }

    pub fn end_of_file() -> Self {
        Self::new(Code::Eof, "end of file")
    }

    pub fn reply(&self, id: u32) -> Reply {
        status(id, self.code, &self.text)
    }
}

pub fn success(id: u32) -> Reply {
    status(id, Code::Ok, "success")
}

fn status(id: u32, code: Code, text: &str) -> Reply {
    Reply::new(STATUS, id)
        .u32(code as u32)
        .string(text)
        .string("en")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Code::NoSuchFile,
            _ if error.raw_os_error() == Some(libc::ELOOP) => Code::NoSuchFile,
            ErrorKind::PermissionDenied => Code::PermissionDenied,
            ErrorKind::Unsupported => Code::Unsupported,
            _ => Code::Failure,
        };
        Self::new(code, &error.to_string())
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Error::from(errno).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_a_failure_with_the_reason_in_words() {
        let failure = Failure::from(Errno::ENOSPC);
        assert_eq!(failure.code, Code::Failure);
        assert!(failure.text.contains("No space left"), "{failure:?}");
    }

    #[test]
    fn a_path_that_leads_nowhere_is_no_such_file() {
        for errno in [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP] {
            assert_eq!(Failure::from(errno).code, Code::NoSuchFile, "{errno}");
        }
    }
}

//! One request in, one reply out: SFTP version 3 with the extensions that OpenSSH's clients use.

use crate::handles::{HANDLE_LIMIT, Handles};
use crate::status::Failure;
use crate::wire::{DATA_LIMIT, PACKET_LIMIT, Reader, Reply};
use crate::{files, paths};
use nix::sys::statvfs::{fstatvfs, statvfs};

pub const INIT: u8 = 1;
const VERSION: u8 = 2;

/// OpenSSH's PROTOCOL file, section 4: name and version.
const EXTENSIONS: [(&str, &str); 6] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("limits@openssh.com", "1"),
];

/// The first reply: the version spoken, whatever the client's, and what there is beyond it.
pub fn greet() -> Vec<u8> {
    let reply = Reply::unnumbered(VERSION).u32(3);
    let offer = |reply: Reply, (name, version): &(&str, &str)| reply.string(name).string(version);
    EXTENSIONS.iter().fold(reply, offer).finish()
}

/// The reply to one request. Only one too short to have a number has none: `None`.
pub fn answer(handles: &mut Handles, request: &[u8]) -> Option<Vec<u8>> {
    let mut from = Reader::new(request);
    let (kind, id) = (from.u8().ok()?, from.u32().ok()?);
    let outcome = serve(handles, kind, id, &mut from);
    Some(outcome.unwrap_or_else(|failure| failure.reply(id)).finish())
}

/// SSH_FXP_* (section 3).
fn serve(handles: &mut Handles, kind: u8, id: u32, from: &mut Reader) -> Result<Reply, Failure> {
    match kind {
        3 => files::open(handles, id, from),
        4 => files::close(handles, id, from),
        5 => files::read(handles, id, from),
        6 => files::write(handles, id, from),
        7 => paths::link_attributes(id, from),
        8 => files::attributes(handles, id, from),
        9 => paths::set_attributes(id, from),
        10 => files::set_attributes(handles, id, from),
        11 => files::open_folder(handles, id, from),
        12 => files::read_folder(handles, id, from),
        13 => paths::remove(id, from),
        14 => paths::make_folder(id, from),
        15 => paths::remove_folder(id, from),
        16 => paths::real_path(id, from),
        17 => paths::attributes(id, from),
        18 => paths::rename(id, from),
        19 => paths::read_link(id, from),
        20 => paths::link_symbolically(id, from),
        200 => extended(handles, id, from),
        _ => Err(Failure::unsupported()),
    }
}

fn extended(handles: &mut Handles, id: u32, from: &mut Reader) -> Result<Reply, Failure> {
    match from.string()? {
        b"posix-rename@openssh.com" => paths::replace(id, from),
        b"statvfs@openssh.com" => paths::space(id, statvfs(from.path()?)?),
        b"fstatvfs@openssh.com" => {
            let file = handles.file(from.string()?)?;
            paths::space(id, fstatvfs(file)?)
        }
        b"hardlink@openssh.com" => paths::link(id, from),
        b"fsync@openssh.com" => files::flush(handles, id, from),
        b"limits@openssh.com" => Ok(limits(id)),
        _ => Err(Failure::unsupported()),
    }
}

fn limits(id: u32) -> Reply {
    Reply::new(paths::EXTENDED_REPLY, id)
        .u64(PACKET_LIMIT.into())
        .u64(DATA_LIMIT.into())
        .u64(DATA_LIMIT.into())
        .u64(HANDLE_LIMIT as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code of a status reply.
    fn status(reply: &[u8]) -> u32 {
        assert_eq!(reply[4], 101, "no status: {reply:?}");
        u32::from_be_bytes(reply[9..13].try_into().unwrap())
    }

    /// Without its length, as `answer` takes it.
    fn request(reply: Reply) -> Vec<u8> {
        reply.finish().split_off(4)
    }

    #[test]
    fn every_request_that_ends_early_is_a_bad_message() {
        for kind in (3..=20).chain([200]) {
            let reply = answer(&mut Handles::default(), &request(Reply::new(kind, 9)));
            assert_eq!(status(&reply.unwrap()), 5, "request {kind}");
        }
        assert!(answer(&mut Handles::default(), &[3, 0, 0]).is_none());
    }

    #[test]
    fn unknown_requests_and_handles_are_told_apart() {
        let mut handles = Handles::default();
        let unknown = answer(&mut handles, &request(Reply::new(99, 1)));
        assert_eq!(status(&unknown.unwrap()), 8);
        let close = answer(&mut handles, &request(Reply::new(4, 1).string("nothing")));
        assert_eq!(status(&close.unwrap()), 4);
    }

    #[test]
    fn handles_are_limited_and_come_back() {
        let mut handles = Handles::default();
        let open = request(Reply::new(11, 1).string("/"));
        let mut last = Vec::new();
        for _ in 0..HANDLE_LIMIT {
            last = answer(&mut handles, &open).unwrap();
            assert_eq!(last[4], files::HANDLE);
        }
        assert_eq!(status(&answer(&mut handles, &open).unwrap()), 4);
        let close = request(Reply::new(4, 1).string(&last[13..]));
        assert_eq!(status(&answer(&mut handles, &close).unwrap()), 0);
        assert_eq!(status(&answer(&mut handles, &close).unwrap()), 4);
        assert_eq!(answer(&mut handles, &open).unwrap()[4], files::HANDLE);
    }

    /// A file of its own for a test, and its open handle.
    fn open_file(handles: &mut Handles, name: &str) -> (std::path::PathBuf, Vec<u8>) {
        const READ_WRITE_CREATE_TRUNCATE: u32 = 1 | 2 | 8 | 16;
        let path = std::env::temp_dir().join(format!("sftp-{name}-{}", std::process::id()));
        let open = Reply::new(3, 1).string(path.to_str().unwrap());
        let open = open.u32(READ_WRITE_CREATE_TRUNCATE).u32(0);
        let reply = answer(handles, &request(open)).unwrap();
        assert_eq!(reply[4], files::HANDLE);
        (path, reply[13..].to_vec())
    }

    /// The attributes of an open file: what fstat answers after its kind and number.
    fn attributes(handles: &mut Handles, handle: &[u8]) -> (u64, u32, [u32; 2]) {
        let reply = answer(handles, &request(Reply::new(8, 2).string(handle))).unwrap();
        assert_eq!(reply[4], 105, "no attributes: {reply:?}");
        let mut from = Reader::new(&reply[9..]);
        let (all, size) = (from.u32().unwrap(), from.u64().unwrap());
        assert_eq!(all, 1 | 2 | 4 | 8);
        let [_user, _group, mode, read, changed] = [(); 5].map(|()| from.u32().unwrap());
        (size, mode & 0o7777, [read, changed])
    }

    /// fsetstat and fstat speak of the file that is open, also when its name is another's.
    #[test]
    fn an_open_file_keeps_its_attributes_without_its_name() {
        let mut handles = Handles::default();
        let (path, handle) = open_file(&mut handles, "attributes");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another").unwrap();
        let (size, mode, times) = (1234, 0o4751, [1_000_000_000, 1_100_000_000]);
        let set = Reply::new(10, 3).string(&handle).u32(1 | 4 | 8);
        let set = set.u64(size).u32(mode).u32(times[0]).u32(times[1]);
        assert_eq!(status(&answer(&mut handles, &request(set)).unwrap()), 0);
        assert_eq!(attributes(&mut handles, &handle), (size, mode, times));
        assert_eq!(std::fs::read(&path).unwrap(), b"another");
        std::fs::remove_file(&path).unwrap();
    }

    /// Only what the request names changes.
    #[test]
    fn attributes_that_are_not_named_stay() {
        let mut handles = Handles::default();
        let (path, handle) = open_file(&mut handles, "some");
        let set = |handles: &mut Handles, set: Reply| {
            assert_eq!(status(&answer(handles, &request(set)).unwrap()), 0);
        };
        let begin = || Reply::new(10, 4).string(&handle);
        set(&mut handles, begin().u32(8).u32(7).u32(8));
        set(&mut handles, begin().u32(4).u32(0o640));
        assert_eq!(attributes(&mut handles, &handle), (0, 0o640, [7, 8]));
        set(&mut handles, begin().u32(1).u64(9));
        assert_eq!(attributes(&mut handles, &handle).0, 9);
        assert_eq!(attributes(&mut handles, &handle).1, 0o640);
        let too_large = begin().u32(1).u64(u64::MAX);
        assert_eq!(
            status(&answer(&mut handles, &request(too_large)).unwrap()),
            4
        );
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_folder_s_handle_has_no_attributes_of_a_file() {
        let mut handles = Handles::default();
        let open = request(Reply::new(11, 1).string("/"));
        let handle = answer(&mut handles, &open).unwrap()[13..].to_vec();
        for request_of in [Reply::new(8, 2), Reply::new(10, 2)] {
            let reply = answer(&mut handles, &request(request_of.string(&handle).u32(0)));
            assert_eq!(status(&reply.unwrap()), 4);
        }
    }
}

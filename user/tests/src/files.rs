//! Files and folders on a temporary file system, and the tables in /proc.

use crate::harness::{Folder, Outcome, Test, child, succeeds};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::stat::{Mode, umask};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

pub const TESTS: &[Test] = &[
    ("file.write_read_seek", write_read_seek),
    ("file.append_and_truncate", append_and_truncate),
    ("file.holes_are_zero", holes_are_zero),
    ("file.create_exclusively", create_exclusively),
    ("file.unlinked_stays_open", unlinked_stays_open),
    ("file.rename_replaces", rename_replaces),
    ("file.links", links),
    ("file.metadata", metadata),
    ("file.mode_and_mask", mode_and_mask),
    ("file.folders", folders),
    ("file.thousand_entries", thousand_entries),
    ("file.wrong_paths", wrong_paths),
    ("file.working_folder", working_folder),
    ("file.scatter_and_gather", scatter_and_gather),
    ("file.copy_and_send", copy_and_send),
    ("file.status_through_proc", status_through_proc),
    (
        "descriptor.duplicates_share_position",
        duplicates_share_position,
    ),
    ("descriptor.lowest_is_taken", lowest_is_taken),
    ("descriptor.flags", flags),
    ("descriptor.invalid", invalid),
    ("file.many_threads_append", many_threads_append),
    ("proc.self", proc_self),
    ("proc.stat_has_each_cpu", proc_stat_has_each_cpu),
    ("proc.tables", proc_tables),
    ("dev.null_zero_random", dev_null_zero_random),
];

fn write_read_seek() -> Outcome {
    let folder = Folder::new()?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(folder.path("f"))?;
    let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
    file.write_all(&bytes)?;
    ensure_eq!(file.seek(SeekFrom::Start(70_000))?, 70_000);
    let mut part = [0; 1_000];
    file.read_exact(&mut part)?;
    ensure!(part[..] == bytes[70_000..71_000]);
    ensure_eq!(file.seek(SeekFrom::End(-10))?, 99_990);
    ensure_eq!(file.seek(SeekFrom::Current(5))?, 99_995);
    ensure_eq!(file.read(&mut part)?, 5);
    ensure_eq!(file.read(&mut part)?, 0);
    ensure!(file.seek(SeekFrom::Current(-200_000)).is_err());
    file.write_all_at(b"XY", 1)?;
    ensure_eq!(
        fs::read(folder.path("f"))?[..4],
        [bytes[0], b'X', b'Y', bytes[3]]
    );
    Ok(())
}

fn append_and_truncate() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("f");
    fs::write(&path, "one")?;
    File::options()
        .append(true)
        .open(&path)?
        .write_all(b"two")?;
    ensure_eq!(fs::read_to_string(&path)?, "onetwo");
    let file = File::options().write(true).open(&path)?;
    file.set_len(4)?;
    ensure_eq!(fs::read_to_string(&path)?, "onet");
    file.set_len(6)?;
    ensure_eq!(fs::read(&path)?, b"onet\0\0");
    File::create(&path)?;
    ensure_eq!(fs::metadata(&path)?.len(), 0);
    Ok(())
}

fn holes_are_zero() -> Outcome {
    let folder = Folder::new()?;
    let file = File::create(folder.path("f"))?;
    file.write_all_at(b"end", 1_000_000)?;
    let bytes = fs::read(folder.path("f"))?;
    ensure_eq!(bytes.len(), 1_000_003);
    ensure!(bytes[..1_000_000].iter().all(|&byte| byte == 0));
    Ok(())
}

fn create_exclusively() -> Outcome {
    let folder = Folder::new()?;
    File::create_new(folder.path("f"))?;
    let again = File::create_new(folder.path("f"));
    ensure_eq!(
        again.map(drop).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::AlreadyExists)
    );
    Ok(())
}

fn unlinked_stays_open() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "still here")?;
    let mut file = File::open(folder.path("f"))?;
    fs::remove_file(folder.path("f"))?;
    ensure!(!folder.path("f").exists());
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    ensure_eq!(text, "still here");
    ensure_eq!(file.metadata()?.nlink(), 0);
    Ok(())
}

fn rename_replaces() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("a"), "a")?;
    fs::write(folder.path("b"), "b")?;
    fs::rename(folder.path("a"), folder.path("b"))?;
    ensure!(!folder.path("a").exists() && fs::read_to_string(folder.path("b"))? == "a");
    fs::create_dir(folder.path("d"))?;
    fs::create_dir(folder.path("d/inner"))?;
    ensure_eq!(
        fs::rename(folder.path("d"), folder.path("d/inner/x"))
            .map_err(|error| error.raw_os_error()),
        Err(Some(libc::EINVAL))
    );
    fs::rename(folder.path("d"), folder.path("e"))?;
    ensure!(folder.path("e/inner").is_dir());
    Ok(())
}

fn links() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "x")?;
    fs::hard_link(folder.path("f"), folder.path("g"))?;
    ensure_eq!(fs::metadata(folder.path("f"))?.nlink(), 2);
    ensure_eq!(
        fs::metadata(folder.path("f"))?.ino(),
        fs::metadata(folder.path("g"))?.ino()
    );
    std::os::unix::fs::symlink("f", folder.path("s"))?;
    ensure_eq!(fs::read_link(folder.path("s"))?.to_string_lossy(), "f");
    ensure_eq!(fs::read_to_string(folder.path("s"))?, "x");
    ensure!(fs::symlink_metadata(folder.path("s"))?.is_symlink());
    std::os::unix::fs::symlink("loop", folder.path("loop"))?;
    ensure_eq!(
        File::open(folder.path("loop"))
            .map(drop)
            .map_err(|error| error.raw_os_error()),
        Err(Some(libc::ELOOP))
    );
    Ok(())
}

fn metadata() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), vec![0; 10_000])?;
    let found = fs::metadata(folder.path("f"))?;
    ensure!(found.is_file() && found.len() == 10_000 && found.nlink() == 1);
    ensure!(fs::metadata(&folder.0)?.is_dir());
    let age = std::time::SystemTime::now().duration_since(found.modified()?);
    ensure!(age.is_ok_and(|age| age.as_secs() < 1_000));
    let file = File::options().write(true).open(folder.path("f"))?;
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
    file.set_modified(long_ago)?;
    ensure_eq!(fs::metadata(folder.path("f"))?.modified()?, long_ago);
    Ok(())
}

fn mode_and_mask() -> Outcome {
    let folder = Folder::new()?;
    umask(Mode::from_bits_truncate(0o027));
    File::create(folder.path("f"))?;
    ensure_eq!(fs::metadata(folder.path("f"))?.mode() & 0o7777, 0o640);
    fs::create_dir(folder.path("d"))?;
    ensure_eq!(fs::metadata(folder.path("d"))?.mode() & 0o7777, 0o750);
    fs::set_permissions(folder.path("f"), fs::Permissions::from_mode(0o4711))?;
    ensure_eq!(fs::metadata(folder.path("f"))?.mode() & 0o7777, 0o4711);
    ensure_eq!(umask(Mode::empty()).bits(), 0o027);
    Ok(())
}

fn folders() -> Outcome {
    let folder = Folder::new()?;
    fs::create_dir_all(folder.path("a/b/c"))?;
    let refused = fs::remove_dir(folder.path("a/b"));
    ensure_eq!(
        refused.map_err(|error| error.raw_os_error()),
        Err(Some(libc::ENOTEMPTY))
    );
    fs::remove_dir(folder.path("a/b/c"))?;
    fs::remove_dir(folder.path("a/b"))?;
    ensure_eq!(fs::read_dir(folder.path("a"))?.count(), 0);
    ensure_eq!(
        fs::create_dir(folder.path("a")).map_err(|error| error.raw_os_error()),
        Err(Some(libc::EEXIST))
    );
    Ok(())
}

fn thousand_entries() -> Outcome {
    let folder = Folder::new()?;
    for number in 0..1_000 {
        File::create(folder.path(&format!("entry-{number}")))?;
    }
    let names: HashSet<_> = fs::read_dir(&folder.0)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure_eq!(names.len(), 1_000);
    Ok(())
}

fn wrong_paths() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "")?;
    let refusal = |path: std::path::PathBuf| {
        File::open(path)
            .err()
            .and_then(|error| error.raw_os_error())
    };
    ensure_eq!(refusal(folder.path("none")), Some(libc::ENOENT));
    ensure_eq!(refusal(folder.path("f/x")), Some(libc::ENOTDIR));
    ensure_eq!(
        refusal(folder.path(&"n".repeat(300))),
        Some(libc::ENAMETOOLONG)
    );
    ensure_eq!(
        refusal(folder.path(&"d/".repeat(3_000))),
        Some(libc::ENAMETOOLONG)
    );
    ensure_eq!(refusal("".into()), Some(libc::ENOENT));
    ensure_eq!(
        fs::write(&folder.0, "").map_err(|error| error.raw_os_error()),
        Err(Some(libc::EISDIR))
    );
    ensure_eq!(
        fs::remove_file(folder.path("none")).map_err(|error| error.raw_os_error()),
        Err(Some(libc::ENOENT))
    );
    Ok(())
}

fn working_folder() -> Outcome {
    let folder = Folder::new()?;
    fs::create_dir(folder.path("d"))?;
    std::env::set_current_dir(folder.path("d"))?;
    ensure_eq!(std::env::current_dir()?, folder.path("d").canonicalize()?);
    fs::write("../beside", "x")?;
    ensure!(folder.path("beside").exists());
    let moved = child(|| i32::from(std::env::set_current_dir("/").is_err()))?;
    succeeds(moved)?;
    ensure!(std::env::current_dir()?.ends_with("d"));
    Ok(())
}

fn scatter_and_gather() -> Outcome {
    let folder = Folder::new()?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.path("f"))?;
    let parts = [
        std::io::IoSlice::new(b"ab"),
        std::io::IoSlice::new(b""),
        std::io::IoSlice::new(b"cde"),
    ];
    ensure_eq!(file.write_vectored(&parts)?, 5);
    file.rewind()?;
    let (mut first, mut second) = ([0; 1], [0; 10]);
    let mut parts = [
        std::io::IoSliceMut::new(&mut first),
        std::io::IoSliceMut::new(&mut second),
    ];
    ensure_eq!(file.read_vectored(&mut parts)?, 5);
    ensure!(&first == b"a" && &second[..4] == b"bcde");
    Ok(())
}

fn copy_and_send() -> Outcome {
    let folder = Folder::new()?;
    let bytes = vec![b'z'; 300_000];
    fs::write(folder.path("a"), &bytes)?;
    ensure_eq!(fs::copy(folder.path("a"), folder.path("b"))?, 300_000);
    ensure!(fs::read(folder.path("b"))? == bytes);
    Ok(())
}

fn duplicates_share_position() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "abcdef")?;
    let mut file = File::open(folder.path("f"))?;
    let mut other = File::from(nix::unistd::dup(&file)?);
    let mut two = [0; 2];
    file.read_exact(&mut two)?;
    other.read_exact(&mut two)?;
    ensure_eq!(&two, b"cd");
    succeeds(child(|| i32::from(other.read_exact(&mut two).is_err()))?)?;
    ensure_eq!(file.read(&mut two)?, 0); // the child took the rest
    Ok(())
}

fn lowest_is_taken() -> Outcome {
    let null = || open("/dev/null", OFlag::O_RDONLY, Mode::empty());
    let (first, second) = (null()?, null()?);
    let number = first.as_raw_fd();
    drop(first);
    let again = null()?;
    ensure_eq!(again.as_raw_fd(), number);
    ensure!(second.as_raw_fd() != number);
    let high = fcntl(&second, FcntlArg::F_DUPFD_CLOEXEC(100))?;
    ensure!(high >= 100);
    Ok(())
}

fn flags() -> Outcome {
    let file = open(
        "/dev/null",
        OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_APPEND,
        Mode::empty(),
    )?;
    ensure_eq!(fcntl(&file, FcntlArg::F_GETFD)?, FdFlag::FD_CLOEXEC.bits());
    let found = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    ensure!(found.contains(OFlag::O_RDWR | OFlag::O_APPEND) && !found.contains(OFlag::O_CLOEXEC));
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    ensure_eq!(fcntl(&file, FcntlArg::F_GETFD)?, 0);
    Ok(())
}

fn invalid() -> Outcome {
    // SAFETY: the descriptors are not open, or not for this; no memory is touched.
    let close = |number| Errno::result(unsafe { libc::close(number) });
    ensure_eq!(close(-1), Err(Errno::EBADF));
    ensure_eq!(close(1_000_000), Err(Errno::EBADF));
    let read_only = File::open("/dev/null")?;
    ensure_eq!(nix::unistd::write(&read_only, b"x"), Err(Errno::EBADF));
    let (reader, _writer) = nix::unistd::pipe()?;
    ensure_eq!(
        nix::unistd::lseek(&reader, 0, nix::unistd::Whence::SeekSet),
        Err(Errno::ESPIPE)
    );
    Ok(())
}

fn many_threads_append() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("log");
    File::create(&path)?;
    std::thread::scope(|scope| {
        for number in 0..8_u8 {
            let path = &path;
            scope.spawn(move || {
                let Ok(mut file) = File::options().append(true).open(path) else {
                    return;
                };
                (0..200).for_each(|_| drop(file.write_all(&[b'a' + number; 64])));
            });
        }
    });
    let bytes = fs::read(&path)?;
    ensure_eq!(bytes.len(), 8 * 200 * 64);
    ensure!(
        bytes
            .chunks(64)
            .all(|chunk| chunk.iter().all(|&byte| byte == chunk[0]))
    );
    Ok(())
}

fn proc_self() -> Outcome {
    let own = std::process::id();
    ensure_eq!(
        fs::read_link("/proc/self")?.to_string_lossy(),
        own.to_string()
    );
    let status = fs::read_to_string("/proc/self/status")?;
    ensure!(
        status
            .lines()
            .any(|line| line.split_whitespace().eq(["Pid:", &own.to_string()]))
    );
    let command = fs::read("/proc/self/cmdline")?;
    ensure!(command.ends_with(b"\0") && !command.starts_with(b"\0"));
    let here = &raw const own as usize;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let holds = |line: &str| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some((number(start)?..number(end)?).contains(&here))
    };
    ensure!(maps.lines().any(|line| holds(line) == Some(true)));
    let file = File::open("/dev/null")?;
    let link = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    ensure_eq!(link.to_string_lossy(), "/dev/null");
    ensure!(fs::read_dir("/proc/self/task")?.count() == 1);
    Ok(())
}

fn proc_stat_has_each_cpu() -> Outcome {
    let cpus = std::thread::available_parallelism()?.get();
    let look = || -> std::io::Result<Vec<u64>> {
        let text = fs::read_to_string("/proc/stat")?;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
        Ok(lines
            .map(|line| {
                line.split_whitespace()
                    .skip(1)
                    .take(7)
                    .filter_map(|word| word.parse::<u64>().ok())
                    .sum()
            })
            .collect())
    };
    let before = look()?;
    ensure!(
        before.len() >= cpus,
        "{} lines for {cpus} CPUs",
        before.len()
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    let after = look()?;
    ensure!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| after >= before)
    );
    ensure!(before.iter().sum::<u64>() < after.iter().sum::<u64>());
    Ok(())
}

fn proc_tables() -> Outcome {
    for (path, word) in [
        ("/proc/meminfo", "MemTotal:"),
        ("/proc/cpuinfo", "processor"),
        ("/proc/uptime", "."),
        ("/proc/loadavg", "/"),
        ("/proc/mounts", "/proc"),
        ("/proc/version", " "),
        ("/sys/devices/system/cpu/online", "0"),
    ] {
        ensure!(
            fs::read_to_string(path)?.contains(word),
            "{path} lacks {word:?}"
        );
    }
    ensure!(fs::write("/proc/uptime", "x").is_err());
    Ok(())
}

fn dev_null_zero_random() -> Outcome {
    let mut buffer = [1; 64];
    ensure_eq!(File::open("/dev/null")?.read(&mut buffer)?, 0);
    ensure_eq!(
        File::options()
            .write(true)
            .open("/dev/null")?
            .write(&buffer)?,
        64
    );
    File::open("/dev/zero")?.read_exact(&mut buffer)?;
    ensure!(buffer == [0; 64]);
    let mut other = [0; 64];
    File::open("/dev/urandom")?.read_exact(&mut buffer)?;
    File::open("/dev/urandom")?.read_exact(&mut other)?;
    ensure!(buffer != other && buffer != [0; 64]);
    Ok(())
}

/// stat(2) follows /proc/self/fd to files that have no path.
fn status_through_proc() -> Outcome {
    use std::os::unix::fs::FileTypeExt;
    let (reader, _writer) = std::io::pipe()?;
    let status = fs::metadata(format!("/proc/self/fd/{}", reader.as_raw_fd()))?;
    ensure!(status.file_type().is_fifo());
    let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
    let status = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd()))?;
    ensure!(status.file_type().is_socket());
    Ok(())
}

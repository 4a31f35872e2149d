//! What is in a file: reading, writing, positions, copies.

use crate::harness::{Folder, Outcome, Test};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

pub const TESTS: &[Test] = &[
    ("file.write_read_seek", write_read_seek),
    ("file.append_and_truncate", append_and_truncate),
    ("file.holes_are_zero", holes_are_zero),
    ("file.scatter_and_gather", scatter_and_gather),
    ("file.copy_and_send", copy_and_send),
    ("file.many_threads_append", many_threads_append),
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

use super::*;
use crate::fs::node::Attachment;
use alloc::vec;
use alloc::vec::Vec;
use std::thread;

fn read(file: &OpenFile, count: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; count];
    let moved = file.read(&mut Sink::Kernel(&mut out))?;
    out.truncate(moved);
    Ok(out)
}

fn write(file: &OpenFile, data: &[u8]) -> Result<usize> {
    file.write(&mut Source::Kernel(data))
}

fn nonblocking() -> (Arc<OpenFile>, Arc<OpenFile>) {
    new(OpenFlags::NONBLOCK)
}

#[test]
fn bytes_pass_and_the_end_is_seen() {
    let (reader, writer) = nonblocking();
    assert_eq!(read(&reader, 8), Err(Errno::EAGAIN));
    assert_eq!(write(&writer, b"hello"), Ok(5));
    assert_eq!(read(&reader, 3), Ok(b"hel".to_vec()));
    drop(writer);
    assert_eq!(read(&reader, 8), Ok(b"lo".to_vec()));
    assert_eq!(read(&reader, 8), Ok(vec![]));
}

#[test]
fn ends_have_a_direction() {
    let (reader, writer) = nonblocking();
    assert_eq!(write(&reader, b"x"), Err(Errno::EBADF));
    assert_eq!(read(&writer, 1), Err(Errno::EBADF));
    assert_eq!(reader.check_seekable(), Err(Errno::ESPIPE));
}

#[test]
fn writing_without_a_reader_is_epipe() {
    let (reader, writer) = nonblocking();
    drop(reader);
    assert_eq!(write(&writer, b"x"), Err(Errno::EPIPE));
}

#[test]
fn short_writes_are_whole_and_long_ones_take_what_fits() {
    let (reader, writer) = nonblocking();
    assert_eq!(
        write(&writer, &[0; DEFAULT_CAPACITY - 100]),
        Ok(DEFAULT_CAPACITY - 100)
    );
    assert_eq!(write(&writer, &[0; 101]), Err(Errno::EAGAIN));
    assert_eq!(write(&writer, &[0; PIPE_BUF + 1]), Ok(100));
    assert_eq!(write(&writer, &[0; 1]), Err(Errno::EAGAIN));
    assert_eq!(read(&reader, 50).map(|bytes| bytes.len()), Ok(50));
    assert_eq!(write(&writer, &[0; 50]), Ok(50));
}

#[test]
fn readiness_follows_the_content() {
    let (reader, writer) = nonblocking();
    let (input, output) = (
        PollEvents::IN | PollEvents::RDNORM,
        PollEvents::OUT | PollEvents::WRNORM,
    );
    assert_eq!(reader.file().poll(), PollEvents::empty());
    assert_eq!(writer.file().poll(), output);
    write(&writer, &[0; DEFAULT_CAPACITY - PIPE_BUF + 1]).unwrap();
    assert_eq!(reader.file().poll(), input);
    assert_eq!(writer.file().poll(), PollEvents::empty());
    read(&reader, 1).unwrap();
    assert_eq!(writer.file().poll(), output);
    drop(writer);
    assert_eq!(reader.file().poll(), input | PollEvents::HUP);
    let (reader, writer) = nonblocking();
    drop(reader);
    assert_eq!(writer.file().poll(), output | PollEvents::ERR);
}

#[test]
fn size_and_available_bytes_are_told() {
    let (reader, writer) = nonblocking();
    let file = reader.file();
    write(&writer, &[0; 5000]).unwrap();
    let mut available = 0i32;
    file.ioctl(FIONREAD, (&raw mut available).addr()).unwrap();
    assert_eq!(available, 5000);
    assert_eq!(file.control(F_GETPIPE_SZ, 0), Ok(DEFAULT_CAPACITY));
    assert_eq!(file.control(F_SETPIPE_SZ, 5000), Ok(8192));
    assert_eq!(file.control(F_SETPIPE_SZ, 1), Err(Errno::EBUSY));
    assert_eq!(file.control(9999, 1), Err(Errno::EINVAL));
}

/// More bytes than fit, with writers and readers that really wait.
#[test]
fn waiting_readers_and_writers_move_everything() {
    const EACH: usize = 300_000;
    let (reader, writer) = new(OpenFlags::empty());
    let writers: Vec<_> = (0..3u8)
        .map(|tag| {
            let writer = writer.clone();
            thread::spawn(move || {
                for chunk in vec![tag; EACH].chunks(1000 + 7 * tag as usize) {
                    assert_eq!(write(&writer, chunk), Ok(chunk.len()));
                }
            })
        })
        .collect();
    drop(writer);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader = reader.clone();
            thread::spawn(move || {
                let mut counts = [0usize; 3];
                loop {
                    let bytes = read(&reader, 3333).unwrap();
                    if bytes.is_empty() {
                        return counts;
                    }
                    bytes.iter().for_each(|&tag| counts[tag as usize] += 1);
                }
            })
        })
        .collect();
    writers
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let counts = readers.into_iter().map(|thread| thread.join().unwrap());
    let total = counts.fold([0; 3], |sum, part| {
        core::array::from_fn(|tag| sum[tag] + part[tag])
    });
    assert_eq!(total, [EACH; 3]);
}

#[test]
fn small_writes_are_not_mixed() {
    let (reader, writer) = new(OpenFlags::empty());
    let writers: Vec<_> = (0..3u8)
        .map(|tag| {
            let writer = writer.clone();
            thread::spawn(move || {
                (0..200).for_each(|_| {
                    write(&writer, &[tag; 512]).unwrap();
                })
            })
        })
        .collect();
    drop(writer);
    let mut all = Vec::new();
    while let Ok(bytes) = read(&reader, 999)
        && !bytes.is_empty()
    {
        all.extend(bytes);
    }
    writers
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(all.len(), 3 * 200 * 512);
    assert!(
        all.chunks(512)
            .all(|message| message.iter().all(|&byte| byte == message[0]))
    );
}

#[test]
fn a_fifo_opens_when_both_sides_are_there() {
    let attachment: &'static Attachment =
        alloc::boxed::Box::leak(alloc::boxed::Box::new(Attachment::new(None)));
    let writing = OpenFlags::WRONLY;
    assert_eq!(
        open_fifo(attachment, writing | OpenFlags::NONBLOCK).err(),
        Some(Errno::ENXIO)
    );
    let reader = thread::spawn(move || {
        let file = open_fifo(attachment, OpenFlags::RDONLY).unwrap();
        let open = OpenFile::new(file, OpenFlags::RDONLY);
        read(&open, 9).unwrap()
    });
    let writer = OpenFile::new(open_fifo(attachment, writing).unwrap(), writing);
    write(&writer, b"fifo").unwrap();
    assert_eq!(reader.join().unwrap(), b"fifo");
}

#[test]
fn a_fifo_reader_sees_no_hang_up_before_a_writer() {
    let attachment = Attachment::new(None);
    let flags = OpenFlags::RDONLY | OpenFlags::NONBLOCK;
    let reader = OpenFile::new(open_fifo(&attachment, flags).unwrap(), flags);
    assert_eq!(reader.file().poll(), PollEvents::empty());
    assert_eq!(read(&reader, 1), Ok(vec![]));
    let writer = open_fifo(&attachment, OpenFlags::WRONLY).unwrap();
    assert_eq!(read(&reader, 1), Err(Errno::EAGAIN));
    drop(writer);
    assert_eq!(reader.file().poll(), PollEvents::HUP);
}

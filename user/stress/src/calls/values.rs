//! What arguments are made of: things that exist, their neighbours, and what never exists.

use crate::random::Random;

/// Memory that the calls read and write.
const ARENA: usize = 256 << 10;
const PAGE: usize = 4096;

/// Names in the arena's first page, one every 64 bytes.
const NAMES: &[&str] = &[
    ".",
    "..",
    "/",
    "a",
    "b",
    "a/b",
    "no/such/thing",
    "/dev/null",
    "/dev/zero",
    "/dev/ptmx",
    "/dev/tty",
    "/dev/urandom",
    "/proc/self/maps",
    "/proc/self/fd",
    "/proc/self/fd/3",
    "/proc/self/task",
    "/proc/self/mem",
    "/proc/self/stat",
    "/proc/self/smaps",
    "/proc/sched_debug",
    "/proc/weft/threads",
    "/proc/mounts",
    "/proc",
    "/sys/devices/system/cpu",
    "/bin/sh",
    "/bin/true",
    "/tmp",
    "",
];
const NAME_STEP: usize = 64;

pub struct Values {
    arena: usize,
    descriptors: Vec<usize>,
}

/// One of each kind of file there is.
fn descriptors() -> Vec<usize> {
    let mut made = Vec::new();
    let mut add = |fd: i64| made.extend(usize::try_from(fd));
    // SAFETY: constant strings, and arrays that live as long as the calls.
    unsafe {
        for (path, flags) in [
            (c"/dev/null", libc::O_RDWR),
            (c"/dev/zero", libc::O_RDWR),
            (c"/dev/urandom", libc::O_RDONLY),
            (c"/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY),
            (c"/proc/self/maps", libc::O_RDONLY),
            (c"/proc/self/task", libc::O_RDONLY | libc::O_DIRECTORY),
            (c"/proc", libc::O_RDONLY | libc::O_DIRECTORY),
            (c".", libc::O_RDONLY | libc::O_DIRECTORY),
            (c"a", libc::O_RDWR | libc::O_CREAT),
            (c"b", libc::O_RDWR | libc::O_CREAT | libc::O_APPEND),
        ] {
            add(libc::open(path.as_ptr(), flags | libc::O_NONBLOCK, 0o777).into());
        }
        let mut pair = [0; 2];
        let kinds = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET];
        for kind in kinds {
            libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr());
            pair.iter().for_each(|&fd| add(fd.into()));
        }
        libc::pipe2(pair.as_mut_ptr(), libc::O_NONBLOCK);
        pair.iter().for_each(|&fd| add(fd.into()));
        for kind in kinds {
            add(libc::socket(libc::AF_INET, kind, 0).into());
        }
        let listener = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        libc::listen(listener, 4);
        add(listener.into());
        add(libc::eventfd(1, libc::EFD_NONBLOCK).into());
        add(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0).into());
        add(libc::epoll_create1(0).into());
        add(libc::epoll_create1(0).into());
        add(libc::memfd_create(c"m".as_ptr(), libc::MFD_ALLOW_SEALING).into());
        add(libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0));
    }
    made
}

impl Values {
    /// Where `/tmp/calls` is this program's working directory.
    pub fn new() -> Option<Self> {
        // SAFETY: constant strings; new memory.
        let arena = unsafe {
            libc::mkdir(c"/tmp/calls".as_ptr(), 0o777);
            libc::chmod(c"/tmp/calls".as_ptr(), 0o777);
            libc::chdir(c"/tmp/calls".as_ptr());
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let arena = libc::mmap(std::ptr::null_mut(), ARENA + PAGE, rights, flags, -1, 0);
            if arena == libc::MAP_FAILED {
                return None;
            }
            // The last page cannot be reached: what runs off the arena is noticed.
            libc::munmap(arena.byte_add(ARENA), PAGE);
            arena as usize
        };
        for (index, name) in NAMES.iter().enumerate() {
            // SAFETY: the names fit into the first page, which nobody else uses.
            unsafe {
                let place = (arena + index * NAME_STEP) as *mut u8;
                place.copy_from_nonoverlapping(name.as_ptr(), name.len());
            }
        }
        Some(Self {
            arena,
            descriptors: descriptors(),
        })
    }

    /// A value of this kind (see `table.rs`), or now and then of any.
    pub fn draw(&mut self, kind: u8, random: &mut Random) -> usize {
        let kind = match random.one_in(16) {
            true => b'*',
            false => kind,
        };
        match kind {
            b'f' => self.descriptor(random),
            b'p' => self.pointer(random),
            b's' => self.arena + random.below(NAMES.len()) * NAME_STEP,
            b'l' => [8, 16, 64, PAGE, ARENA][random.below(5)] - random.below(9),
            b'm' => (1 + random.below(64)) * PAGE,
            b'i' => random.below(17),
            b'b' => random.below(1 << 13),
            b't' => 1 + random.below(40),
            b'n' => 0,
            b'q' => [0, std::process::id() as usize][random.below(2)],
            b'A' => libc::AT_FDCWD as usize,
            b'a' => self.arena + PAGE + random.below(ARENA / PAGE - 1) * PAGE,
            _ => self.anything(random),
        }
    }

    fn descriptor(&self, random: &mut Random) -> usize {
        match random.one_in(3) {
            true => random.below(256),
            false => self.descriptors.get(random.below(40)).copied().unwrap_or(5),
        }
    }

    /// Somewhere in the arena; what lies there is often made up first.
    fn pointer(&mut self, random: &mut Random) -> usize {
        let at = match random.below(8) {
            0 => return 0,
            1 => self.arena + ARENA - random.below(64),
            _ => self.arena + PAGE + random.below((ARENA - 2 * PAGE) / 8) * 8,
        };
        let room = (self.arena + ARENA - at) / 8;
        for word in 0..random.below(8).min(room) {
            let value = match random.below(6) {
                0 => self.arena + PAGE + random.below(ARENA - PAGE),
                1 => self.descriptor(random) | (self.descriptor(random) << 32),
                2 => random.below(200) << (32 * random.below(2)),
                3 => random.below(1 << 30),
                _ => self.anything(random),
            };
            // SAFETY: inside the arena. Should the program have unmapped it, it ends here.
            unsafe { ((at + word * 8) as *mut usize).write_unaligned(value) };
        }
        at
    }

    fn anything(&self, random: &mut Random) -> usize {
        match random.below(10) {
            0 => 0,
            1 => usize::MAX - random.below(32),
            2 => 1 << random.below(64),
            3 => (1 << random.below(64)) - 1,
            4 => i32::MAX as usize - random.below(3),
            5 => self.arena + random.below(ARENA),
            6 => 0xffff_8000_0000_0000 + random.below(1 << 40),
            7 => 0x0000_ffff_ffff_f000 - random.below(2) * PAGE,
            8 => random.below(usize::MAX),
            _ => random.below(256),
        }
    }
}

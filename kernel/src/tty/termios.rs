//! Terminal settings as Linux lays them out for AArch64 (termios(3), asm-generic/termbits.h).

use crate::user_memory::plain;

/// Number of control characters in the kernel's `struct termios`.
pub const NCCS: usize = 19;

/// `struct termios2`; `struct termios` is the same without the speeds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    pub input: u32,
    pub output: u32,
    pub control: u32,
    pub local: u32,
    pub line: u8,
    pub characters: [u8; NCCS],
    pub input_speed: u32,
    pub output_speed: u32,
}
plain!(Termios);

/// Bytes of the old `struct termios` (TCGETS): everything before the speeds.
pub const OLD_TERMIOS_SIZE: usize = core::mem::offset_of!(Termios, input_speed);

/// `struct winsize` (ioctl_tty(2)).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    pub rows: u16,
    pub columns: u16,
    pub x_pixels: u16,
    pub y_pixels: u16,
}
plain!(WindowSize);

// c_iflag
pub const ISTRIP: u32 = 0x20;
pub const INLCR: u32 = 0x40;
pub const IGNCR: u32 = 0x80;
pub const ICRNL: u32 = 0x100;
pub const IXON: u32 = 0x400;
pub const IXANY: u32 = 0x800;
pub const IMAXBEL: u32 = 0x2000;
pub const IUTF8: u32 = 0x4000;
// c_oflag
pub const OPOST: u32 = 0x1;
pub const ONLCR: u32 = 0x4;
pub const OCRNL: u32 = 0x8;
// c_cflag
const CS8: u32 = 0x30;
const CREAD: u32 = 0x80;
const B38400: u32 = 0xf;
// c_lflag
pub const ISIG: u32 = 0x1;
pub const ICANON: u32 = 0x2;
pub const ECHO: u32 = 0x8;
pub const ECHOE: u32 = 0x10;
pub const ECHOK: u32 = 0x20;
pub const ECHONL: u32 = 0x40;
pub const NOFLSH: u32 = 0x80;
pub const TOSTOP: u32 = 0x100;
pub const ECHOCTL: u32 = 0x200;
pub const ECHOKE: u32 = 0x800;
pub const IEXTEN: u32 = 0x8000;

// Indices into `characters`
pub const VINTR: usize = 0;
pub const VQUIT: usize = 1;
pub const VERASE: usize = 2;
pub const VKILL: usize = 3;
pub const VEOF: usize = 4;
pub const VTIME: usize = 5;
pub const VMIN: usize = 6;
pub const VSTART: usize = 8;
pub const VSTOP: usize = 9;
pub const VSUSP: usize = 10;
pub const VEOL: usize = 11;
pub const VREPRINT: usize = 12;
pub const VWERASE: usize = 14;
pub const VLNEXT: usize = 15;
pub const VEOL2: usize = 16;

const fn ctrl(letter: u8) -> u8 {
    letter & 0x1f
}

impl Termios {
    /// What a fresh terminal has, as Linux's `tty_std_termios`.
    pub const fn sane() -> Self {
        let mut characters = [0; NCCS];
        characters[VINTR] = ctrl(b'C');
        characters[VQUIT] = ctrl(b'\\');
        characters[VERASE] = 0x7f;
        characters[VKILL] = ctrl(b'U');
        characters[VEOF] = ctrl(b'D');
        characters[VMIN] = 1;
        characters[VSTART] = ctrl(b'Q');
        characters[VSTOP] = ctrl(b'S');
        characters[VSUSP] = ctrl(b'Z');
        characters[VREPRINT] = ctrl(b'R');
        characters[VWERASE] = ctrl(b'W');
        characters[VLNEXT] = ctrl(b'V');
        Self {
            input: ICRNL | IXON | IUTF8,
            output: OPOST | ONLCR,
            control: B38400 | CS8 | CREAD,
            local: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            line: 0,
            characters,
            input_speed: 38_400,
            output_speed: 38_400,
        }
    }

    pub fn has_input(&self, flag: u32) -> bool {
        self.input & flag != 0
    }

    pub fn has_output(&self, flag: u32) -> bool {
        self.output & flag != 0
    }

    pub fn has_local(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// Whether `byte` is the control character `index`; 0 disables one (`_POSIX_VDISABLE`).
    pub fn is(&self, index: usize, byte: u8) -> bool {
        self.characters[index] != 0 && self.characters[index] == byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_linux() {
        assert_eq!(size_of::<Termios>(), 44);
        assert_eq!(OLD_TERMIOS_SIZE, 36);
    }
}

//! The line discipline (Linux's N_TTY, POSIX "General Terminal Interface"): what becomes of each
//! byte that is typed. Pure: bytes in; readable bytes, echo and signals out.

use super::termios::{self as t, Termios};
use alloc::collections::VecDeque;

/// Readable and still edited bytes together, as Linux's N_TTY_BUF_SIZE.
pub const CAPACITY: usize = 4096;

/// What a typed byte asks for beyond being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// Send this signal to the foreground process group.
    Signal(TerminalSignal),
    /// Ctrl-S: output stops.
    Stop,
    /// Ctrl-Q (or any key with IXANY): output goes on.
    Start,
}

/// The signals a keyboard can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalSignal {
    Interrupt,
    Quit,
    Suspend,
}

/// The input side of a terminal.
pub struct Discipline {
    /// Finished input; in canonical mode cut into `records`.
    ready: VecDeque<u8>,
    /// Lengths of the finished lines in `ready`; 0 is an end of file.
    records: VecDeque<u16>,
    /// The line being edited (canonical mode).
    line: VecDeque<u8>,
    /// The previous byte was LNEXT: the next one is literal.
    literal_next: bool,
    stopped: bool,
}

impl Default for Discipline {
    fn default() -> Self {
        Self::new()
    }
}

impl Discipline {
    pub fn new() -> Self {
        Self {
            ready: VecDeque::with_capacity(CAPACITY),
            records: VecDeque::with_capacity(CAPACITY),
            line: VecDeque::with_capacity(CAPACITY),
            literal_next: false,
            stopped: false,
        }
    }

    /// How many more bytes input may add.
    pub fn room(&self) -> usize {
        CAPACITY - self.ready.len() - self.line.len()
    }

    /// Bytes a read could return (FIONREAD).
    pub fn available(&self) -> usize {
        self.ready.len()
    }

    /// Whether a read returns at once, an end of file included.
    pub fn readable(&self, settings: &Termios) -> bool {
        if settings.has_local(t::ICANON) {
            !self.records.is_empty()
        } else {
            !self.ready.is_empty()
        }
    }

    /// Moves input into `out`: at most one line in canonical mode; 0 is an end of file there.
    pub fn read(&mut self, settings: &Termios, out: &mut [u8]) -> usize {
        if !settings.has_local(t::ICANON) {
            return self.take(out);
        }
        let Some(record) = self.records.front().map(|&length| usize::from(length)) else {
            return 0;
        };
        let wanted = out.len().min(record);
        let count = self.take(&mut out[..wanted]);
        if count == record {
            self.records.pop_front();
        } else {
            self.records[0] -= count as u16;
        }
        count
    }

    fn take(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.ready.len());
        for (slot, byte) in out.iter_mut().zip(self.ready.drain(..count)) {
            *slot = byte;
        }
        count
    }

    /// Forgets all input (TCIFLUSH, signals).
    pub fn flush(&mut self) {
        self.ready.clear();
        self.records.clear();
        self.line.clear();
    }

    /// Follows a change of ICANON: pending input stays readable in either mode.
    pub fn mode_changed(&mut self, canonical: bool) {
        if canonical {
            self.records.clear();
            if !self.ready.is_empty() {
                self.records.push_back(self.ready.len() as u16);
            }
        } else {
            self.records.clear();
            self.ready.append(&mut self.line);
        }
    }

    /// Takes one typed byte; `echo` receives what the terminal shows for it.
    pub fn input(&mut self, byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) -> Effect {
        let byte = if settings.has_input(t::ISTRIP) {
            byte & 0x7f
        } else {
            byte
        };
        if core::mem::take(&mut self.literal_next) {
            self.store(byte, settings, echo);
            return Effect::Nothing;
        }
        if let Some(effect) = self.flow_control(byte, settings) {
            return effect;
        }
        if let Some(signal) = signal_of(byte, settings) {
            return self.signal(signal, byte, settings, echo);
        }
        if let Some(byte) = translate(byte, settings) {
            if settings.has_local(t::ICANON) {
                self.edit(byte, settings, echo);
            } else {
                self.store(byte, settings, echo);
            }
        }
        Effect::Nothing
    }

    fn flow_control(&mut self, byte: u8, settings: &Termios) -> Option<Effect> {
        if !settings.has_input(t::IXON) {
            return None;
        }
        if settings.is(t::VSTOP, byte) {
            self.stopped = true;
            return Some(Effect::Stop);
        }
        let restart = settings.is(t::VSTART, byte);
        if restart || (self.stopped && settings.has_input(t::IXANY)) {
            self.stopped = false;
            return restart.then_some(Effect::Start);
        }
        None
    }

    /// Whether Ctrl-S holds output back.
    pub fn output_stopped(&self) -> bool {
        self.stopped
    }

    /// tcflow(3): TCOOFF and TCOON.
    pub fn set_output_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    fn signal(
        &mut self,
        signal: TerminalSignal,
        byte: u8,
        settings: &Termios,
        echo: &mut dyn FnMut(&[u8]),
    ) -> Effect {
        if !settings.has_local(t::NOFLSH) {
            self.flush();
        }
        if settings.has_local(t::ECHO) {
            echo_byte(byte, settings, echo);
        }
        self.stopped = false;
        Effect::Signal(signal)
    }

    /// Canonical mode: editing keys, line ends, everything else joins the line.
    fn edit(&mut self, byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        let extended = settings.has_local(t::IEXTEN);
        if settings.is(t::VERASE, byte) {
            self.erase_character(settings, echo);
        } else if extended && settings.is(t::VWERASE, byte) {
            self.erase_word(settings, echo);
        } else if settings.is(t::VKILL, byte) {
            self.kill_line(settings, echo);
        } else if extended && settings.is(t::VLNEXT, byte) {
            self.literal_next = true;
        } else if extended && settings.is(t::VREPRINT, byte) {
            self.reprint(byte, settings, echo);
        } else if settings.is(t::VEOF, byte) {
            self.finish_line();
        } else if byte == b'\n'
            || settings.is(t::VEOL, byte)
            || (extended && settings.is(t::VEOL2, byte))
        {
            self.end_line(byte, settings, echo);
        } else {
            self.store(byte, settings, echo);
        }
    }

    fn end_line(&mut self, byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        if settings.has_local(t::ECHO) || (byte == b'\n' && settings.has_local(t::ECHONL)) {
            echo_byte(byte, settings, echo);
        }
        if self.room() > 0 {
            self.line.push_back(byte);
        }
        self.finish_line();
    }

    fn finish_line(&mut self) {
        if self.records.len() < CAPACITY {
            self.records.push_back(self.line.len() as u16);
            self.ready.append(&mut self.line);
        }
    }

    /// Adds a literal byte. One place stays free in canonical mode, so that a line can end.
    fn store(&mut self, byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        let canonical = settings.has_local(t::ICANON);
        if self.room() <= usize::from(canonical) {
            if settings.has_input(t::IMAXBEL) {
                echo(b"\x07");
            }
            return;
        }
        if settings.has_local(t::ECHO) {
            echo_byte(byte, settings, echo);
        }
        if canonical {
            self.line.push_back(byte)
        } else {
            self.ready.push_back(byte)
        }
    }

    fn erase_character(&mut self, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        let Some(mut byte) = self.line.pop_back() else {
            return;
        };
        // A UTF-8 character goes whole: continuation bytes first, then its leading byte.
        while settings.has_input(t::IUTF8) && is_continuation(byte) {
            match self.line.pop_back() {
                Some(previous) => byte = previous,
                None => break,
            }
        }
        self.show_erase(byte, settings, echo);
    }

    fn show_erase(&self, byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        if !settings.has_local(t::ECHO) {
            return;
        }
        if !settings.has_local(t::ECHOE) {
            return echo_byte(settings.characters[t::VERASE], settings, echo);
        }
        for _ in 0..width(byte, settings) {
            echo(b"\x08 \x08");
        }
    }

    fn erase_word(&mut self, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        let blank = |byte: &u8| byte.is_ascii_whitespace();
        while self.line.back().is_some_and(blank) {
            self.erase_character(settings, echo);
        }
        while self.line.back().is_some_and(|byte| !blank(byte)) {
            self.erase_character(settings, echo);
        }
    }

    fn kill_line(&mut self, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        if settings.has_local(t::ECHOKE) && settings.has_local(t::ECHOE) {
            while !self.line.is_empty() {
                self.erase_character(settings, echo);
            }
            return;
        }
        self.line.clear();
        if settings.has_local(t::ECHOK) && settings.has_local(t::ECHO) {
            echo(b"\n");
        }
    }

    fn reprint(&mut self, byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
        if !settings.has_local(t::ECHO) {
            return;
        }
        echo_byte(byte, settings, echo);
        echo(b"\n");
        for &byte in &self.line {
            echo_byte(byte, settings, echo);
        }
    }
}

fn signal_of(byte: u8, settings: &Termios) -> Option<TerminalSignal> {
    if !settings.has_local(t::ISIG) {
        return None;
    }
    [
        (t::VINTR, TerminalSignal::Interrupt),
        (t::VQUIT, TerminalSignal::Quit),
        (t::VSUSP, TerminalSignal::Suspend),
    ]
    .into_iter()
    .find_map(|(index, signal)| settings.is(index, byte).then_some(signal))
}

/// CR and NL as the input flags want them; `None` drops the byte.
fn translate(byte: u8, settings: &Termios) -> Option<u8> {
    match byte {
        b'\r' if settings.has_input(t::IGNCR) => None,
        b'\r' if settings.has_input(t::ICRNL) => Some(b'\n'),
        b'\n' if settings.has_input(t::INLCR) => Some(b'\r'),
        _ => Some(byte),
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Whether echo shows `byte` as `^X`.
fn shown_as_caret(byte: u8, settings: &Termios) -> bool {
    settings.has_local(t::ECHOCTL)
        && (byte < 0x20 || byte == 0x7f)
        && byte != b'\n'
        && byte != b'\t'
}

fn width(byte: u8, settings: &Termios) -> usize {
    if shown_as_caret(byte, settings) { 2 } else { 1 }
}

fn echo_byte(byte: u8, settings: &Termios, echo: &mut dyn FnMut(&[u8])) {
    if shown_as_caret(byte, settings) {
        echo(&[b'^', byte ^ 0x40]);
    } else {
        echo(&[byte]);
    }
}

/// Output processing: hands `data` to `emit` as the output flags want it.
pub fn process_output(byte: u8, settings: &Termios) -> ([u8; 2], usize) {
    if !settings.has_output(t::OPOST) {
        return ([byte, 0], 1);
    }
    match byte {
        b'\n' if settings.has_output(t::ONLCR) => (*b"\r\n", 2),
        b'\r' if settings.has_output(t::OCRNL) => ([b'\n', 0], 1),
        _ => ([byte, 0], 1),
    }
}

#[cfg(test)]
mod tests;

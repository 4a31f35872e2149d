//! A person at a terminal.

use super::*;
use alloc::vec::Vec;

struct Session {
    discipline: Discipline,
    settings: Termios,
    shown: Vec<u8>,
}

impl Session {
    fn new() -> Self {
        Self {
            discipline: Discipline::new(),
            settings: Termios::sane(),
            shown: Vec::new(),
        }
    }

    fn type_(&mut self, bytes: &[u8]) -> Effect {
        let mut last = Effect::Nothing;
        for &byte in bytes {
            let shown = &mut self.shown;
            last = self.discipline.input(byte, &self.settings, &mut |data| {
                shown.extend_from_slice(data)
            });
        }
        last
    }

    fn read(&mut self) -> Vec<u8> {
        let mut out = [0; 64];
        let count = self.discipline.read(&self.settings, &mut out);
        out[..count].to_vec()
    }
}

#[test]
fn a_line_is_readable_only_when_it_ends() {
    let mut session = Session::new();
    session.type_(b"ls");
    assert!(!session.discipline.readable(&session.settings));
    session.type_(b"\r");
    assert!(session.discipline.readable(&session.settings));
    assert_eq!(session.read(), b"ls\n");
    assert_eq!(session.shown, b"ls\n");
}

#[test]
fn two_lines_are_read_one_at_a_time_and_in_parts() {
    let mut session = Session::new();
    session.type_(b"one\ntwo\n");
    let mut out = [0; 2];
    assert_eq!(
        session.discipline.read(&session.settings.clone(), &mut out),
        2
    );
    assert_eq!(session.read(), b"e\n");
    assert_eq!(session.read(), b"two\n");
}

#[test]
fn erase_word_and_kill_edit_the_line() {
    let mut session = Session::new();
    session.type_(b"abX\x7fc de\x17\x17q\x15echo hi\n");
    assert_eq!(session.read(), b"echo hi\n");
}

#[test]
fn erase_removes_a_whole_utf8_character() {
    let mut session = Session::new();
    session.type_("aé\x7fb\n".as_bytes());
    assert_eq!(session.read(), b"ab\n");
}

#[test]
fn end_of_file_on_an_empty_line_reads_zero() {
    let mut session = Session::new();
    session.type_(b"\x04");
    assert!(session.discipline.readable(&session.settings));
    assert_eq!(session.read(), b"");
    assert!(!session.discipline.readable(&session.settings));
    session.type_(b"part\x04");
    assert_eq!(session.read(), b"part");
}

#[test]
fn interrupt_flushes_and_signals() {
    let mut session = Session::new();
    assert_eq!(
        session.type_(b"sleep\x03"),
        Effect::Signal(TerminalSignal::Interrupt)
    );
    assert_eq!(session.shown, b"sleep^C");
    session.type_(b"x\n");
    assert_eq!(session.read(), b"x\n");
    session.settings.local &= !t::ISIG;
    assert_eq!(session.type_(b"\x03\n"), Effect::Nothing);
    assert_eq!(session.read(), b"\x03\n");
}

#[test]
fn raw_mode_passes_bytes_at_once() {
    let mut session = Session::new();
    session.settings.local &= !(t::ICANON | t::ECHO | t::ISIG);
    session.settings.input &= !(t::ICRNL | t::IXON);
    session.type_(b"\x1b[A\r\x03\x13");
    assert_eq!(session.read(), b"\x1b[A\r\x03\x13");
    assert!(session.shown.is_empty());
}

#[test]
fn leaving_canonical_mode_keeps_typed_ahead_input() {
    let mut session = Session::new();
    session.type_(b"one\ntw");
    session.settings.local &= !t::ICANON;
    session.discipline.mode_changed(false);
    assert_eq!(session.read(), b"one\ntw");
}

#[test]
fn a_full_buffer_still_takes_a_line_end() {
    let mut session = Session::new();
    session.type_(&[b'a'; CAPACITY + 100]);
    session.type_(b"\n");
    let mut out = [0; CAPACITY];
    let settings = session.settings;
    assert_eq!(session.discipline.read(&settings, &mut out), CAPACITY);
    assert_eq!(out[CAPACITY - 1], b'\n');
    assert_eq!(session.discipline.room(), CAPACITY);
}

#[test]
fn stop_and_start_hold_output() {
    let mut session = Session::new();
    assert_eq!(session.type_(b"\x13"), Effect::Stop);
    assert!(session.discipline.output_stopped());
    assert_eq!(session.type_(b"\x11"), Effect::Start);
    assert!(!session.discipline.output_stopped());
}

#[test]
fn newline_becomes_cr_lf_on_output() {
    assert_eq!(process_output(b'\n', &Termios::sane()), (*b"\r\n", 2));
}

//! How a process ended, and the words `wait` reports it in (wait(2)).

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Exited(u8),
    Signaled { signal: u8, core: bool },
}

impl ExitStatus {
    /// The status word of wait4(2).
    pub fn wait_word(self) -> u32 {
        match self {
            Self::Exited(code) => u32::from(code) << 8,
            Self::Signaled { signal, core } => u32::from(signal) | if core { 0x80 } else { 0 },
        }
    }
}

/// The status word of a stopped child.
pub fn stopped_word(signal: u8) -> u32 {
    u32::from(signal) << 8 | 0x7f
}

/// The status word of a continued child.
pub const CONTINUED_WORD: u32 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_the_macros_of_wait_expect() {
        // WIFEXITED: low seven bits 0; WEXITSTATUS: bits 8..16.
        assert_eq!(ExitStatus::Exited(3).wait_word(), 0x300);
        // WIFSIGNALED, WTERMSIG, WCOREDUMP.
        assert_eq!(
            ExitStatus::Signaled {
                signal: 11,
                core: true
            }
            .wait_word(),
            0x8b
        );
        assert_eq!(stopped_word(20), 0x147f);
    }
}

//! What a program finds on its stack: argument count, pointers, auxiliary vector, strings
//! (the System V ABI, and getauxval(3)).

use crate::error::{Errno, Result};
use alloc::vec::Vec;

/// Strings one after the other, each with its NUL.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Strings {
    pub bytes: Vec<u8>,
    pub count: usize,
}

impl Strings {
    /// `ENOMEM` if there is no room: programs choose how much there is.
    pub fn push(&mut self, string: &[u8]) -> Result<()> {
        let room = self.bytes.try_reserve(string.len() + 1);
        room.map_err(|_| Errno::ENOMEM)?;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    pub fn extend<'a>(&mut self, strings: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        strings.into_iter().try_for_each(|string| self.push(string))
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split_inclusive(|&byte| byte == 0)
            .map(|string| &string[..string.len() - 1])
    }
}

impl<'a> FromIterator<&'a [u8]> for Strings {
    /// For a few: where running out of memory need not be thought of.
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(strings: I) -> Self {
        let mut all = Self::default();
        all.extend(strings).expect("memory for a few strings");
        all
    }
}

/// An entry of the auxiliary vector whose value may be an address on the stack itself.
#[derive(Clone, Copy, Debug)]
pub enum Auxiliary {
    Value(u64),
    /// AT_RANDOM.
    Random,
    /// AT_EXECFN.
    Path,
    /// AT_PLATFORM.
    Platform,
}

/// The stack's content, from its lowest used address up to `top`.
#[derive(Debug)]
pub struct StackImage {
    /// The initial stack pointer, 16-byte aligned.
    pub sp: usize,
    pub bytes: Vec<u8>,
    /// The auxiliary vector's bytes, for /proc/<pid>/auxv.
    pub auxiliary: Vec<u8>,
}

const PLATFORM: &[u8] = b"aarch64\0";
/// Bytes behind AT_RANDOM.
const RANDOM_LENGTH: usize = 16;

/// Where things go, from the top down: eight zero bytes, the path, environment and argument
/// strings, platform, random bytes; then the vectors of pointers.
struct Places {
    path: usize,
    environment: usize,
    arguments: usize,
    platform: usize,
    random: usize,
    sp: usize,
}

impl Places {
    fn below(
        top: usize,
        arguments: &Strings,
        environment: &Strings,
        path: &[u8],
        auxiliary_count: usize,
    ) -> Self {
        let path = top - 8 - (path.len() + 1);
        let environment_at = path - environment.bytes.len();
        let arguments_at = environment_at - arguments.bytes.len();
        let platform = arguments_at - PLATFORM.len();
        let random = (platform - RANDOM_LENGTH) & !15;
        let pointers = 1 + arguments.count + 1 + environment.count + 1;
        Self {
            path,
            environment: environment_at,
            arguments: arguments_at,
            platform,
            random,
            sp: (random - (pointers + 2 * (auxiliary_count + 1)) * 8) & !15,
        }
    }

    fn value(&self, auxiliary: Auxiliary) -> u64 {
        match auxiliary {
            Auxiliary::Value(value) => value,
            Auxiliary::Random => self.random as u64,
            Auxiliary::Path => self.path as u64,
            Auxiliary::Platform => self.platform as u64,
        }
    }
}

/// Lays the stack out below `top` (16-byte aligned); `ENOMEM` if the strings are too much.
pub fn build(
    top: usize,
    arguments: &Strings,
    environment: &Strings,
    path: &[u8],
    random: [u8; RANDOM_LENGTH],
    auxiliary: &[(u64, Auxiliary)],
) -> Result<StackImage> {
    let places = Places::below(top, arguments, environment, path, auxiliary.len());
    let sp = places.sp;
    let mut bytes = Vec::new();
    let room = bytes.try_reserve_exact(top - sp);
    room.map_err(|_| Errno::ENOMEM)?;
    push(&mut bytes, arguments.count as u64);
    push_pointers(&mut bytes, arguments, places.arguments);
    push_pointers(&mut bytes, environment, places.environment);
    let vector_start = bytes.len();
    for &(key, value) in auxiliary {
        push(&mut bytes, key);
        push(&mut bytes, places.value(value));
    }
    push(&mut bytes, 0);
    push(&mut bytes, 0);
    let vector = bytes[vector_start..].to_vec();

    for (at, content) in [
        (places.random, &random[..]),
        (places.platform, PLATFORM),
        (places.arguments, &arguments.bytes),
        (places.environment, &environment.bytes),
        (places.path, path),
    ] {
        bytes.resize(at - sp, 0);
        bytes.extend_from_slice(content);
    }
    bytes.resize(top - sp, 0);
    Ok(StackImage {
        sp,
        bytes,
        auxiliary: vector,
    })
}

/// How much [`build`] needs for these strings, generously.
pub fn size_needed(arguments: &Strings, environment: &Strings, path: &[u8]) -> usize {
    let strings = arguments.bytes.len() + environment.bytes.len() + path.len();
    strings + (arguments.count + environment.count) * 8 + 1024
}

fn push(bytes: &mut Vec<u8>, word: u64) {
    bytes.extend_from_slice(&word.to_le_bytes());
}

fn push_pointers(bytes: &mut Vec<u8>, strings: &Strings, mut at: usize) {
    for string in strings.iter() {
        push(bytes, at as u64);
        at += string.len() + 1;
    }
    push(bytes, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: usize = 0x1_0000;

    fn word(image: &StackImage, address: usize) -> u64 {
        let at = address - image.sp;
        u64::from_le_bytes(image.bytes[at..at + 8].try_into().unwrap())
    }

    fn string(image: &StackImage, address: u64) -> &[u8] {
        let rest = &image.bytes[address as usize - image.sp..];
        rest.split(|&byte| byte == 0).next().unwrap()
    }

    #[test]
    fn a_program_finds_its_arguments() {
        for extra in 0..20 {
            let long = [b'x'; 20];
            let arguments: Strings = [&b"sh"[..], b"-c", &long[..extra]].into_iter().collect();
            let environment: Strings = [&b"A=1"[..], b""].into_iter().collect();
            let vector = [
                (6, Auxiliary::Value(4096)),
                (25, Auxiliary::Random),
                (31, Auxiliary::Path),
            ];
            let image = build(TOP, &arguments, &environment, b"/bin/sh", [7; 16], &vector).unwrap();
            assert_eq!(image.sp % 16, 0);
            assert_eq!(image.sp + image.bytes.len(), TOP);
            assert_eq!(word(&image, image.sp), 3);
            assert_eq!(string(&image, word(&image, image.sp + 8)), b"sh");
            assert_eq!(string(&image, word(&image, image.sp + 24)), &long[..extra]);
            assert_eq!(word(&image, image.sp + 32), 0);
            assert_eq!(string(&image, word(&image, image.sp + 40)), b"A=1");
            assert_eq!(string(&image, word(&image, image.sp + 48)), b"");
            assert_eq!(word(&image, image.sp + 56), 0);
            let vector_at = image.sp + 64;
            assert_eq!(
                (word(&image, vector_at), word(&image, vector_at + 8)),
                (6, 4096)
            );
            let random = word(&image, vector_at + 24) as usize - image.sp;
            assert_eq!(image.bytes[random..random + 16], [7; 16]);
            assert_eq!(string(&image, word(&image, vector_at + 40)), b"/bin/sh");
            assert_eq!(
                (word(&image, vector_at + 48), word(&image, vector_at + 56)),
                (0, 0)
            );
        }
    }

    #[test]
    fn no_arguments_at_all() {
        let image = build(
            TOP,
            &Strings::default(),
            &Strings::default(),
            b"",
            [0; 16],
            &[],
        )
        .unwrap();
        assert_eq!(
            (
                word(&image, image.sp),
                word(&image, image.sp + 8),
                word(&image, image.sp + 16)
            ),
            (0, 0, 0)
        );
    }
}

//! Sets as text: lists as in cpuset(7), hexadecimal masks as in taskset(1) and procfs.

use super::{CpuSet, WORD_BITS};
use crate::{CpuId, MAX_CPUS};
use core::fmt;

/// Why a text is not a set of CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    BadNumber,
    BadRange,
    OutOfRange,
}

impl CpuSet {
    /// Reads a list as in cpuset(7): `0-2,5`, `0-31:2`, nothing for the empty set.
    pub fn parse_list(text: &str) -> Result<CpuSet, ParseError> {
        let mut set = CpuSet::EMPTY;
        for part in text
            .trim()
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (range, step) = match part.split_once(':') {
                Some((range, step)) => (range, parse_number(step)?),
                None => (part, 1),
            };
            let (first, last) = match range.split_once('-') {
                Some((first, last)) => (parse_number(first)?, parse_number(last)?),
                None => (parse_number(range)?, parse_number(range)?),
            };
            if first > last || step == 0 {
                return Err(ParseError::BadRange);
            }
            CpuId::checked(last).ok_or(ParseError::OutOfRange)?;
            (first..=last)
                .step_by(step)
                .for_each(|index| set.insert(CpuId::new(index)));
        }
        Ok(set)
    }

    /// Reads a hexadecimal mask, as taskset(1) and procfs write it: `f`, `0xff`, `1,00000000`.
    pub fn parse_mask(text: &str) -> Result<CpuSet, ParseError> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut set = CpuSet::EMPTY;
        let mut bit = 0;
        for character in digits.chars().rev().filter(|&character| character != ',') {
            let digit = character.to_digit(16).ok_or(ParseError::BadNumber)?;
            if digit != 0 && bit + 4 > MAX_CPUS {
                return Err(ParseError::OutOfRange);
            }
            if digit != 0 {
                set.words[bit / WORD_BITS] |= u64::from(digit) << (bit % WORD_BITS);
            }
            bit += 4;
        }
        if bit == 0 {
            Err(ParseError::BadNumber)
        } else {
            Ok(set)
        }
    }
}

fn parse_number(text: &str) -> Result<usize, ParseError> {
    text.trim().parse().map_err(|_| ParseError::BadNumber)
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = self.iter().map(CpuId::index).peekable();
        let mut separator = "";
        while let Some(first) = members.next() {
            let mut last = first;
            while members.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl fmt::LowerHex for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |index: usize| (self.words[index / 2] >> (index % 2 * 32)) as u32;
        let top = self.last().map_or(0, |cpu| cpu.index() / 32);
        write!(f, "{:x}", group(top))?;
        (0..top)
            .rev()
            .try_for_each(|index| write!(f, ",{:08x}", group(index)))
    }
}

//! Sets of CPUs as people write them: lists (`0-2,5`, `0-6:2`) and hexadecimal masks (`0x2f`).
//!
//! The syntax is that of util-linux `taskset` and of `/sys/devices/system/cpu/online`.

use nix::sched::CpuSet;

/// The CPUs of a list, or what is wrong with it.
pub fn parse_list(text: &str) -> Result<CpuSet, String> {
    let mut set = CpuSet::new();
    for part in text.trim().split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last, step) = (number(first)?, number(last)?, number(step)?.max(1));
        if last < first {
            return Err(format!("{part}: the range runs backwards"));
        }
        for cpu in (first..=last).step_by(step) {
            set.set(cpu)
                .map_err(|_| format!("{cpu}: no such CPU can exist"))?;
        }
    }
    Ok(set)
}

/// The CPUs of a hexadecimal mask; `0x` in front and commas between words may be there.
pub fn parse_mask(text: &str) -> Result<CpuSet, String> {
    let digits: String = text
        .trim()
        .trim_start_matches("0x")
        .chars()
        .filter(|&c| c != ',')
        .collect();
    let mut set = CpuSet::new();
    for (place, digit) in digits.chars().rev().enumerate() {
        let digit = digit
            .to_digit(16)
            .ok_or_else(|| format!("{text} is not a hexadecimal mask"))?;
        for bit in (0..4).filter(|bit| digit & 1 << bit != 0) {
            set.set(place * 4 + bit)
                .map_err(|_| format!("{text}: the mask is too long"))?;
        }
    }
    Ok(set)
}

/// `0-2,5`
pub fn format_list(set: &CpuSet) -> String {
    let cpus = members(set);
    let mut parts: Vec<String> = Vec::new();
    let mut index = 0;
    while index < cpus.len() {
        let first = cpus[index];
        while index + 1 < cpus.len() && cpus[index + 1] == cpus[index] + 1 {
            index += 1;
        }
        let last = cpus[index];
        parts.push(if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        });
        index += 1;
    }
    parts.join(",")
}

/// `2f`
pub fn format_mask(set: &CpuSet) -> String {
    let cpus = members(set);
    let digits = cpus.last().map_or(1, |last| last / 4 + 1);
    let digit = |place: usize| {
        (0..4)
            .filter(|bit| cpus.contains(&(place * 4 + bit)))
            .map(|bit| 1 << bit)
            .sum::<u32>()
    };
    (0..digits)
        .rev()
        .filter_map(|place| char::from_digit(digit(place), 16))
        .collect()
}

pub fn members(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect()
}

fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a CPU number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks_agree() {
        for (list, mask) in [("0", "1"), ("0-2,5", "27"), ("3", "8"), ("4-7,12", "10f0")] {
            assert_eq!(format_mask(&parse_list(list).unwrap()), mask);
            assert_eq!(format_list(&parse_mask(mask).unwrap()), list);
        }
        assert_eq!(format_list(&parse_list("0-6:2").unwrap()), "0,2,4,6");
        assert_eq!(format_mask(&CpuSet::new()), "0");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "3-1", "99999"] {
            assert!(parse_list(text).is_err(), "{text}");
        }
        assert!(parse_mask("0xg").is_err());
    }
}

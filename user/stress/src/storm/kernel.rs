//! What the kernel itself counts.

use std::fs;

/// Context switches since boot.
pub fn switches() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("ctxt "));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

/// Breaches that the kernel's checkers have found since boot; 0 on a kernel that has none.
pub fn breaches() -> u64 {
    let text = fs::read_to_string("/proc/schedstat").unwrap_or_default();
    sum(&text)
}

/// `weft checks token=0 two_cpus=0 ...`
fn sum(text: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("weft checks "));
    let counts = line.unwrap_or_default().split_whitespace();
    counts
        .filter_map(|word| word.split_once('=')?.1.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn breaches_are_summed() {
        let text = "version 15\ncpu0 1 2 3\nweft checks token=1 two_cpus=0 affinity=2\n";
        assert_eq!(super::sum(text), 3);
        assert_eq!(super::sum("version 15\n"), 0);
    }
}

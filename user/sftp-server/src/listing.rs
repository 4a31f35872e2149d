//! A folder's lines as `ls -l` shows them, which clients print as they are.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

pub fn line(name: &[u8], known: &Metadata) -> Vec<u8> {
    let head = format!(
        "{} {:3} {:<8} {:<8} {:8} {} ",
        mode(known.mode()),
        known.nlink(),
        known.uid(),
        known.gid(),
        known.len(),
        date(known.mtime()),
    );
    [head.as_bytes(), name].concat()
}

/// Type and permissions, `drwxr-xr-x`.
fn mode(mode: u32) -> String {
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => 'd',
        libc::S_IFLNK => 'l',
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        libc::S_IFIFO => 'p',
        libc::S_IFSOCK => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// A day in UTC. Years begin in March here, so that leap days come last
/// (H. Hinnant, "chrono-compatible low-level date algorithms").
fn date(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12;
    let year = year + era * 400 + i64::from(month < 2);
    format!("{} {day:2} {year:5}", MONTHS[month as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_those_of_ls() {
        assert_eq!(mode(0o040755), "drwxr-xr-x");
        assert_eq!(mode(0o104711), "-rws--x--x");
        assert_eq!(mode(0o041776), "drwxrwxrwT");
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date(0), "Jan  1  1970");
        assert_eq!(date(951_782_400), "Feb 29  2000");
        assert_eq!(date(951_868_800), "Mar  1  2000");
        assert_eq!(date(1_798_675_200), "Dec 31  2026");
        assert_eq!(date(-1), "Dec 31  1969");
    }
}

//! Scripts: the `#!` line (execve(2), "Interpreter scripts").

/// What a `#!` line names.
#[derive(Debug, PartialEq, Eq)]
pub struct Interpreter<'a> {
    pub path: &'a [u8],
    /// Everything after the path as one argument, as Linux gives it.
    pub argument: Option<&'a [u8]>,
}

/// Linux looks at this much of the line (BINPRM_BUF_SIZE).
const LINE_LIMIT: usize = 256;

/// The interpreter of a file that starts with `#!`; `None` if it does not, or names none.
pub fn parse(head: &[u8]) -> Option<Interpreter<'_>> {
    let rest = head.strip_prefix(b"#!")?;
    let rest = &rest[..rest.len().min(LINE_LIMIT - 2)];
    let line = rest
        .split(|&byte| byte == b'\n' || byte == 0)
        .next()?
        .trim_ascii();
    let end = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (path, argument) = (&line[..end], line[end..].trim_ascii());
    (!path.is_empty()).then_some(Interpreter {
        path,
        argument: (!argument.is_empty()).then_some(argument),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_linux_reads_them() {
        let plain = parse(b"#!/bin/sh\nexit").unwrap();
        assert_eq!((plain.path, plain.argument), (&b"/bin/sh"[..], None));
        let argument = parse(b"#! /usr/bin/env  python3 -u \n").unwrap();
        assert_eq!(
            (argument.path, argument.argument),
            (&b"/usr/bin/env"[..], Some(&b"python3 -u"[..]))
        );
        assert_eq!(parse(b"#!\n/bin/sh"), None);
        assert_eq!(parse(b"#"), None);
        assert_eq!(parse(b"\x7fELF"), None);
    }
}

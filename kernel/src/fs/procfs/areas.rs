//! `/proc/<pid>/maps` and `smaps`.

use super::subject::Subject;
use crate::error::Result;
use alloc::string::String;
use core::fmt::Write;
use mm::space::{AreaInfo, Label, MapFlags, Prot};

pub fn maps(subject: &Subject) -> Result<String> {
    write_areas(subject, |_, _| {})
}

/// As maps, with sizes after each line.
pub fn smaps(subject: &Subject) -> Result<String> {
    write_areas(subject, |text, area| {
        let size = area.range.len() / 1024;
        let resident = area.resident_pages * (mm::PAGE_SIZE / 1024);
        let _ = writeln!(
            text,
            "Size:           {size:8} kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB"
        );
        let _ = writeln!(
            text,
            "Rss:            {resident:8} kB\nPss:            {resident:8} kB"
        );
    })
}

fn write_areas(subject: &Subject, more: impl Fn(&mut String, &AreaInfo)) -> Result<String> {
    subject.check_inspect()?;
    let mut text = String::new();
    for area in subject
        .memory()
        .map(|memory| memory.areas())
        .unwrap_or_default()
    {
        line(&mut text, &area);
        more(&mut text, &area);
    }
    Ok(text)
}

/// One line as proc_pid_maps(5) has it; the name starts in column 73.
fn line(text: &mut String, area: &AreaInfo) {
    const NAME_COLUMN: usize = 73;
    let start_of_line = text.len();
    let allowed = |prot, letter| {
        if area.prot.contains(prot) {
            letter
        } else {
            '-'
        }
    };
    let (r, w, x) = (
        allowed(Prot::READ, 'r'),
        allowed(Prot::WRITE, 'w'),
        allowed(Prot::EXEC, 'x'),
    );
    let shared = if area.flags.contains(MapFlags::SHARED) {
        's'
    } else {
        'p'
    };
    let identity = area.identity.clone().unwrap_or_default();
    let (major, minor) = identity.device;
    let _ = write!(
        text,
        "{:08x}-{:08x} {r}{w}{x}{shared} ",
        area.range.start, area.range.end
    );
    let _ = write!(
        text,
        "{:08x} {major:02x}:{minor:02x} {} ",
        area.offset, identity.inode
    );
    let name = match area.label {
        Label::Heap => "[heap]",
        Label::Stack => "[stack]",
        Label::Vdso => "[vdso]",
        Label::Vvar => "[vvar]",
        Label::None => &identity.name,
    };
    if !name.is_empty() {
        let padding = NAME_COLUMN.saturating_sub(text.len() - start_of_line);
        text.extend(core::iter::repeat_n(' ', padding));
        text.push_str(name);
    }
    text.push('\n');
}

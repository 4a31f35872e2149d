//! `/proc/<pid>/maps` and `smaps`.

use super::subject::Subject;
use crate::error::Result;
use crate::fs::synthetic::Text;
use core::fmt::{self, Write};
use mm::space::{AreaInfo, Label, MapFlags, Prot};

type Next = Result<Option<u64>>;

/// The lines of the areas from address `from` on, until the text is full.
pub fn maps(subject: &Subject, from: u64, text: &mut Text) -> Next {
    write_areas(subject, from, text, |_, _| Ok(()))
}

/// As maps, with sizes after each line.
pub fn smaps(subject: &Subject, from: u64, text: &mut Text) -> Next {
    write_areas(subject, from, text, |text, area| {
        let mut line = |name: &str, kib: usize| writeln!(text, "{name:15}{kib:8} kB");
        let resident = &area.resident;
        let kib = |pages: usize| pages * (mm::PAGE_SIZE / 1024);
        line("Size:", area.range.len() / 1024)?;
        line("KernelPageSize:", kib(1))?;
        line("MMUPageSize:", kib(1))?;
        line("Rss:", kib(resident.pages))?;
        line("Pss:", resident.proportional / 1024)?;
        line("Shared_Clean:", kib(resident.shared_clean))?;
        line("Shared_Dirty:", kib(resident.shared_dirty))?;
        line("Private_Clean:", 0)?;
        line("Private_Dirty:", kib(resident.private))
    })
}

fn write_areas(
    subject: &Subject,
    from: u64,
    text: &mut Text,
    more: impl Fn(&mut Text, &AreaInfo) -> fmt::Result,
) -> Next {
    // First, so that the answer holds for this memory.
    let memory = subject.memory();
    subject.check_inspect()?;
    let Some(memory) = memory else {
        return Ok(None);
    };
    let mut from = from as usize;
    while let Some(area) = memory.area_from(from) {
        line(text, &area)?;
        more(text, &area)?;
        from = area.range.end;
        if text.is_full() {
            return Ok(Some(from as u64));
        }
    }
    Ok(None)
}

/// One line as proc_pid_maps(5) has it; the name starts in column 73.
fn line(text: &mut Text, area: &AreaInfo) -> fmt::Result {
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
    write!(
        text,
        "{:08x}-{:08x} {r}{w}{x}{shared} ",
        area.range.start, area.range.end
    )?;
    write!(
        text,
        "{:08x} {major:02x}:{minor:02x} {} ",
        area.offset, identity.inode
    )?;
    let name = match area.label {
        Label::Heap => "[heap]",
        Label::Stack => "[stack]",
        Label::Vdso => "[vdso]",
        Label::Vvar => "[vvar]",
        Label::None => &identity.name,
    };
    if !name.is_empty() {
        let padding = NAME_COLUMN.saturating_sub(text.len() - start_of_line);
        write!(text, "{:padding$}{name}", "")?;
    }
    writeln!(text)
}

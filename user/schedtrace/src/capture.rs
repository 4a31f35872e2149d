//! The recorded file: a line that names it, then sections, each a tag of 8 bytes, a length of 8,
//! and as many bytes. `RECORDS ` holds blocks as the kernel gave them, `THREADS ` the kernel's
//! table of threads as text, `CPUS    ` the list of CPUs. Sections repeat, so that a recorder only ever appends.

use common::cpu_list::{members, parse_list};
use common::records::Record as Line;
use common::trace::{self, number};
use std::collections::BTreeMap;
use std::io::{self, Write};
use trace_format::Event as What;

pub const TITLE: &[u8; 16] = b"weft schedtrace\n";
pub const RECORDS: &[u8; 8] = b"RECORDS ";
pub const THREADS: &[u8; 8] = b"THREADS ";
pub const CPUS: &[u8; 8] = b"CPUS    ";

pub struct Event {
    pub cpu: u32,
    pub ns: u64,
    pub what: What,
}

/// Records of a CPU that were overwritten before they were read, up to `ns`.
pub struct Lost {
    pub cpu: u32,
    pub ns: u64,
    pub count: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    pub pid: u32,
    pub name: String,
}

/// A recorded file, read. Events of all CPUs in order of time.
#[derive(Default)]
pub struct Capture {
    pub events: Vec<Event>,
    pub lost: Vec<Lost>,
    pub threads: BTreeMap<u32, Named>,
    /// Those that were there, whether anything happened on them or not.
    pub cpus: Vec<u32>,
}

pub fn write_section(out: &mut impl Write, tag: &[u8; 8], bytes: &[u8]) -> io::Result<()> {
    out.write_all(tag)?;
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)
}

pub fn parse(file: &[u8]) -> Result<Capture, String> {
    let mut rest = file
        .strip_prefix(TITLE)
        .ok_or("not a file that `schedtrace record` wrote")?;
    let mut capture = Capture::default();
    while !rest.is_empty() {
        let head = rest.split_at_checked(16).ok_or("the file is cut short")?;
        let length = number::<8>(&head.0[8..]) as usize;
        let (section, after) = head
            .1
            .split_at_checked(length)
            .ok_or("the file is cut short")?;
        match &head.0[..8] {
            tag if tag == RECORDS => add_blocks(section, &mut capture)?,
            tag if tag == THREADS => threads(&String::from_utf8_lossy(section), &mut capture),
            tag if tag == CPUS => capture.cpus = cpus(&String::from_utf8_lossy(section))?,
            _ => {} // of a later version
        }
        rest = after;
    }
    capture.events.sort_by_key(|event| event.ns);
    Ok(capture)
}

fn add_blocks(section: &[u8], capture: &mut Capture) -> Result<(), String> {
    for block in trace::blocks(section)? {
        let cpu = block.cpu;
        let first = capture.events.len();
        let event = |(ns, what)| Event { cpu, ns, what };
        capture.events.extend(block.events().map(event));
        if block.lost > 0 {
            let ns = capture.events.get(first).map_or(0, |event| event.ns);
            let count = block.lost;
            capture.lost.push(Lost { cpu, ns, count });
        }
    }
    Ok(())
}

fn threads(text: &str, capture: &mut Capture) {
    for line in text.lines() {
        let line = Line::parse(line);
        if let Some(tid) = line.number("tid") {
            let name = line.text("name").unwrap_or("-").to_string();
            let pid = line.number("pid").unwrap_or(0);
            capture.threads.insert(tid, Named { pid, name });
        }
    }
}

fn cpus(list: &str) -> Result<Vec<u32>, String> {
    let set = parse_list(list.trim())?;
    Ok(members(&set).into_iter().map(|cpu| cpu as u32).collect())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use common::trace::MAGIC;
    use trace_format::Record;

    /// A file with one block per CPU, its records' times in microseconds.
    pub fn file(blocks: &[(u32, u64, Vec<Record>)], threads: &str) -> Vec<u8> {
        let mut file = TITLE.to_vec();
        for (cpu, lost, records) in blocks {
            let mut block = MAGIC.to_vec();
            block.extend(cpu.to_le_bytes());
            block.extend((records.len() as u32).to_le_bytes());
            block.extend(lost.to_le_bytes());
            block.extend(1_000_000_u64.to_le_bytes());
            block.extend(records.iter().flat_map(|record| record.to_bytes()));
            write_section(&mut file, RECORDS, &block).unwrap();
        }
        write_section(&mut file, THREADS, threads.as_bytes()).unwrap();
        write_section(&mut file, CPUS, b"0-2\n").unwrap();
        file
    }

    #[test]
    fn blocks_are_merged_in_order_of_time() {
        let one = vec![What::IpiReceived.at(5), What::IpiReceived.at(9)];
        let two = vec![What::IpiReceived.at(7)];
        let file = file(&[(0, 0, one), (1, 4, two)], "tid=3 pid=2 name=a_b x=1\n");
        let capture = parse(&file).unwrap();
        let order: Vec<_> = capture.events.iter().map(|e| (e.cpu, e.ns)).collect();
        assert_eq!(order, [(0, 5000), (1, 7000), (0, 9000)]);
        assert_eq!((capture.lost[0].cpu, capture.lost[0].count), (1, 4));
        assert_eq!(capture.threads[&3].name, "a_b");
        assert_eq!(capture.cpus, [0, 1, 2]);
    }

    #[test]
    fn damage_is_said() {
        let whole = file(&[(0, 0, vec![What::IpiReceived.at(5)])], "");
        assert!(parse(b"something else").is_err());
        assert!(parse(&whole[..whole.len() - 3]).is_err());
        let mut wrong = whole.clone();
        wrong[33] = b'?';
        assert!(parse(&wrong).is_err());
        assert!(parse(&whole).is_ok());
    }
}

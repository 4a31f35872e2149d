//! Every thread of the machine: from /proc/weft/threads, or piece by piece from /proc.

use crate::records::Record;
use std::fs;

/// Unknown numbers are `None`: shown as a dash, never as zero.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    pub id: u32,
    pub process: u32,
    pub name: String,
    pub state: String,
    pub cpu: Option<u32>,
    pub class: String,
    pub priority: Option<i64>,
    pub nice: Option<i64>,
    pub affinity: String,
    pub run_ns: Option<u64>,
    pub switches: Option<u64>,
    pub migrations: Option<u64>,
    /// Most bytes of its kernel stack that were ever in use.
    pub stack: Option<u64>,
}

pub fn all() -> Vec<Thread> {
    match fs::read_to_string("/proc/weft/threads") {
        Ok(text) => text.lines().filter_map(own_line).collect(),
        Err(_) => from_proc(),
    }
}

fn own_line(line: &str) -> Option<Thread> {
    let record = Record::parse(line);
    let text = |key| record.text(key).unwrap_or("-").to_string();
    let count = |key| record.number::<u64>(key);
    Some(Thread {
        id: record.number("tid")?,
        process: record.number("pid").unwrap_or(0),
        name: text("name"),
        state: text("state"),
        cpu: record.number("cpu"),
        class: text("class"),
        priority: record.number("priority"),
        nice: record.number("nice"),
        affinity: text("affinity"),
        run_ns: count("run_ns"),
        switches: count("switches").or(Some(count("voluntary")? + count("involuntary")?)),
        migrations: count("migrations"),
        stack: count("stack"),
    })
}

fn from_proc() -> Vec<Thread> {
    let numbers = |path: &str| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .collect::<Vec<_>>()
    };
    let tasks = |process: u32| {
        numbers(&format!("/proc/{process}/task"))
            .into_iter()
            .map(move |id| (process, id))
    };
    numbers("/proc")
        .into_iter()
        .flat_map(tasks)
        .filter_map(|(process, id)| one_from_proc(process, id))
        .collect()
}

/// Fields as in proc_pid_stat(5); the name may hold blanks and brackets, so it is cut out first.
fn one_from_proc(process: u32, id: u32) -> Option<Thread> {
    let folder = format!("/proc/{process}/task/{id}");
    let stat = fs::read_to_string(format!("{folder}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let line = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    let sum = |keys: [&str; 2]| {
        keys.iter()
            .map(|key| line(key)?.parse::<u64>().ok())
            .sum::<Option<u64>>()
    };
    let policy = fields.get(38)?;
    Some(Thread {
        id,
        process,
        name: before.split_once('(')?.1.to_string(),
        state: state_word(fields[0]).to_string(),
        cpu: fields.get(36)?.parse().ok(),
        class: ["normal", "fifo", "rr", "batch", "-", "idle"]
            .get(policy.parse::<usize>().ok()?)?
            .to_string(),
        priority: fields.get(15)?.parse().ok(),
        nice: fields.get(16)?.parse().ok(),
        affinity: line("Cpus_allowed_list:").unwrap_or("-").to_string(),
        run_ns: run_time(&folder),
        switches: sum(["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"]),
        migrations: None,
        stack: None,
    })
}

fn run_time(folder: &str) -> Option<u64> {
    fs::read_to_string(format!("{folder}/schedstat"))
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn state_word(letter: &str) -> &'static str {
    match letter {
        "R" => "runnable",
        "S" | "I" => "sleeping",
        "D" => "blocked",
        "T" | "t" => "stopped",
        "Z" => "zombie",
        _ => "-",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_of_the_kernel_becomes_a_thread() {
        let thread =
            super::own_line("tid=7 pid=3 name=sshd state=blocked cpu=2 voluntary=4 involuntary=1")
                .unwrap();
        assert_eq!(
            (thread.id, thread.cpu, thread.switches, thread.nice),
            (7, Some(2), Some(5), None)
        );
    }

    #[test]
    fn this_thread_is_among_all() {
        assert!(
            super::all()
                .iter()
                .any(|thread| thread.process == std::process::id())
        );
    }
}

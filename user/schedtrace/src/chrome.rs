//! Chrome's trace format (JSON): one line per event, times in microseconds.
//!
//! CPUs are one "process" with a track for what each runs and one for its interrupts; every real
//! process has a track per thread. Wakes are flow arrows from CPU to CPU.

use crate::timeline::{Flow, Gap, Kind, Moment, Slice, Timeline, Track};
use common::json::Object;
use trace_format::Event as What;

/// The "process" of the CPUs and that of kernel threads: beyond all real ones (pids end at 2^20).
const CPUS: u32 = 1 << 22;
const KERNEL: u32 = CPUS + 1;
/// Tracks of interrupts and system calls are numbered beyond those they belong to.
const ASIDE: u32 = 1 << 21;

pub fn export(timeline: &Timeline) -> String {
    let mut events = names(timeline);
    events.extend(
        timeline
            .slices
            .iter()
            .map(|slice| slice_of(timeline, slice)),
    );
    events.extend(timeline.moments.iter().map(moment));
    events.extend(timeline.gaps.iter().map(gap));
    events.extend(
        (1..)
            .zip(&timeline.flows)
            .flat_map(|(id, flow)| arrow(id, flow)),
    );
    let lines: Vec<String> = events.iter().map(Object::to_string).collect();
    format!(
        "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{}\n]}}\n",
        lines.join(",\n")
    )
}

fn us(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

fn event(phase: &str, name: &str, process: u32, track: u32) -> Object {
    Object::default()
        .text("ph", phase)
        .text("name", name)
        .raw("pid", process)
        .raw("tid", track)
}

fn name_of(timeline: &Timeline, tid: u32) -> String {
    let known = timeline.threads.get(&tid);
    let name = known.map_or("", |thread| thread.name.as_str());
    format!("{name} [{tid}]").trim_start().to_string()
}

fn place(timeline: &Timeline, track: Track) -> (u32, u32) {
    let process = |tid| match timeline.threads.get(&tid).map_or(0, |thread| thread.pid) {
        0 => KERNEL,
        pid => pid,
    };
    match track {
        Track::Cpu(cpu) => (CPUS, cpu),
        Track::Interrupts(cpu) => (CPUS, cpu + ASIDE),
        Track::Thread(tid) => (process(tid), tid),
        Track::Syscalls(tid) => (process(tid), tid + ASIDE),
    }
}

/// The names of all processes and tracks that have something on them.
fn names(timeline: &Timeline) -> Vec<Object> {
    let mut tracks: Vec<Track> = timeline.slices.iter().map(|slice| slice.track).collect();
    tracks.extend(timeline.cpus.iter().map(|&cpu| Track::Cpu(cpu)));
    tracks.sort_unstable();
    tracks.dedup();
    let meta = |what: &str, (process, track): (u32, u32), name: &str| {
        event("M", what, process, track).raw("args", Object::default().text("name", name))
    };
    let mut events = vec![
        meta("process_name", (CPUS, 0), "CPUs"),
        meta("process_name", (KERNEL, 0), "kernel threads"),
    ];
    for track in tracks {
        let place = place(timeline, track);
        let name = match track {
            Track::Cpu(cpu) => format!("CPU {cpu}"),
            Track::Interrupts(cpu) => format!("CPU {cpu} interrupts"),
            Track::Thread(tid) => name_of(timeline, tid),
            Track::Syscalls(tid) => format!("{} calls", name_of(timeline, tid)),
        };
        // The process is called as its first thread, whose number is its own.
        if matches!(track, Track::Thread(tid) if tid == place.0) {
            events.push(meta("process_name", place, &name));
        }
        events.push(meta("thread_name", place, &name));
    }
    events
}

fn slice_of(timeline: &Timeline, slice: &Slice) -> Object {
    let (process, track) = place(timeline, slice.track);
    let arguments = Object::default();
    let (name, arguments) = match &slice.kind {
        Kind::Runs { tid, cpu, left } => {
            let why = left.map_or("not seen".to_string(), |left| format!("{left:?}"));
            let arguments = arguments.raw("cpu", cpu).raw("tid", tid).text("left", &why);
            match slice.track {
                Track::Cpu(_) => (name_of(timeline, *tid), arguments),
                _ => (format!("on CPU {cpu}"), arguments),
            }
        }
        Kind::Waits { cpu } => ("ready".into(), arguments.raw("sent_to", cpu)),
        Kind::Interrupt { intid } => (interrupt_name(*intid), arguments.raw("intid", intid)),
        Kind::Syscall { number, result } => {
            let arguments = arguments.raw("number", number);
            let arguments = match result {
                Some(result) => arguments.raw("result", result),
                None => arguments,
            };
            (format!("call {number}"), arguments)
        }
    };
    event("X", &name, process, track)
        .raw("ts", us(slice.start_ns))
        .raw("dur", us(slice.end_ns - slice.start_ns))
        .raw("args", arguments)
}

/// The interrupts that are the same on every machine of this kind.
fn interrupt_name(intid: u32) -> String {
    match intid {
        0 => "reschedule".into(),
        1..16 => format!("SGI {intid}"),
        27 => "timer".into(),
        _ => format!("interrupt {intid}"),
    }
}

fn moment(moment: &Moment) -> Object {
    let arguments = Object::default();
    let (name, arguments) = match &moment.what {
        What::Steal { tid, victim } => ("steal", arguments.raw("tid", tid).raw("from", victim)),
        What::Migrate { tid, from } => ("migrate", arguments.raw("tid", tid).raw("from", from)),
        What::IpiSent { target, bits } => {
            ("IPI sent", arguments.raw("to", target).raw("bits", bits))
        }
        What::IpiReceived => ("IPI received", arguments),
        What::Policy {
            tid,
            policy,
            priority,
        } => {
            let arguments = arguments.raw("tid", tid).raw("policy", policy);
            ("policy", arguments.raw("priority", priority))
        }
        What::Affinity { tid, cpus } => {
            let arguments = arguments.raw("tid", tid);
            ("affinity", arguments.text("cpus", &format!("{cpus:#x}")))
        }
        What::CpuOnline { cpu } => ("CPU online", arguments.raw("cpu", cpu)),
        What::CpuOffline { cpu } => ("CPU offline", arguments.raw("cpu", cpu)),
        other => return instant(moment.cpu, moment.ns, &format!("{other:?}"), arguments),
    };
    instant(moment.cpu, moment.ns, name, arguments)
}

fn instant(cpu: u32, ns: u64, name: &str, arguments: Object) -> Object {
    event("i", name, CPUS, cpu)
        .text("s", "t")
        .raw("ts", us(ns))
        .raw("args", arguments)
}

fn gap(gap: &Gap) -> Object {
    let name = format!("{} records lost before this", gap.count);
    let arguments = Object::default().raw("count", gap.count);
    instant(gap.cpu, gap.ns, &name, arguments)
}

fn arrow(id: usize, flow: &Flow) -> [Object; 2] {
    let end = |phase: &str, (cpu, ns): (u32, u64)| {
        event(phase, "wake", CPUS, cpu)
            .text("cat", "wake")
            .raw("id", id)
            .raw("ts", us(ns))
            .raw("args", Object::default().raw("tid", flow.tid))
    };
    [end("s", flow.from), end("f", flow.to).text("bp", "e")]
}

#[cfg(test)]
mod tests {
    use super::export;
    use crate::timeline::tests::two_cpus;

    #[test]
    fn tracks_slices_and_arrows_are_written_with_their_names() {
        let text = export(&two_cpus());
        for line in [
            r#"{"ph":"M","name":"thread_name","pid":4194304,"tid":1,"args":{"name":"CPU 1"}}"#,
            r#"{"ph":"M","name":"thread_name","pid":3,"tid":8,"args":{"name":"b [8]"}}"#,
            r#"{"ph":"X","name":"b [8]","pid":4194304,"tid":1,"ts":25.000,"dur":5.000,"args":{"cpu":1,"tid":8,"left":"not seen"}}"#,
            r#"{"ph":"X","name":"ready","pid":3,"tid":8,"ts":20.000,"dur":5.000,"args":{"sent_to":1}}"#,
            r#"{"ph":"s","name":"wake","pid":4194304,"tid":0,"cat":"wake","id":1,"ts":20.000,"args":{"tid":8}}"#,
            r#""name":"2 records lost before this""#,
            r#"{"name":"\"quoted\\ [7]"}"#,
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }

    /// Brackets and braces balance outside of texts, and no comma is left over.
    #[test]
    fn the_text_is_one_whole_json_value() {
        let (mut depth, mut in_text, mut escaped, mut last) = (0, false, false, ' ');
        for character in export(&two_cpus()).trim().chars() {
            match character {
                _ if escaped => escaped = false,
                '\\' if in_text => escaped = true,
                '"' => in_text = !in_text,
                '{' | '[' if !in_text => depth += 1,
                '}' | ']' if !in_text => {
                    assert_ne!(last, ',');
                    depth -= 1;
                }
                _ => {}
            }
            if !character.is_whitespace() {
                last = character;
            }
        }
        assert_eq!((depth, in_text), (0, false));
    }
}

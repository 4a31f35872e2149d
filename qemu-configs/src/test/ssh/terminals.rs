//! Sessions with a terminal: shells, keys, jobs, the live screen.

use super::{Outcome, System, Test, equal};

pub const TESTS: &[Test] = &[
    ("opens a login shell", login_shell),
    ("follows the window size", window_size),
    ("delivers the interrupt key", interrupt_key),
    ("stops and continues jobs", job_control),
    ("hangs up when the client goes", disconnect),
    ("shows the live screen", live_screen),
];

fn login_shell(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("")?;
    terminal.expect("# ")?;
    terminal.send("echo $((40+2))-answer\r")?;
    terminal.expect("42-answer")?;
    terminal.send("ls / | wc -l; exit 9\r")?;
    equal(terminal.wait()?.code(), Some(9))
}

fn window_size(system: &mut System) -> Outcome {
    let wait =
        "stty size; while [ \"$(stty size)\" != '30 100' ]; do sleep 0.05; done; echo followed";
    let mut terminal = system.terminal(wait)?;
    terminal.expect("24 80")?;
    terminal.resize(30, 100)?;
    terminal.expect("followed")
}

fn interrupt_key(system: &mut System) -> Outcome {
    let mut terminal =
        system.terminal("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1; done")?;
    terminal.expect("ready")?;
    terminal.send("\x03")?;
    terminal.expect("caught")?;
    equal(terminal.wait()?.code(), Some(3))
}

fn job_control(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("")?;
    terminal.expect("# ")?;
    terminal.send("sh -c 'echo run''ning; while :; do sleep 1; done'\r")?;
    terminal.expect("running")?;
    terminal.send("\x1a")?;
    terminal.expect("topped")?;
    terminal.send("bg; jobs; echo lis''ted\r")?;
    terminal.expect("unning")?;
    terminal.expect("listed")?;
    terminal.send("kill %1; wait; echo go''ne; exit\r")?;
    terminal.expect("gone")
}

fn disconnect(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("echo pid=$$.; exec sleep 100000")?;
    terminal.expect("pid=")?;
    while !terminal.seen.contains('.') {
        terminal.expect(".").inspect_err(|_| {})?;
    }
    drop(terminal); // kills the client without a word
    let gone = "while pidof sleep >/dev/null && ps | grep -q '[s]leep 100000'; do sleep 0.1; done; echo gone";
    equal(system.text(gone)?.trim(), "gone")
}

fn live_screen(system: &mut System) -> Outcome {
    let mut terminal = system.terminal("cpustat")?;
    terminal.expect("CPUs")?;
    terminal.expect("history")?;
    terminal.send("s")?;
    terminal.send("p")?;
    terminal.expect("paused")?;
    terminal.send("q")?;
    equal(terminal.wait()?.code(), Some(0))
}

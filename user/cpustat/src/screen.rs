//! The live screen: a picture per interval, keys in between, the terminal left as it was.

use crate::{Options, view::View};
use common::cpus::{self, Interval, Sample};
use common::threads;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, poll, read};
use crossterm::{cursor, execute, queue, style::Print, terminal};
use std::collections::HashMap;
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

enum Next {
    Redraw,
    Sample,
    Quit,
}

pub fn run(options: &Options) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the terminal: {error}");
    terminal::enable_raw_mode().map_err(failed)?;
    execute!(stdout(), terminal::EnterAlternateScreen, cursor::Hide).map_err(failed)?;
    let outcome = watch(options);
    let restored = execute!(stdout(), cursor::Show, terminal::LeaveAlternateScreen);
    let restored = restored.and_then(|()| terminal::disable_raw_mode());
    outcome.and(restored.map_err(failed))
}

fn watch(options: &Options) -> Result<(), String> {
    let mut view = View::default();
    let mut old = Sample::take()?;
    let mut intervals: Vec<Interval> = Vec::new();
    let mut left = options.count.unwrap_or(u64::MAX);
    // The first picture comes soon; it shows a short interval rather than nothing.
    let mut due = Instant::now() + options.interval.min(Duration::from_millis(200));
    loop {
        match wait(due, &mut view).map_err(|error| error.to_string())? {
            Next::Quit => return Ok(()),
            Next::Redraw => {}
            Next::Sample if view.paused => due = Instant::now() + options.interval,
            Next::Sample => {
                let new = Sample::take()?;
                intervals = cpus::between(&old, &new);
                view.remember(&intervals);
                old = new;
                due = Instant::now() + options.interval;
                left -= 1;
            }
        }
        draw(&view, &intervals).map_err(|error| error.to_string())?;
        if left == 0 {
            return Ok(());
        }
    }
}

/// Sleeps in poll(2) until a key comes or the next sample is due.
fn wait(due: Instant, view: &mut View) -> std::io::Result<Next> {
    if !poll(due.saturating_duration_since(Instant::now()))? {
        return Ok(Next::Sample);
    }
    let Event::Key(KeyEvent {
        code, modifiers, ..
    }) = read()?
    else {
        return Ok(Next::Redraw);
    };
    match code {
        KeyCode::Char('q') | KeyCode::Esc => return Ok(Next::Quit),
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return Ok(Next::Quit),
        KeyCode::Char('p' | ' ') => view.paused = !view.paused,
        KeyCode::Char('s') => view.by_load = !view.by_load,
        _ => {}
    }
    Ok(Next::Redraw)
}

fn draw(view: &View, intervals: &[Interval]) -> std::io::Result<()> {
    let (columns, rows) = terminal::size()?;
    let known = intervals.iter().any(|interval| interval.rates.is_some());
    let threads = if known { threads::all() } else { Vec::new() };
    let names: HashMap<u32, String> = threads
        .into_iter()
        .map(|thread| (thread.id, thread.name))
        .collect();
    let mut out = stdout().lock();
    queue!(out, cursor::MoveTo(0, 0))?;
    for line in view.lines(intervals, &names, columns.into(), rows.into()) {
        queue!(
            out,
            Print(line),
            terminal::Clear(terminal::ClearType::UntilNewLine),
            cursor::MoveToNextLine(1)
        )?;
    }
    queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
    out.flush()
}

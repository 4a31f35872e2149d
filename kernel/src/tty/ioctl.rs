//! Terminal ioctls (ioctl_tty(2)): settings, window size, queues, sessions and groups.

use super::job_control::{self, Access};
use super::terminal::Terminal;
use super::termios::{OLD_TERMIOS_SIZE, Termios, WindowSize};
use crate::error::{Errno, Result};
use crate::user_memory::{self, UserPtr};
use alloc::sync::Arc;
use linux_raw_sys::ioctl as n;

/// The queues that TCFLSH empties.
const TCIFLUSH: usize = 0;
const TCOFLUSH: usize = 1;
const TCIOFLUSH: usize = 2;
/// TCXONC actions.
const TCOOFF: usize = 0;
const TCOON: usize = 1;

/// Requests on the slave side: everything, job control included.
pub fn terminal(terminal: &Arc<Terminal>, request: u32, argument: usize) -> Result<usize> {
    if terminal.hung_up() {
        return Err(Errno::EIO);
    }
    match request {
        n::TIOCSCTTY => job_control::adopt(terminal, argument == 1)?,
        n::TIOCGPGRP | n::TIOCGSID => {
            job_control::check_controlling(terminal)?;
            return common(terminal, request, argument);
        }
        n::TIOCNOTTY => job_control::give_up(terminal)?,
        n::FIONREAD => write_count(argument, terminal.state.lock().discipline.available())?,
        n::TIOCOUTQ => write_count(argument, terminal.output.queued())?,
        n::TIOCEXCL => terminal.state.lock().exclusive = true,
        n::TIOCNXCL => terminal.state.lock().exclusive = false,
        _ => return common(terminal, request, argument),
    }
    Ok(0)
}

/// Requests that a pty's master passes on to its slave as well.
pub fn common(terminal: &Arc<Terminal>, request: u32, argument: usize) -> Result<usize> {
    match request {
        n::TCGETS => get_old(terminal, argument)?,
        n::TCGETS2 => UserPtr::<Termios>::new(argument).write(terminal.state.lock().settings)?,
        n::TCSETS | n::TCSETSW | n::TCSETSF => {
            set(terminal, read_old(terminal, argument)?, request - n::TCSETS)?
        }
        n::TCSETS2 | n::TCSETSW2 | n::TCSETSF2 => {
            set(
                terminal,
                UserPtr::<Termios>::new(argument).read()?,
                request - n::TCSETS2,
            )?;
        }
        n::TIOCGWINSZ => {
            let window = terminal.state.lock().window;
            UserPtr::<WindowSize>::new(argument).write(window)?;
        }
        n::TIOCSWINSZ => terminal.resize(UserPtr::<WindowSize>::new(argument).read()?),
        n::TIOCGPGRP => UserPtr::<i32>::new(argument).write(job_control::foreground(terminal))?,
        n::TIOCSPGRP => {
            job_control::set_foreground(terminal, UserPtr::<i32>::new(argument).read()?)?
        }
        n::TIOCGSID => UserPtr::<i32>::new(argument).write(job_control::session(terminal)?)?,
        n::TCFLSH => flush(terminal, argument)?,
        n::TCSBRK | n::TCSBRKP => terminal.drain()?,
        n::TCXONC => flow(terminal, argument)?,
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

fn write_count(argument: usize, count: usize) -> Result<()> {
    UserPtr::<i32>::new(argument).write(count as i32)
}

fn get_old(terminal: &Terminal, argument: usize) -> Result<()> {
    let settings = terminal.state.lock().settings;
    let pointer = (&raw const settings).cast::<u8>();
    // SAFETY: `Termios` is plain and has no padding before its speeds; the slice covers that part.
    let bytes = unsafe { core::slice::from_raw_parts(pointer, OLD_TERMIOS_SIZE) };
    user_memory::copy_out(argument, bytes)
}

fn read_old(terminal: &Terminal, argument: usize) -> Result<Termios> {
    let mut settings = terminal.state.lock().settings;
    let pointer = (&raw mut settings).cast::<u8>();
    // SAFETY: `Termios` accepts every bit pattern and `settings` is exclusively ours.
    let bytes = unsafe { core::slice::from_raw_parts_mut(pointer, OLD_TERMIOS_SIZE) };
    user_memory::copy_in(argument, bytes)?;
    Ok(settings)
}

/// `when`: 0 now, 1 after output drained, 2 also dropping input.
fn set(terminal: &Arc<Terminal>, settings: Termios, when: u32) -> Result<()> {
    job_control::check(terminal, Access::Change)?;
    if when > 0 {
        terminal.drain()?;
    }
    terminal.set_settings(settings, when == 2);
    Ok(())
}

fn flush(terminal: &Arc<Terminal>, queues: usize) -> Result<()> {
    if queues > TCIOFLUSH {
        return Err(Errno::EINVAL);
    }
    job_control::check(terminal, Access::Change)?;
    if queues != TCOFLUSH {
        terminal.state.lock().discipline.flush();
        terminal.input_room.wake_all();
    }
    if queues != TCIFLUSH {
        terminal.output.flush();
        terminal.output_drained();
    }
    Ok(())
}

/// Stopping output works; asking the other side to stop sending is not something we can do.
fn flow(terminal: &Arc<Terminal>, action: usize) -> Result<()> {
    job_control::check(terminal, Access::Change)?;
    match action {
        TCOOFF => terminal.state.lock().discipline.set_output_stopped(true),
        TCOON => terminal.state.lock().discipline.set_output_stopped(false),
        _ => return Err(Errno::EINVAL),
    }
    terminal.output_drained();
    Ok(())
}

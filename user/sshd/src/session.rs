//! One channel: what was asked for, the program that does it, and the bytes in between.
//!
//! Three tasks per program. `listen` takes the client's messages and never waits for the
//! program: input goes into a queue (its size feeds back into the window, see `login.rs`), so
//! that a program that does not read cannot stop the connection. `feed` empties that queue
//! into the program. `copy_out` brings output back and waits for the client's window.

use crate::descriptor::Descriptor;
use crate::program::{self, Group, Program, Request};
use crate::terminal::Size;
use nix::sys::signal::Signal;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const STDERR: u32 = 1;
/// A terminal that a background program keeps open is read until it stays silent this long.
const AFTERGLOW: Duration = Duration::from_millis(100);

pub async fn run(
    channel: Channel<Msg>,
    handle: Handle,
    peer: SocketAddr,
    queued: Arc<AtomicUsize>,
) {
    let (mut incoming, outgoing) = channel.split();
    let Some(request) = gather(&mut incoming).await else {
        return;
    };
    match program::start(&request, peer) {
        Ok(program) => {
            if let Some(status) = serve(program, incoming, &outgoing, queued).await {
                report(status, &outgoing, &handle).await;
            }
        }
        Err(error) => {
            let message = format!("sshd: cannot start the shell: {error}\r\n");
            let _ = outgoing
                .extended_data_bytes(STDERR, message.into_bytes())
                .await;
            let _ = outgoing.exit_status(127).await;
        }
    }
    let _ = outgoing.eof().await;
    let _ = outgoing.close().await;
}

/// Collects requests until one of them starts something.
async fn gather(incoming: &mut ChannelReadHalf) -> Option<Request> {
    let mut request = Request::default();
    loop {
        match incoming.wait().await? {
            ChannelMsg::RequestPty {
                term,
                col_width,
                row_height,
                ..
            } => {
                request.terminal = Some((
                    term,
                    Size {
                        columns: col_width,
                        rows: row_height,
                    },
                ));
            }
            ChannelMsg::SetEnv {
                variable_name,
                variable_value,
                ..
            } => {
                request.environment.push((variable_name, variable_value));
            }
            ChannelMsg::Exec { command, .. } => {
                request.command = Some(command);
                return Some(request);
            }
            ChannelMsg::RequestSubsystem { name, .. } => {
                if let Some(command) = program::subsystem(&name) {
                    request.command = Some(command.into());
                    return Some(request);
                }
            }
            ChannelMsg::RequestShell { .. } => return Some(request),
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
}

/// Moves bytes until the program has ended (how is the result) or the client is gone.
async fn serve(
    program: Program,
    incoming: ChannelReadHalf,
    outgoing: &ChannelWriteHalf<Msg>,
    queued: Arc<AtomicUsize>,
) -> Option<ExitStatus> {
    let Program {
        mut child,
        input,
        output,
        errors,
        group,
    } = program;
    let (sender, receiver) = unbounded_channel();
    let feeder = tokio::spawn(feed(input, receiver, Arc::clone(&queued)));
    let mut listener = tokio::spawn(listen(incoming, sender, group.clone(), queued));
    let terminal = errors.is_none();
    let (ended, mut end) = tokio::sync::watch::channel(None);
    // A thread that waits costs a stack; in return the exit needs neither SIGCHLD nor pidfds.
    tokio::task::spawn_blocking(move || ended.send_replace(child.wait().ok()));
    let all_output = async {
        let silence = terminal.then(|| end.clone());
        let errors = async {
            if let Some(errors) = &errors {
                copy_out(errors, outgoing, Some(STDERR), None).await;
            }
        };
        tokio::join!(copy_out(&output, outgoing, None, silence), errors);
    };
    let finished = tokio::select! {
        () = all_output => true,
        _ = &mut listener => false,
    };
    let status = if finished {
        end.wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|status| *status)
    } else {
        group.hang_up();
        None
    };
    listener.abort();
    feeder.abort();
    status
}

/// Ends when the client closes the channel or the connection.
async fn listen(
    mut incoming: ChannelReadHalf,
    input: UnboundedSender<Vec<u8>>,
    group: Group,
    queued: Arc<AtomicUsize>,
) {
    let mut input = Some(input);
    while let Some(message) = incoming.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                queued.fetch_add(data.len(), Ordering::Relaxed);
                if input
                    .as_ref()
                    .is_none_or(|input| input.send(data.to_vec()).is_err())
                {
                    queued.fetch_sub(data.len(), Ordering::Relaxed);
                }
            }
            ChannelMsg::Eof => input = None,
            ChannelMsg::WindowChange {
                col_width,
                row_height,
                ..
            } => {
                group.resize(Size {
                    columns: col_width,
                    rows: row_height,
                });
            }
            ChannelMsg::Signal { signal } => {
                if let Some(signal) = from_ssh(&signal) {
                    group.signal(signal);
                }
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Writes the queue to the program; afterwards its input is closed (a terminal stays open).
async fn feed(
    input: Arc<Descriptor>,
    mut queue: UnboundedReceiver<Vec<u8>>,
    queued: Arc<AtomicUsize>,
) {
    let mut open = true;
    while let Some(bytes) = queue.recv().await {
        open = open && input.write_all(&bytes).await.is_ok();
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
}

/// Until the end of the stream, or `AFTERGLOW` of silence once `over` says the program ended.
async fn copy_out(
    from: &Descriptor,
    to: &ChannelWriteHalf<Msg>,
    kind: Option<u32>,
    over: Option<tokio::sync::watch::Receiver<Option<ExitStatus>>>,
) {
    let mut buffer = vec![0; 16 << 10];
    let silence = async {
        match over {
            Some(mut over) => drop(over.wait_for(Option::is_some).await),
            None => std::future::pending().await,
        }
    };
    tokio::pin!(silence);
    let mut ended = false;
    loop {
        let count = tokio::select! {
            biased;
            count = from.read(&mut buffer) => count.unwrap_or(0),
            () = &mut silence, if !ended => { ended = true; continue }
            () = tokio::time::sleep(AFTERGLOW), if ended => 0,
        };
        let bytes = buffer[..count].to_vec();
        let sent = match kind {
            _ if count == 0 => return,
            Some(kind) => to.extended_data_bytes(kind, bytes).await,
            None => to.data_bytes(bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn report(status: ExitStatus, outgoing: &ChannelWriteHalf<Msg>, handle: &Handle) {
    match (status.code(), status.signal().map(to_ssh)) {
        (Some(code), _) => drop(outgoing.exit_status(code as u32).await),
        (None, Some(signal)) => {
            let id = outgoing.id();
            let _ = handle
                .exit_signal_request(
                    id,
                    signal,
                    status.core_dumped(),
                    String::new(),
                    String::new(),
                )
                .await;
        }
        (None, None) => {}
    }
}

/// The signals that SSH has names for (RFC 4254, section 6.10).
const SIGNALS: [(Sig, Signal); 12] = [
    (Sig::ABRT, Signal::SIGABRT),
    (Sig::ALRM, Signal::SIGALRM),
    (Sig::FPE, Signal::SIGFPE),
    (Sig::HUP, Signal::SIGHUP),
    (Sig::ILL, Signal::SIGILL),
    (Sig::INT, Signal::SIGINT),
    (Sig::KILL, Signal::SIGKILL),
    (Sig::PIPE, Signal::SIGPIPE),
    (Sig::QUIT, Signal::SIGQUIT),
    (Sig::SEGV, Signal::SIGSEGV),
    (Sig::TERM, Signal::SIGTERM),
    (Sig::USR1, Signal::SIGUSR1),
];

fn from_ssh(name: &Sig) -> Option<Signal> {
    SIGNALS
        .iter()
        .find(|(known, _)| format!("{known:?}") == format!("{name:?}"))
        .map(|(_, signal)| *signal)
}

fn to_ssh(number: i32) -> Sig {
    let known = SIGNALS.iter().find(|(_, signal)| *signal as i32 == number);
    known.map_or_else(|| Sig::Custom(number.to_string()), |(name, _)| name.clone())
}

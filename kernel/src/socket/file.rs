//! A socket behind a descriptor: waiting, timeouts and `SIGPIPE` over the non-blocking socket.

use super::{interface, is_stream};
use crate::error::{Errno, Result};
use crate::fs::{File, FileType, IoMode, PollEvents};
use crate::process::{self, SigInfo, Signal, signal};
use crate::user_memory::{Sink, Source, UserPtr};
use crate::{time, wait};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use net::{
    Address, Ancillary, ByteSink, ByteSource, Error, Faulted, Kind, Message, Options, Progress,
    Ready, Received, Shutdown, Socket,
};
use smp::{BulkTransfer, Observers};

/// `FIONREAD`, `SIOCOUTQ` (which is `TIOCOUTQ`).
const FIONREAD: u32 = 0x541b;
const SIOCOUTQ: u32 = 0x5411;

pub struct SocketFile {
    socket: Arc<dyn Socket>,
    /// What /proc/<pid>/fd shows.
    number: u64,
}

/// How one send or receive behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transfer {
    pub nonblocking: bool,
    pub peek: bool,
    /// `MSG_WAITALL`: a stream receive goes on until its buffer is full.
    pub wait_all: bool,
    /// `MSG_NOSIGNAL`.
    pub no_signal: bool,
}

impl From<IoMode> for Transfer {
    fn from(mode: IoMode) -> Self {
        Self {
            nonblocking: mode.nonblocking,
            ..Self::default()
        }
    }
}

fn send_timeout(options: &Options) -> Option<u64> {
    options.send_timeout_ns
}

fn receive_timeout(options: &Options) -> Option<u64> {
    options.receive_timeout_ns
}

/// User memory as the `net` crate wants it.
struct UserSource<'a, 'b>(&'a mut Source<'b>);
struct UserSink<'a, 'b>(&'a mut Sink<'b>);

impl ByteSource for UserSource<'_, '_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn take(&mut self, out: &mut [u8]) -> Result<usize, Faulted> {
        self.0.take(out).map_err(|_| Faulted)
    }

    fn append(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize, Faulted> {
        self.0.append(out, count).map_err(|_| Faulted)
    }
}

impl ByteSink for UserSink<'_, '_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn put(&mut self, data: &[u8]) -> Result<usize, Faulted> {
        self.0.put(data).map_err(|_| Faulted)
    }
}

impl SocketFile {
    pub fn new(socket: Arc<dyn Socket>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            socket,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    pub fn socket(&self) -> &Arc<dyn Socket> {
        &self.socket
    }

    pub fn kind(&self) -> Kind {
        self.socket.kind()
    }

    /// Repeats `attempt` until it does not have to wait for `ready`. A wait that a signal ends is
    /// restartable, unless the socket has a `timeout`: then it is `EINTR` for good (signal(7)).
    fn wait_for<R>(
        &self,
        ready: Ready,
        nonblocking: bool,
        timeout: impl Fn(&Options) -> Option<u64>,
        mut attempt: impl FnMut() -> net::Result<R>,
    ) -> Result<R> {
        let mut deadline_ns = None;
        loop {
            match attempt() {
                Err(Error::WouldBlock) if nonblocking => return Err(Errno::EAGAIN),
                Err(Error::WouldBlock) => {}
                outcome => return Ok(outcome?),
            }
            let timeout_ns = timeout(&self.socket.options());
            if let (None, Some(timeout_ns)) = (deadline_ns, timeout_ns) {
                deadline_ns = Some(smp::now_ns().saturating_add(timeout_ns));
            }
            self.wait(ready, deadline_ns).map_err(|error| match error {
                Errno::ETIMEDOUT => Errno::EAGAIN,
                Errno::RESTART if timeout_ns.is_some() => Errno::EINTR,
                error => error,
            })?;
        }
    }

    fn wait(&self, ready: Ready, deadline_ns: Option<u64>) -> Result<()> {
        let readiness = self.socket.readiness();
        wait::interruptible(&readiness.waiters, deadline_ns, || {
            readiness.ready().intersects(ready).then_some(())
        })
    }

    /// connect(2).
    pub fn connect(&self, address: Option<&Address>, nonblocking: bool) -> Result<()> {
        let progress = self.wait_for(Ready::WRITE, nonblocking, send_timeout, || {
            self.socket.connect(address)
        })?;
        if progress == Progress::Done {
            return Ok(());
        }
        if nonblocking {
            return Err(Errno::EINPROGRESS);
        }
        let timeout_ns = send_timeout(&self.socket.options());
        let deadline_ns = timeout_ns.map(|timeout_ns| smp::now_ns().saturating_add(timeout_ns));
        self.wait(Ready::WRITE | Ready::ERROR, deadline_ns)
            .map_err(|error| match error {
                Errno::ETIMEDOUT => Errno::EINPROGRESS,
                // A second connect would find the attempt under way: not restartable by itself.
                Errno::RESTART => Errno::EINTR,
                error => error,
            })?;
        match self.socket.take_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// accept(2): the new socket and its peer.
    pub fn accept(&self, nonblocking: bool) -> Result<(Arc<SocketFile>, Address)> {
        let accepted = self.wait_for(Ready::READ, nonblocking, receive_timeout, || {
            self.socket.accept()
        })?;
        Ok((Self::new(accepted.socket), accepted.peer))
    }

    /// Sends `source`: all of it on a blocking stream, else what one attempt takes.
    pub fn send(
        &self,
        source: &mut Source<'_>,
        to: Option<&Address>,
        ancillary: Ancillary,
        transfer: Transfer,
    ) -> Result<usize> {
        let _bulk = BulkTransfer::begin(source.remaining());
        let (mut sent, mut first) = (0, Some(ancillary));
        loop {
            let outcome = self.wait_for(Ready::WRITE, transfer.nonblocking, send_timeout, || {
                // Files and credentials travel with the first byte; they are kept until it is sent.
                let ancillary = first.clone().unwrap_or_default();
                self.socket
                    .send(&mut UserSource(source), Message { to, ancillary })
            });
            match outcome {
                Ok(count) => sent += count,
                Err(_) if sent > 0 => return Ok(sent),
                Err(error) => return Err(self.broken(error, transfer)),
            }
            first = None;
            if !is_stream(self.kind()) || source.remaining() == 0 {
                return Ok(sent);
            }
        }
    }

    /// A stream that can no longer be written to raises `SIGPIPE` too.
    fn broken(&self, error: Errno, transfer: Transfer) -> Errno {
        let signals = error == Errno::EPIPE && !transfer.no_signal && is_stream(self.kind());
        if signals && let Some(current) = process::try_current() {
            // A signal that is ignored or pending already adds nothing.
            let _ = signal::send_to_thread(current.task(), SigInfo::kernel(Signal::PIPE));
        }
        error
    }

    /// Receives into `sink`.
    pub fn receive(&self, sink: &mut Sink<'_>, transfer: Transfer) -> Result<Received> {
        let _bulk = BulkTransfer::begin(sink.remaining());
        let mut all = self.receive_piece(sink, transfer)?;
        if transfer.wait_all && !transfer.peek && is_stream(self.kind()) {
            let mut piece = all.length;
            while piece > 0 && sink.remaining() > 0 {
                let Ok(next) = self.receive_piece(sink, transfer) else {
                    break;
                };
                piece = next.length;
                all.length += piece;
                all.full_length = all.length;
                all.ancillary.rights.extend(next.ancillary.rights);
            }
        }
        Ok(all)
    }

    fn receive_piece(&self, sink: &mut Sink<'_>, transfer: Transfer) -> Result<Received> {
        self.wait_for(Ready::READ, transfer.nonblocking, receive_timeout, || {
            self.socket.receive(&mut UserSink(sink), transfer.peek)
        })
    }

    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        Ok(self.socket.shutdown(how)?)
    }
}

impl SocketFile {
    /// `SO_LINGER`: closing waits until everything sent has been acknowledged, for some seconds at
    /// most, or until a signal comes.
    fn linger(&self, seconds: u32) {
        if self.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline_ns = smp::now_ns().saturating_add(u64::from(seconds) * time::NANOSECONDS);
        let waiters = &self.socket.readiness().waiters;
        // Whatever ended the wait, what is left is sent in the background.
        let _ = wait::interruptible(waiters, Some(deadline_ns), || {
            (self.socket.unsent() == 0).then_some(())
        });
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let seconds = self.socket.options().linger_s.unwrap_or(0);
        if self.kind() == Kind::Tcp && seconds > 0 {
            self.linger(seconds);
        }
    }
}

impl File for SocketFile {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        Ok(self.receive(sink, mode.into())?.length)
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        self.send(
            source,
            None,
            super::message::own_credentials(self.kind()),
            mode.into(),
        )
    }

    fn poll(&self) -> PollEvents {
        let ready = self.socket.readiness().ready();
        let mut events = PollEvents::from_bits_truncate(ready.bits());
        events.set(PollEvents::RDNORM, ready.contains(Ready::READ));
        events.set(PollEvents::WRNORM, ready.contains(Ready::WRITE));
        events
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.socket.readiness().observers)
    }

    fn signals(&self) -> bool {
        true
    }

    fn ioctl(&self, request: u32, argument: usize) -> Result<usize> {
        let count = match request {
            FIONREAD if self.socket.is_listening() => return Err(Errno::EINVAL),
            FIONREAD => self.socket.receivable(),
            SIOCOUTQ => self.socket.unsent(),
            _ => return interface::ioctl(request, argument),
        };
        UserPtr::<i32>::new(argument).write(count as i32)?;
        Ok(0)
    }

    fn file_type(&self) -> FileType {
        FileType::Socket
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        format!("socket:[{}]", self.number)
    }
}

//! A file descriptor (terminal or pipe) that tokio waits for.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io::{Error, Result};
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

pub struct Descriptor(AsyncFd<OwnedFd>);

impl Descriptor {
    pub fn new(descriptor: OwnedFd) -> Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
        fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        // SAFETY: the descriptor is owned, so it stays open and the same until it is dropped.
        Ok(Self(unsafe { AsyncFd::register(descriptor) }?))
    }

    /// Some bytes, or none at the end. A terminal whose programs are gone says EIO: an end too.
    pub async fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            let attempt = ready
                .try_io(|inner| nix::unistd::read(inner.get_ref(), buffer).map_err(Error::from));
            match attempt {
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::EIO as i32) => return Ok(0),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(outcome) => return outcome,
                Err(_would_block) => {}
            }
        }
    }

    pub async fn write_all(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready
                .try_io(|inner| nix::unistd::write(inner.get_ref(), bytes).map_err(Error::from))
            {
                Ok(Ok(written)) => bytes = &bytes[written..],
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
        Ok(())
    }

    pub fn get(&self) -> &OwnedFd {
        self.0.get_ref()
    }
}

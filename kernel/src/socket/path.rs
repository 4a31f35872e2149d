//! UNIX sockets with a name in the file system.

use crate::error::{Errno, Result};
use crate::fs::node::NewNode;
use crate::fs::permission::Access;
use crate::fs::{Caller, FileType, Location};
use alloc::sync::Arc;
use alloc::vec::Vec;
use net::{Address, Inode, Socket, UnixAddress};

fn name_of(path: &[u8], place: &Location) -> Address {
    let id = place.node.metadata().id;
    let inode = Inode {
        device: id.device,
        number: id.inode,
        pin: Arc::new(place.node.clone()),
    };
    Address::Unix(UnixAddress::Path {
        path: path.to_vec(),
        inode,
    })
}

/// The address of the socket file at `path`, which the caller must be allowed to write to.
pub fn find(path: &[u8]) -> Result<Address> {
    let caller = Caller::current();
    let place = caller.find(None, path, true)?;
    caller.access(&place, Access::WRITE)?;
    if place.node.file_type() != FileType::Socket {
        return Err(Errno::ECONNREFUSED);
    }
    Ok(name_of(path, &place))
}

/// Makes a socket file at `path` and binds `socket` to it.
pub fn bind(socket: &dyn Socket, path: Vec<u8>) -> Result<()> {
    let caller = Caller::current();
    let place = caller
        .make(None, &path, NewNode::Socket, 0o777)
        .map_err(|error| match error {
            Errno::EEXIST => Errno::EADDRINUSE,
            error => error,
        })?;
    if let Err(error) = socket.bind(&name_of(&path, &place)) {
        // The file is of no use without its socket; that it may be gone already does not matter.
        let _ = caller.unlink(None, &path);
        return Err(error.into());
    }
    Ok(())
}

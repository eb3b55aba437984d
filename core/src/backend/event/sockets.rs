//! Where there is no eventfd: two connected sockets, one to ring and one to be read.

use std::io;
use std::os::unix::net::UnixStream;

#[derive(Debug)]
pub(super) struct Descriptors {
    ringing: UnixStream,
    rung: UnixStream,
}

impl Descriptors {
    pub(super) fn new() -> io::Result<Descriptors> {
        let (ringing, rung) = UnixStream::pair()?;
        ringing.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        Ok(Descriptors { ringing, rung })
    }

    pub(super) fn ringing(&self) -> &UnixStream {
        &self.ringing
    }

    pub(super) fn rung(&self) -> &UnixStream {
        &self.rung
    }
}

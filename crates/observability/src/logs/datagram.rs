//! Datagrams to a local socket that may be slow, full, gone or replaced.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix};

use super::{LineLoss, PATIENCE};

/// A socket of ours, and the peer's name, which is looked up anew for each datagram: the peer may restart.
#[derive(Debug)]
pub(super) struct DatagramSink {
    socket: UnixDatagram,
    peer: SocketAddrUnix,
    /// The last datagram found no room in time: do not wait for the next one.
    stuck: bool,
}

impl DatagramSink {
    /// A socket for datagrams to `path`. The peer need not be there yet.
    pub(super) fn open(path: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let failed = |error: io::Error| (path.to_owned(), error);
        let peer = SocketAddrUnix::new(path).map_err(|errno| failed(errno.into()))?;
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Self { socket, peer, stuck: false })
    }

    /// Sends one datagram, within the patience of a log line.
    pub(super) fn send(&mut self, datagram: &[u8]) -> Result<(), Loss> {
        let sent = rustix::net::sendto(&self.socket, datagram, self.flags(), &self.peer).map(|_| ());
        self.settle(sent)
    }

    /// Sends what is too large for a datagram as a sealed file of memory, as journald's protocol has it.
    pub(super) fn send_as_file(&mut self, content: &[u8]) -> Result<(), Loss> {
        let sent = sealed_file(content).and_then(|file| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let files = [file.as_fd()];
            if !control.push(SendAncillaryMessage::ScmRights(&files)) {
                return Err(rustix::io::Errno::NOBUFS);
            }
            let nothing = [IoSlice::new(&[])];
            rustix::net::sendmsg_addr(&self.socket, &self.peer, &nothing, &mut control, self.flags())
                .map(|_| ())
        });
        self.settle(sent)
    }

    fn flags(&self) -> SendFlags {
        if self.stuck { SendFlags::NOSIGNAL | SendFlags::DONTWAIT } else { SendFlags::NOSIGNAL }
    }

    fn settle(&mut self, sent: rustix::io::Result<()>) -> Result<(), Loss> {
        use rustix::io::Errno;
        let Err(errno) = sent else {
            self.stuck = false;
            return Ok(());
        };
        if errno == Errno::AGAIN {
            self.stuck = true;
            return Err(Loss::Lost(LineLoss::Stuck));
        }
        if matches!(errno, Errno::MSGSIZE | Errno::NOBUFS) {
            return Err(Loss::TooLarge);
        }
        Err(Loss::Lost(LineLoss::Failed))
    }
}

/// Why a datagram was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// It is larger than the socket takes.
    TooLarge,
    /// It is gone.
    Lost(LineLoss),
}

impl From<Loss> for LineLoss {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::TooLarge => Self::Failed,
            Loss::Lost(cause) => cause,
        }
    }
}

fn sealed_file(content: &[u8]) -> rustix::io::Result<rustix::fd::OwnedFd> {
    let file = rustix::fs::memfd_create("log-entry", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC)?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = &rest[written..];
    }
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(file)
}

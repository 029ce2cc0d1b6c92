//! Private ports.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::Error;

/// Below the kernel's range for outgoing connections, so that no client socket of a neighbour can take a port
/// between our choice of it and the bind. The launchers choose from the same range.
const RANGE: std::ops::Range<u16> = 15_000..32_000;
const ATTEMPTS: usize = 2_000;

/// A port on 127.0.0.1 that no other fixture takes while this value lives, whether or not anything listens on it.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// An abstract socket is a lock that the kernel frees when its owner dies.
    _claim: UnixListener,
}

impl Port {
    /// Chooses a free port and claims it.
    pub fn take() -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            let number = fastrand::u16(RANGE);
            let Ok(address) = SocketAddr::from_abstract_name(format!("nephoscope-port-{number}")) else {
                continue;
            };
            let Ok(claim) = UnixListener::bind_addr(&address) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Ok(Self { number, _claim: claim });
            }
        }
        Err(Error::refused("free port", format!("none in {RANGE:?}")))
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

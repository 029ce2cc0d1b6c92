//! What can go wrong, and what the daemon says of it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::frame::FrameError;
use crate::uri::UriError;
use crate::xdr::{Reader, XdrError};

/// Longest text within an error.
const TEXT_MAX: u32 = 4 * 1024 * 1024;

/// Why something was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URI cannot be used.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// None of the daemon's sockets exists.
    #[error("no daemon of libvirt listens here: neither of {} exists", list(tried))]
    NoSocket {
        /// Where the sockets were looked for.
        tried: Vec<PathBuf>,
    },
    /// The address cannot be reached.
    #[error("cannot reach {address}")]
    Connect {
        /// A path, or host and port.
        address: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The TLS handshake failed, or the daemon refuses our certificate.
    #[error("TLS with {address} failed")]
    Tls {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// A `tls` URI, but no TLS connector in the options.
    #[error("{address} wants TLS, which was not set up")]
    NoTls {
        /// Host and port.
        address: String,
    },
    /// The daemon and we agree on no authentication.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// No answer came in time. The call may still have its effect.
    #[error("{call} was not answered within {}", seconds(after))]
    Timeout {
        /// The call's name.
        call: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection has ended.
    #[error("the connection to libvirt is closed: {0}")]
    Closed(Closed),
    /// The daemon's answer is an error.
    #[error("{call}: {error}")]
    Remote {
        /// The call's name.
        call: &'static str,
        /// What the daemon says.
        error: Box<RemoteError>,
    },
    /// The daemon's answer cannot be read.
    #[error("{call}: the answer cannot be read")]
    Answer {
        /// The call's name.
        call: &'static str,
        /// Why not.
        #[source]
        source: XdrError,
    },
    /// The last attempt to connect failed a short while ago; the next one waits.
    #[error("waiting {} before connecting again", seconds(left))]
    Waiting {
        /// How long until the next attempt.
        left: Duration,
        /// What the last attempt ended with.
        #[source]
        last: Arc<Error>,
    },
}

impl Error {
    /// Whether the connection is lost, or could not be made: another attempt may help.
    pub const fn is_disconnection(&self) -> bool {
        matches!(
            self,
            Self::NoSocket { .. }
                | Self::Connect { .. }
                | Self::Tls { .. }
                | Self::Closed(_)
                | Self::Waiting { .. }
        )
    }

    /// What the daemon says, if it was it that refused.
    pub fn remote(&self) -> Option<&RemoteError> {
        match self {
            Self::Remote { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The daemon's error code, if it was it that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        self.remote().map(|error| error.code)
    }

    /// Short name of the cause, for a metric's label.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Uri(_) => "uri",
            Self::NoSocket { .. } => "no_socket",
            Self::Connect { .. } => "unreachable",
            Self::Tls { .. } | Self::NoTls { .. } => "tls",
            Self::Auth(_) => "auth",
            Self::Timeout { .. } => "timeout",
            Self::Closed(_) => "closed",
            Self::Remote { .. } => "remote",
            Self::Answer { .. } => "answer",
            Self::Waiting { .. } => "waiting",
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Why a connection has ended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The daemon has closed it: it stops, or was killed.
    #[error("the daemon has ended it")]
    ByDaemon,
    /// We have closed it.
    #[error("it was given up here")]
    ByUs,
    /// Reading failed, or a packet had an impossible length.
    #[error("reading: {}", chain(.0.as_ref()))]
    Read(Arc<FrameError>),
    /// Writing failed.
    #[error("writing: {0}")]
    Write(Arc<io::Error>),
    /// The daemon took no bytes for so long.
    #[error("the daemon took no request within {}", seconds(.0))]
    Stalled(Duration),
    /// Nothing came, not even answers to keep-alive requests.
    #[error("nothing was heard for {}", seconds(.0))]
    Silent(Duration),
    /// A packet's header makes no sense.
    #[error("a packet makes no sense: {0}")]
    Header(XdrError),
    /// An answer to a call that it does not belong to.
    #[error("the answer with serial number {serial} is for procedure {found}, the call was for {expected}")]
    Mismatch {
        /// Serial number.
        serial: u32,
        /// The call's procedure.
        expected: i32,
        /// The answer's.
        found: i32,
    },
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Why we may not come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The daemon names no authentication that is known here.
    #[error("the daemon wants an authentication that is not known here: {}", .offered.join(", "))]
    Unknown {
        /// The numbers or names that it offers.
        offered: Vec<String>,
    },
    /// SASL without user and password.
    #[error("the daemon wants a user and a password (SASL), and none are set")]
    NoCredentials,
    /// No mechanism in common.
    #[error(
        "the daemon offers the SASL mechanisms {offered:?}; SCRAM-SHA-256, SCRAM-SHA-1 and, over TLS or a Unix \
         socket, PLAIN are known here"
    )]
    Mechanism {
        /// As the daemon writes them.
        offered: String,
    },
    /// The daemon's part of the exchange is not what it should be.
    #[error("the daemon's part of {mechanism} is wrong: {problem}")]
    Exchange {
        /// The SASL mechanism.
        mechanism: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// polkit says no.
    #[error(
        "polkit does not allow it: use the read-only socket, or give this user the right org.libvirt.unix.manage"
    )]
    Polkit,
}

/// An error as the daemon reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    /// What kind of error.
    pub code: ErrorCode,
    /// Which part of libvirt it comes from.
    pub domain: ErrorDomain,
    /// In words; may be empty.
    pub message: String,
    /// 1 warning, 2 error.
    pub level: i32,
}

impl std::error::Error for RemoteError {}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, domain, message, .. } = self;
        let message = if message.is_empty() { "no reason given" } else { message.as_str() };
        write!(f, "{message} (libvirt error {}{}, domain {})", code.0, code.in_words(), domain.0)
    }
}

impl RemoteError {
    /// Reads the payload of an answer whose status is "error".
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, XdrError> {
        let code = ErrorCode(reader.i32()?);
        let domain = ErrorDomain(reader.i32()?);
        let message = reader.optional_text(TEXT_MAX)?.unwrap_or_default().to_owned();
        let level = reader.i32()?;
        if reader.present()? {
            reader.text(TEXT_MAX)?;
            reader.uuid()?;
            reader.i32()?;
        }
        // Further texts and numbers repeat what the message says; a network, which is unused, may come last.
        for _ in 0..3 {
            reader.optional_text(TEXT_MAX)?;
        }
        reader.i32()?;
        reader.i32()?;
        if reader.present()? {
            reader.text(TEXT_MAX)?;
            reader.uuid()?;
        }
        reader.finish()?;
        Ok(Self { code, domain, message, level })
    }
}

/// What kind of error: libvirt's `virErrorNumber`. Any number may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    /// Something inside libvirt.
    pub const INTERNAL_ERROR: Self = Self(1);
    /// The driver cannot do this.
    pub const NO_SUPPORT: Self = Self(3);
    /// There is no such hypervisor.
    pub const NO_CONNECT: Self = Self(5);
    /// An argument is wrong.
    pub const INVALID_ARG: Self = Self(8);
    /// It did not work.
    pub const OPERATION_FAILED: Self = Self(9);
    /// Only a connection that may write may do this.
    pub const OPERATION_DENIED: Self = Self(29);
    /// The operating system refused something.
    pub const SYSTEM_ERROR: Self = Self(38);
    /// Something in the remote protocol.
    pub const RPC: Self = Self(39);
    /// There is no such domain (any more).
    pub const NO_DOMAIN: Self = Self(42);
    /// Wrong user or password, or no right.
    pub const AUTH_FAILED: Self = Self(45);
    /// Not in the domain's present state, for example because it does not run.
    pub const OPERATION_INVALID: Self = Self(55);
    /// The configuration does not allow it.
    pub const CONFIG_UNSUPPORTED: Self = Self(67);
    /// libvirt has waited in vain, in general for a domain's lock (30 s).
    pub const OPERATION_TIMEOUT: Self = Self(68);
    /// The driver does not support an argument's value.
    pub const ARGUMENT_UNSUPPORTED: Self = Self(74);
    /// The domain has no such metadata.
    pub const NO_DOMAIN_METADATA: Self = Self(80);
    /// Not for this domain.
    pub const OPERATION_UNSUPPORTED: Self = Self(84);
    /// The agent within the guest does not answer.
    pub const AGENT_UNRESPONSIVE: Self = Self(86);
    /// Something is in use.
    pub const RESOURCE_BUSY: Self = Self(87);
    /// Access control says no.
    pub const ACCESS_DENIED: Self = Self(88);
    /// The agent within the guest is out of step.
    pub const AGENT_UNSYNCED: Self = Self(97);

    const fn in_words(self) -> &'static str {
        match self {
            Self::INTERNAL_ERROR => ", internal error",
            Self::NO_SUPPORT => ", no support",
            Self::NO_CONNECT => ", no connection driver",
            Self::INVALID_ARG => ", invalid argument",
            Self::OPERATION_FAILED => ", operation failed",
            Self::OPERATION_DENIED => ", operation denied",
            Self::SYSTEM_ERROR => ", system error",
            Self::RPC => ", RPC",
            Self::NO_DOMAIN => ", no domain",
            Self::AUTH_FAILED => ", authentication failed",
            Self::OPERATION_INVALID => ", operation invalid",
            Self::CONFIG_UNSUPPORTED => ", configuration unsupported",
            Self::OPERATION_TIMEOUT => ", operation timeout",
            Self::ARGUMENT_UNSUPPORTED => ", argument unsupported",
            Self::NO_DOMAIN_METADATA => ", no metadata",
            Self::OPERATION_UNSUPPORTED => ", operation unsupported",
            Self::AGENT_UNRESPONSIVE => ", agent unresponsive",
            Self::RESOURCE_BUSY => ", resource busy",
            Self::ACCESS_DENIED => ", access denied",
            Self::AGENT_UNSYNCED => ", agent unsynced",
            Self(_) => "",
        }
    }
}

/// Which part of libvirt an error comes from: `virErrorDomain`. Any number may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorDomain(pub i32);

impl ErrorDomain {
    /// The remote protocol's transport.
    pub const RPC: Self = Self(7);
    /// The QEMU driver.
    pub const QEMU: Self = Self(10);
    /// The test driver.
    pub const TEST: Self = Self(12);
    /// The remote driver.
    pub const REMOTE: Self = Self(13);
    /// The LXC driver.
    pub const LXC: Self = Self(17);
    /// Domains in general.
    pub const DOMAIN: Self = Self(20);
    /// Authentication.
    pub const AUTH: Self = Self(46);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::xdr::Writer;

    fn payload(message: Option<&str>, domain: bool) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.i32(42).i32(10).optional_text(message).i32(2).bool(domain);
        if domain {
            writer.text("instance-1").uuid(&Uuid::nil()).i32(-1);
        }
        writer.optional_text(Some("Domain not found: %s")).optional_text(None).optional_text(None);
        writer.i32(-1).i32(-1).bool(false);
        writer.into_bytes()
    }

    #[test]
    fn errors_of_the_daemon_are_read_whatever_they_carry() {
        for domain in [false, true] {
            let bytes = payload(Some("Domain not found"), domain);
            let error = RemoteError::read(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(error.code, ErrorCode::NO_DOMAIN);
            assert_eq!(error.domain, ErrorDomain::QEMU);
            assert_eq!(error.to_string(), "Domain not found (libvirt error 42, no domain, domain 10)");
        }
        let bytes = payload(None, false);
        let error = RemoteError::read(&mut Reader::new(&bytes)).unwrap();
        assert!(error.to_string().starts_with("no reason given"));
        for cut in 0..bytes.len() {
            assert!(RemoteError::read(&mut Reader::new(&bytes[..cut])).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_a_reconnection_may_mend_is_told_apart() {
        let io = || Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        for (error, disconnection, cause) in [
            (Error::Connect { address: "x".to_owned(), source: io() }, true, "unreachable"),
            (Error::Closed(Closed::ByDaemon), true, "closed"),
            (Error::Timeout { call: "NodeGetInfo", after: Duration::from_secs(1) }, false, "timeout"),
            (Error::Auth(AuthError::NoCredentials), false, "auth"),
        ] {
            assert_eq!((error.is_disconnection(), error.cause()), (disconnection, cause), "{error}");
        }
    }
}

//! Authentication: none, polkit, or SASL with user and password.

mod hash;
mod scram;

use crate::connection::Connection;
use crate::error::{AuthError, Error};
use crate::options::Credentials;
use crate::procedure;
use crate::xdr::{Reader, Writer, XdrError};

use self::hash::{Sha1, Sha256};
use self::scram::Scram;

/// Authentications of the remote protocol.
const AUTH_NONE: i32 = 0;
const AUTH_SASL: i32 = 1;
const AUTH_POLKIT: i32 = 2;
/// Most authentications in a list.
const LIST_MAX: u32 = 20;
/// Longest list of SASL mechanisms.
const MECHANISMS_MAX: u32 = 64 * 1024;
/// Longest message of SASL.
const DATA_MAX: u32 = 64 * 1024;
/// Most rounds of a SASL exchange; the mechanisms that are known here need two.
const ROUNDS_MAX: usize = 8;

/// Does what the daemon wants, in the daemon's order of preference.
pub(crate) async fn authenticate(
    connection: &Connection,
    credentials: Option<&Credentials>,
    is_private: bool,
) -> Result<(), Error> {
    let answer = connection.call(procedure::AUTH_LIST, Writer::new()).await?;
    let offered = answer.read(|reader| {
        let count = reader.length(LIST_MAX, 4)?;
        (0..count).map(|_| reader.i32()).collect::<Result<Vec<i32>, XdrError>>()
    })?;
    for auth in &offered {
        match *auth {
            AUTH_NONE => return Ok(()),
            AUTH_SASL => return sasl(connection, credentials, is_private).await,
            AUTH_POLKIT => return polkit(connection).await,
            _ => {}
        }
    }
    let offered = offered.iter().map(ToString::to_string).collect();
    Err(AuthError::Unknown { offered }.into())
}

/// The daemon asks polkit; there is nothing to bring but our process, which it sees at the socket.
async fn polkit(connection: &Connection) -> Result<(), Error> {
    let answer = connection.call(procedure::AUTH_POLKIT, Writer::new()).await?;
    let complete = answer.read(Reader::i32)?;
    if complete == 0 { Err(AuthError::Polkit.into()) } else { Ok(()) }
}

/// The client's part of a mechanism.
enum Mechanism {
    Plain(String),
    Sha1(Scram<Sha1>),
    Sha256(Scram<Sha256>),
}

impl Mechanism {
    /// The best of those that the daemon offers. PLAIN only where nobody listens.
    fn choose(offered: &str, credentials: &Credentials, is_private: bool) -> Result<Self, AuthError> {
        let has = |name: &str| offered.split([',', ' ']).any(|one| one.eq_ignore_ascii_case(name));
        if has("SCRAM-SHA-256") {
            Ok(Self::Sha256(Scram::new("SCRAM-SHA-256", credentials)))
        } else if has("SCRAM-SHA-1") {
            Ok(Self::Sha1(Scram::new("SCRAM-SHA-1", credentials)))
        } else if is_private && has("PLAIN") {
            Ok(Self::Plain(format!("\0{}\0{}", credentials.user, credentials.password)))
        } else {
            Err(AuthError::Mechanism { offered: offered.to_owned() })
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Plain(_) => "PLAIN",
            Self::Sha1(_) => "SCRAM-SHA-1",
            Self::Sha256(_) => "SCRAM-SHA-256",
        }
    }

    /// The first message.
    fn first(&self) -> Vec<u8> {
        match self {
            Self::Plain(message) => message.clone().into_bytes(),
            Self::Sha1(scram) => scram.first(),
            Self::Sha256(scram) => scram.first(),
        }
    }

    /// The answer to the daemon's message; `None` when there is nothing more to say.
    async fn next(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, AuthError> {
        match self {
            Self::Plain(_) => Ok(None),
            Self::Sha1(scram) => scram.next(message).await,
            Self::Sha256(scram) => scram.next(message).await,
        }
    }

    /// Whether the daemon has proved what it must.
    const fn is_satisfied(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Sha1(scram) => scram.is_satisfied(),
            Self::Sha256(scram) => scram.is_satisfied(),
        }
    }
}

async fn sasl(
    connection: &Connection,
    credentials: Option<&Credentials>,
    is_private: bool,
) -> Result<(), Error> {
    let credentials = credentials.ok_or(AuthError::NoCredentials)?;
    let answer = connection.call(procedure::AUTH_SASL_INIT, Writer::new()).await?;
    let offered = answer.read(|reader| reader.text(MECHANISMS_MAX))?;
    let mut mechanism = Mechanism::choose(offered, credentials, is_private)?;
    let wrong = |problem| AuthError::Exchange { mechanism: mechanism.name(), problem };
    let too_long = wrong("it goes on for ever");
    let unproved = wrong("it ends before the daemon has proved that it knows the password");

    let mut writer = Writer::new();
    writer.text(mechanism.name());
    data(&mut writer, Some(&mechanism.first()));
    let mut answer = connection.call(procedure::AUTH_SASL_START, writer).await?;
    for _ in 0..ROUNDS_MAX {
        let (complete, message) = answer.read(|reader| {
            let complete = reader.i32()? != 0;
            let is_nil = reader.i32()? != 0;
            let message = reader.chars(DATA_MAX)?;
            Ok((complete, (!is_nil).then_some(message)))
        })?;
        let next = match message {
            Some(message) if !message.is_empty() => mechanism.next(&message).await?,
            _ => None,
        };
        if complete {
            return if mechanism.is_satisfied() { Ok(()) } else { Err(unproved.into()) };
        }
        let mut writer = Writer::new();
        data(&mut writer, next.as_deref());
        answer = connection.call(procedure::AUTH_SASL_STEP, writer).await?;
    }
    Err(too_long.into())
}

/// Nothing and empty are different things to SASL.
fn data(writer: &mut Writer, message: Option<&[u8]>) {
    writer.bool(message.is_none()).chars(message.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_mechanism_is_chosen() {
        let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned() };
        for (offered, is_private, expected) in [
            ("PLAIN,SCRAM-SHA-1,SCRAM-SHA-256", true, Some("SCRAM-SHA-256")),
            ("PLAIN SCRAM-SHA-1", false, Some("SCRAM-SHA-1")),
            ("LOGIN,PLAIN", true, Some("PLAIN")),
            ("LOGIN,PLAIN", false, None),
            ("SCRAM-SHA-512,GSSAPI", true, None),
        ] {
            let chosen = Mechanism::choose(offered, &credentials, is_private);
            assert_eq!(chosen.as_ref().ok().map(Mechanism::name), expected, "{offered}");
            if let Err(error) = chosen {
                assert!(error.to_string().contains(offered), "{error}");
            }
        }
    }
}

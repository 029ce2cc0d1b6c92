//! Asks the server that has the store open.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use model::Value;
use observability::control::connect_control;

use super::protocol::{Request, Said, said};

/// A server that is at work says so in shorter intervals.
const ANSWER: Duration = Duration::from_mins(1);
/// The longest line that is read.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// What a server answers; none when no server is there.
///
/// # Errors
/// It refuses, did not succeed, or cannot be asked.
pub(super) fn ask(sockets: &[PathBuf], request: &Request) -> anyhow::Result<Option<Value>> {
    Ok(ask_at(sockets, request)?.map(|(value, _)| value))
}

/// The same, with the socket at which it answered.
///
/// # Errors
/// As of [`ask`].
pub(super) fn ask_at(sockets: &[PathBuf], request: &Request) -> anyhow::Result<Option<(Value, PathBuf)>> {
    for path in sockets {
        match connect_control(path) {
            Ok(stream) => {
                let answer = converse(&stream, request);
                let answer = answer.map(|value| Some((value, path.clone())));
                return answer.with_context(|| format!("the server at {}", path.display()));
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "; run this as the user that the server runs as, or as root"
                    }
                    _ => "",
                };
                bail!("cannot connect to {}: {error}{hint}", path.display());
            }
        }
    }
    Ok(None)
}

fn converse(stream: &UnixStream, request: &Request) -> anyhow::Result<Value> {
    stream.set_write_timeout(Some(ANSWER))?;
    stream.set_read_timeout(Some(ANSWER))?;
    let line = request.line().map_err(|reason| anyhow!(reason))?;
    let mut writer = stream;
    // A server that refuses a client at once does not read what it asks for; the reason is there to be read.
    match writer.write_all(&line) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        match reader.by_ref().take(MAX_LINE_BYTES).read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => {}
            Ok(_) => bail!("it has ended"),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                bail!("it does not answer");
            }
            Err(error) => return Err(error.into()),
        }
        match said(&line) {
            Some(Said::Done(value)) => return Ok(value),
            Some(Said::Error(reason)) => return Err(anyhow!(reason)),
            Some(Said::Working) | None => {}
        }
    }
}

//! The control socket inside the broker (`scripts/services/control.erl`).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::Error;

/// Longest evaluation; stopping or starting the broker application is the longest.
const LIMIT: Duration = Duration::from_mins(2);
/// Largest answer that we read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A text as an Erlang binary literal, whatever it contains.
pub(super) fn binary(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    format!("<<{}>>", bytes.join(","))
}

pub(super) fn evaluate(socket: &Path, expressions: &str) -> Result<String, Error> {
    let what = || format!("broker: {expressions}");
    let answer = exchange(socket, expressions.as_bytes()).map_err(|error| Error::io(what(), error))?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    match text.split_once(' ') {
        Some(("ok", value)) => Ok(value.to_owned()),
        Some(("error", reason)) => Err(Error::refused(what(), reason)),
        _ => Err(Error::answer(what(), text)),
    }
}

fn exchange(socket: &Path, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let length = u32::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(request)?;
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_be_bytes(header) as usize;
    if length > MAX_ANSWER_BYTES {
        return Err(io::Error::other(format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

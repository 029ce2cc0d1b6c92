//! [`Reply`]: what Redis answers, and how commands are written (RESP 2).

use crate::connection::{Progress, line};

/// Replies within replies at most.
const MAX_DEPTH: usize = 8;
/// Characters of a refusal that are kept.
const MAX_REASON: usize = 200;

/// What Redis answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A word such as `OK`.
    Status(String),
    /// A number.
    Number(i64),
    /// A value.
    Value(Vec<u8>),
    /// There is none.
    Nothing,
    /// Several.
    List(Vec<Self>),
}

impl Reply {
    /// The bytes of a value.
    #[must_use]
    pub fn into_value(self) -> Option<Vec<u8>> {
        match self {
            Self::Value(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// Appends a command.
pub(crate) fn write(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one reply. A refusal is [`Progress::Bad`], with its text from the `-` on.
pub(crate) fn read(bytes: &[u8]) -> Progress<Reply> {
    match read_at(bytes, 0, MAX_DEPTH) {
        Ok(Some((reply, end))) => Progress::Done(reply, end),
        Ok(None) => Progress::More,
        Err(reason) => Progress::Bad(reason),
    }
}

/// Reads `+OK` several times.
pub(crate) fn welcome(bytes: &[u8], times: usize) -> Progress<()> {
    let mut read = 0;
    for _ in 0..times {
        match bytes.get(read..).and_then(line) {
            None => return Progress::More,
            Some(("+OK", length)) => read += length,
            Some((other, _)) => return Progress::Bad(cut(other)),
        }
    }
    Progress::Done((), read)
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}

/// The reply at `start` and where it ends; `None` if more is to come.
fn read_at(bytes: &[u8], start: usize, depth: usize) -> Result<Option<(Reply, usize)>, String> {
    let Some((head, length)) = bytes.get(start..).and_then(line) else { return Ok(None) };
    let at = start + length;
    let Some(kind) = head.chars().next().filter(|_| depth > 0) else {
        return Err("no reply of Redis".into());
    };
    let rest = head.get(1..).unwrap_or_default();
    let number = || rest.parse::<i64>().map_err(|_| cut(head));
    let reply = match kind {
        '+' => Reply::Status(rest.to_owned()),
        ':' => Reply::Number(number()?),
        '$' => match usize::try_from(number()?) {
            Err(_) if rest == "-1" => Reply::Nothing,
            Err(_) => return Err(cut(head)),
            Ok(length) => return value(bytes, at, length),
        },
        '*' => match usize::try_from(number()?) {
            Err(_) if rest == "-1" => Reply::Nothing,
            Err(_) => return Err(cut(head)),
            Ok(count) => return list(bytes, at, count, depth - 1),
        },
        _ => return Err(cut(head)),
    };
    Ok(Some((reply, at)))
}

fn value(bytes: &[u8], at: usize, length: usize) -> Result<Option<(Reply, usize)>, String> {
    let (Some(end), Some(after)) =
        (at.checked_add(length), at.checked_add(length).and_then(|end| end.checked_add(2)))
    else {
        return Err(format!("a value of {length} bytes"));
    };
    match (bytes.get(at..end), bytes.get(end..after)) {
        (Some(value), Some(b"\r\n")) => Ok(Some((Reply::Value(value.to_vec()), after))),
        (Some(_), Some(_)) => Err("a value without an end".into()),
        _ => Ok(None),
    }
}

fn list(bytes: &[u8], mut at: usize, count: usize, depth: usize) -> Result<Option<(Reply, usize)>, String> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let Some((reply, end)) = read_at(bytes, at, depth)? else { return Ok(None) };
        entries.push(reply);
        at = end;
    }
    Ok(Some((Reply::List(entries), at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_texts() {
        let mut out = Vec::new();
        write(&mut out, &[b"GET", "ü".as_bytes()]);
        assert_eq!(out, "*2\r\n$3\r\nGET\r\n$2\r\nü\r\n".as_bytes());
    }

    #[test]
    fn answers_are_read_however_they_arrive() {
        let value = |text: &[u8]| Reply::Value(text.to_vec());
        for (whole, expected) in [
            (&b"$4\r\na\r\nb\r\n"[..], value(b"a\r\nb")),
            (b"$-1\r\n", Reply::Nothing),
            (b"$0\r\n\r\n", value(b"")),
            (b"+OK\r\n", Reply::Status("OK".into())),
            (b":-7\r\n", Reply::Number(-7)),
            (b"*-1\r\n", Reply::Nothing),
            (b"*0\r\n", Reply::List(Vec::new())),
            (
                b"*3\r\n$9\r\n127.0.0.1\r\n*2\r\n:1\r\n$-1\r\n+x\r\n",
                Reply::List(vec![
                    value(b"127.0.0.1"),
                    Reply::List(vec![Reply::Number(1), Reply::Nothing]),
                    Reply::Status("x".into()),
                ]),
            ),
        ] {
            for end in 0..whole.len() {
                assert_eq!(read(&whole[..end]), Progress::More, "{end}");
            }
            assert_eq!(read(whole), Progress::Done(expected, whole.len()));
        }
        let deep = b"*1\r\n".repeat(9);
        for bad in [
            &b"-WRONGTYPE x\r\n"[..],
            b"$-2\r\n",
            b"*-2\r\n",
            b":x\r\n",
            b"$1\r\nxyz",
            b"\r\n",
            b"$99999999999999999999\r\n",
            b"$9223372036854775807\r\n",
            &deep,
        ] {
            assert!(matches!(read(bad), Progress::Bad(_) | Progress::More), "{bad:?}");
        }
        assert_eq!(read(b"-NOAUTH x\r\n"), Progress::Bad("-NOAUTH x".to_owned()));
        assert!(matches!(read(&deep), Progress::Bad(_)));
        assert_eq!(welcome(b"+OK\r\n+OK\r\n", 2), Progress::Done((), 10));
        assert_eq!(welcome(b"+OK\r\n+O", 2), Progress::More);
        assert_eq!(welcome(b"-NOAUTH x\r\n", 2), Progress::Bad("-NOAUTH x".to_owned()));
    }
}

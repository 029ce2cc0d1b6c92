//! Redis, by its protocol (RESP 2): AUTH, SELECT, GET, SET; one server, or the master that sentinels name.

mod sentinels;

use std::time::Duration;

use observability::clock::Clock;

use super::connection::{Progress, Server, ServerOptions, Welcome, line};
use super::dogpile::Cached;
use super::{CacheError, MAX_VALUE_BYTES, RedisOptions};
use crate::Error;
use sentinels::Sentinels;

const DEFAULT_PORT: u16 = 6379;
/// How long a server that failed is left alone.
const REST: Duration = Duration::from_secs(5);

pub(super) struct Redis {
    servers: Servers,
    /// What comes first on a connection.
    hello: Vec<u8>,
    welcome: Welcome,
    options: RedisOptions,
    clock: Clock,
}

/// Whom to ask.
enum Servers {
    One(Box<Server>),
    Watched(Box<Sentinels>),
}

impl Redis {
    pub(super) fn new(options: RedisOptions, clock: Clock) -> Result<Self, Error> {
        let servers = if let Some(named) = &options.sentinels {
            Servers::Watched(Box::new(Sentinels::new(named, &options, &clock)?))
        } else {
            let server = ServerOptions {
                option: "redis_server",
                address: &options.server,
                default_port: DEFAULT_PORT,
                tls: options.tls.as_ref(),
                timeout: options.timeout,
                rest: REST,
            };
            Servers::One(Box::new(Server::new(&server, clock.clone())?))
        };
        let mut hello = Vec::new();
        let password = options.password.as_ref().map(|password| password.expose().as_str());
        let welcome: Welcome = match (&options.username, password) {
            (Some(user), Some(password)) => {
                write(&mut hello, &[b"AUTH", user.as_bytes(), password.as_bytes()]);
                |bytes| welcome(bytes, 2)
            }
            (None, Some(password)) => {
                write(&mut hello, &[b"AUTH", password.as_bytes()]);
                |bytes| welcome(bytes, 2)
            }
            (_, None) => |bytes| welcome(bytes, 1),
        };
        write(&mut hello, &[b"SELECT", options.database.to_string().as_bytes()]);
        Ok(Self { servers, hello, welcome, options, clock })
    }

    /// Asks the server; if it is no longer the master, the one that is.
    async fn ask<T>(&self, request: &[u8], answer: fn(&[u8]) -> Progress<T>) -> Result<T, CacheError> {
        let hello = Some((self.hello.as_slice(), self.welcome));
        let sentinels = match &self.servers {
            Servers::One(server) => return server.ask(hello, request, answer).await,
            Servers::Watched(sentinels) => sentinels,
        };
        let master = sentinels.master().await?;
        let error = match master.ask(hello, request, answer).await {
            Err(error) if sentinels::may_have_moved(&error) => error,
            other => return other,
        };
        match sentinels.other_than(&master).await {
            Some(other) => other.ask(hello, request, answer).await,
            None => Err(error),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        let mut request = Vec::new();
        write(&mut request, &[b"GET", key.as_bytes()]);
        let found = self.ask(&request, bulk).await?;
        let cached = found.as_deref().and_then(Cached::from_serialized);
        let cached = cached.filter(|cached| cached.holds(self.options.expiration, self.clock.now()));
        Ok(cached.map(|cached| cached.value))
    }

    pub(super) async fn set(&self, key: &str, value: &str) -> Result<(), CacheError> {
        let value = Cached::new(value, self.clock.now()).to_serialized();
        let keep = self.options.backend_expiration.unwrap_or(self.options.expiration);
        let seconds = keep.as_secs().max(1).to_string();
        let mut request = Vec::new();
        write(&mut request, &[b"SET", key.as_bytes(), &value, b"EX", seconds.as_bytes()]);
        self.ask(&request, ok).await
    }
}

/// Appends a command.
fn write(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads `+OK`.
fn ok(bytes: &[u8]) -> Progress<()> {
    welcome(bytes, 1)
}

/// Reads `+OK` several times.
fn welcome(bytes: &[u8], times: usize) -> Progress<()> {
    let mut read = 0;
    for _ in 0..times {
        match bytes.get(read..).and_then(line) {
            None => return Progress::More,
            Some(("+OK", length)) => read += length,
            Some((other, _)) => return Progress::Bad(other.chars().take(100).collect()),
        }
    }
    Progress::Done((), read)
}

/// Reads a value, which may be absent.
fn bulk(bytes: &[u8]) -> Progress<Option<Vec<u8>>> {
    let Some((head, start)) = line(bytes) else { return Progress::More };
    if head == "$-1" {
        return Progress::Done(None, start);
    }
    let length = head.strip_prefix('$').and_then(|length| length.parse::<usize>().ok());
    let Some(length) = length.filter(|length| *length <= 2 * MAX_VALUE_BYTES) else {
        return Progress::Bad(head.chars().take(100).collect());
    };
    let end = start + length + 2;
    match (bytes.get(start..start + length), bytes.get(start + length..end)) {
        (Some(value), Some(b"\r\n")) => Progress::Done(Some(value.to_vec()), end),
        (Some(_), Some(_)) => Progress::Bad("a value without an end".to_owned()),
        _ => Progress::More,
    }
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
        let whole = b"$4\r\na\r\nb\r\n";
        for end in 0..whole.len() {
            assert_eq!(bulk(&whole[..end]), Progress::More, "{end}");
        }
        assert_eq!(bulk(whole), Progress::Done(Some(b"a\r\nb".to_vec()), whole.len()));
        assert_eq!(bulk(b"$-1\r\n"), Progress::Done(None, 5));
        assert_eq!(bulk(b"$0\r\n\r\n"), Progress::Done(Some(Vec::new()), 6));
        for bad in [&b"-WRONGTYPE x\r\n"[..], b"$99999999\r\n", b"$-2\r\n", b":1\r\n", b"$1\r\nxyz"] {
            assert!(matches!(bulk(bad), Progress::Bad(_)), "{bad:?}");
        }
        assert_eq!(welcome(b"+OK\r\n+OK\r\n", 2), Progress::Done((), 10));
        assert_eq!(welcome(b"+OK\r\n+O", 2), Progress::More);
        assert_eq!(welcome(b"-NOAUTH x\r\n", 2), Progress::Bad("-NOAUTH x".to_owned()));
    }
}

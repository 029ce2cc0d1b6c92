//! memcached, by its text protocol.

use observability::clock::Clock;
use redis::connection::{Progress, Server, ServerOptions, line};

use super::dogpile::Cached;
use super::{CacheError, MAX_ANSWER_BYTES, MAX_VALUE_BYTES, MemcachedOptions, TLS_OPTIONS};
use crate::Error;

const DEFAULT_PORT: u16 = 11211;
/// The flag by which Python's clients mark a pickled value.
const PICKLED: u32 = 1;
/// memcached takes a longer time for a date.
const MAX_SECONDS: u64 = 30 * 24 * 3600;
/// How many places are tried for a key whose server is down, as in python-memcached.
const PLACES: usize = 10;

pub(super) struct Memcached {
    servers: Vec<Server>,
    options: MemcachedOptions,
    clock: Clock,
}

impl Memcached {
    pub(super) fn new(options: MemcachedOptions, clock: Clock) -> Result<Self, Error> {
        let servers = options.servers.iter().map(|address| {
            let server = ServerOptions {
                option: "memcache_servers",
                tls_options: TLS_OPTIONS,
                address,
                default_port: DEFAULT_PORT,
                tls: options.tls.as_ref(),
                timeout: options.timeout,
                rest: options.dead_retry,
                answer_bytes_max: MAX_ANSWER_BYTES,
            };
            Server::new(&server, clock.clone())
        });
        let servers: Vec<Server> = servers.collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(Error::configuration("memcache_servers is empty", "write host:port"));
        }
        Ok(Self { servers, options, clock })
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        let request = format!("get {key}\r\n");
        let found = self.server(key)?.ask(None, request.as_bytes(), |bytes| value(bytes, key)).await?;
        let cached = found.as_deref().and_then(Cached::from_pickled);
        let cached = cached.filter(|cached| cached.holds(self.options.expiration, self.clock.now()));
        Ok(cached.map(|cached| cached.value))
    }

    pub(super) async fn set(&self, key: &str, value: &str) -> Result<(), CacheError> {
        let value = Cached::new(value, self.clock.now()).to_pickled();
        let keep = self.options.backend_expiration.unwrap_or(self.options.expiration);
        let seconds = keep.as_secs().clamp(1, MAX_SECONDS);
        let mut request = format!("set {key} {PICKLED} {seconds} {}\r\n", value.len()).into_bytes();
        request.extend_from_slice(&value);
        request.extend_from_slice(b"\r\n");
        self.server(key)?.ask(None, &request, stored).await
    }

    /// The server that has a key: python-memcached's choice, or its next one if that server is down.
    fn server(&self, key: &str) -> Result<&Server, CacheError> {
        let count = self.servers.len();
        let mut hash = hash(key);
        for place in 0..PLACES {
            let server = usize::try_from(hash).ok().and_then(|hash| self.servers.get(hash % count));
            if let Some(server) = server.filter(|server| server.is_up()) {
                return Ok(server);
            }
            hash = self::hash(&format!("{hash}{place}"));
        }
        Err(CacheError::Resting)
    }
}

/// python-memcached's hash of a key.
fn hash(key: &str) -> u32 {
    match (crc32fast::hash(key.as_bytes()) >> 16) & 0x7fff {
        0 => 1,
        hash => hash,
    }
}

/// Reads the answer to `get`: `VALUE key flags length`, the value, `END`. A value of another form is none.
fn value(bytes: &[u8], key: &str) -> Progress<Option<Vec<u8>>> {
    let Some((head, start)) = line(bytes) else { return Progress::More };
    if head == "END" {
        return Progress::Done(None, start);
    }
    let mut words = head.split(' ');
    let (kind, found, flags, length) = (words.next(), words.next(), words.next(), words.next());
    let (Some("VALUE"), Some(found), Some(flags), Some(length)) = (kind, found, flags, length) else {
        return Progress::Bad(head.chars().take(100).collect());
    };
    let (Ok(flags), Ok(length)) = (flags.parse::<u32>(), length.parse::<usize>()) else {
        return Progress::Bad(format!("a value without flags and length for {key}"));
    };
    if found != key || length > 2 * MAX_VALUE_BYTES {
        return Progress::Bad(format!("a value of {length} bytes for {key}"));
    }
    let end = start + length + b"\r\nEND\r\n".len();
    let (Some(value), Some(after)) = (bytes.get(start..start + length), bytes.get(start + length..end))
    else {
        return Progress::More;
    };
    if after != b"\r\nEND\r\n" {
        return Progress::Bad(format!("the value of {key} has no end"));
    }
    Progress::Done((flags == PICKLED).then(|| value.to_vec()), end)
}

/// Reads the answer to `set`.
fn stored(bytes: &[u8]) -> Progress<()> {
    match line(bytes) {
        None => Progress::More,
        Some(("STORED", length)) => Progress::Done((), length),
        Some((other, _)) => Progress::Bad(other.chars().take(100).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_however_they_arrive() {
        let whole = b"VALUE k 1 4\r\na\r\nb\r\nEND\r\n";
        for end in 0..whole.len() {
            assert_eq!(value(&whole[..end], "k"), Progress::More, "{end}");
        }
        assert_eq!(value(whole, "k"), Progress::Done(Some(b"a\r\nb".to_vec()), whole.len()));
        assert_eq!(value(b"END\r\n", "k"), Progress::Done(None, 5));
        // Not pickled: somebody else's.
        assert_eq!(value(b"VALUE k 0 1\r\nx\r\nEND\r\n", "k"), Progress::Done(None, 21));
        for bad in [
            &b"ERROR\r\n"[..],
            b"SERVER_ERROR out of memory\r\n",
            b"VALUE other 1 1\r\nx\r\nEND\r\n",
            b"VALUE k 1 -1\r\n",
            b"VALUE k 1 999999999\r\n",
            b"VALUE k 1\r\n",
            b"VALUE k 1 1\r\nxyEND\r\n\r\n",
        ] {
            assert!(matches!(value(bad, "k"), Progress::Bad(_)), "{bad:?}");
        }
        assert_eq!(stored(b"STORED\r\n"), Progress::Done((), 8));
        assert_eq!(stored(b"STOR"), Progress::More);
        assert!(matches!(stored(b"SERVER_ERROR object too large\r\n"), Progress::Bad(_)));
    }

    /// From python-memcached: `cmemcache_hash`.
    #[test]
    fn keys_go_to_the_servers_to_which_python_brings_them() {
        for (key, expected) in [("", 1), ("a", 26807), ("a9993e364706816aba3e25717850c26c9cd0d89d", 4267)] {
            assert_eq!(hash(key), expected, "{key}");
        }
    }
}

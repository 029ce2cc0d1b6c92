//! [`Sentinels`]: which Redis is the master at present, as the servers say that watch over several.

use std::sync::Arc;

use observability::clock::Clock;
use tokio::sync::Mutex;

use super::super::connection::{Progress, Server, ServerOptions, line};
use super::super::{CacheError, RedisOptions, RedisSentinels};
use super::{REST, bulk, write};
use crate::Error;

const DEFAULT_PORT: u16 = 26379;

/// The sentinels of one service, and the master that they named last.
pub(super) struct Sentinels {
    watchers: Vec<Server>,
    /// The question for the master.
    request: Vec<u8>,
    service: String,
    master: Mutex<Option<Arc<Server>>>,
    options: RedisOptions,
    clock: Clock,
}

impl Sentinels {
    /// Nothing is asked yet. Time limit and TLS are those of Redis; the sentinels want no password, as with oslo.cache.
    pub(super) fn new(named: &RedisSentinels, options: &RedisOptions, clock: &Clock) -> Result<Self, Error> {
        if named.addresses.is_empty() {
            return Err(Error::configuration("redis_sentinels is empty", "write host:port"));
        }
        let sentinel = |address: &String| {
            let options = ServerOptions {
                option: "redis_sentinels",
                address,
                default_port: DEFAULT_PORT,
                tls: options.tls.as_ref(),
                timeout: options.timeout,
                rest: REST,
            };
            Server::new(&options, clock.clone())
        };
        let mut request = Vec::new();
        write(&mut request, &[b"SENTINEL", b"get-master-addr-by-name", named.service.as_bytes()]);
        Ok(Self {
            watchers: named.addresses.iter().map(sentinel).collect::<Result<_, _>>()?,
            request,
            service: named.service.clone(),
            master: Mutex::new(None),
            options: options.clone(),
            clock: clock.clone(),
        })
    }

    /// The master that was named last; if none was, it is asked for.
    pub(super) async fn master(&self) -> Result<Arc<Server>, CacheError> {
        let mut master = self.master.lock().await;
        if let Some(known) = &*master {
            return Ok(Arc::clone(known));
        }
        let named = Arc::new(self.named().await?);
        *master = Some(Arc::clone(&named));
        Ok(named)
    }

    /// The master, if it is another one than this by now.
    pub(super) async fn other_than(&self, failed: &Server) -> Option<Arc<Server>> {
        let mut master = self.master.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(known) = master.as_ref().filter(|known| known.name() != failed.name()) {
            return Some(Arc::clone(known));
        }
        let named = self.named().await.ok().filter(|named| named.name() != failed.name())?;
        let named = Arc::new(named);
        *master = Some(Arc::clone(&named));
        Some(named)
    }

    /// Asks one sentinel after the other, until one knows.
    async fn named(&self) -> Result<Server, CacheError> {
        let mut last = CacheError::Resting;
        for sentinel in &self.watchers {
            match sentinel.ask(None, &self.request, address).await {
                Ok(Some((host, port))) => {
                    let address = if host.contains(':') {
                        format!("[{host}]:{port}")
                    } else {
                        format!("{host}:{port}")
                    };
                    return self.server(&address, sentinel);
                }
                Ok(None) => {
                    let reason = format!("the sentinel knows no service {:?}", self.service);
                    last = CacheError::Answer { server: sentinel.name(), reason };
                }
                // What another said weighs more than that this one is left alone.
                Err(CacheError::Resting) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn server(&self, address: &str, sentinel: &Server) -> Result<Server, CacheError> {
        let options = ServerOptions {
            option: "redis_sentinels",
            address,
            default_port: super::DEFAULT_PORT,
            tls: self.options.tls.as_ref(),
            timeout: self.options.timeout,
            rest: REST,
        };
        Server::new(&options, self.clock.clone())
            .map_err(|error| CacheError::Answer { server: sentinel.name(), reason: error.to_string() })
    }
}

/// Whether another master may be in charge: this one is gone, or has become a replica of it.
pub(super) fn may_have_moved(error: &CacheError) -> bool {
    match error {
        CacheError::Timeout { .. } | CacheError::Connection { .. } | CacheError::Resting => true,
        CacheError::Answer { reason, .. } => reason.starts_with("-READONLY"),
    }
}

/// Reads host and port, or that there are none.
fn address(bytes: &[u8]) -> Progress<Option<(String, String)>> {
    let Some((head, start)) = line(bytes) else { return Progress::More };
    match head {
        "*-1" => return Progress::Done(None, start),
        "*2" => {}
        other => return Progress::Bad(other.chars().take(100).collect()),
    }
    let mut at = start;
    let mut texts = [String::new(), String::new()];
    for text in &mut texts {
        match bulk(bytes.get(at..).unwrap_or_default()) {
            Progress::More => return Progress::More,
            Progress::Done(Some(value), length) => {
                *text = String::from_utf8_lossy(&value).into_owned();
                at += length;
            }
            Progress::Done(None, _) => return Progress::Bad("an address without a part".to_owned()),
            Progress::Bad(reason) => return Progress::Bad(reason),
        }
    }
    let [host, port] = texts;
    Progress::Done(Some((host, port)), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_however_it_arrives() {
        let whole = b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n";
        for end in 0..whole.len() {
            assert_eq!(address(&whole[..end]), Progress::More, "{end}");
        }
        let expected = Some(("127.0.0.1".to_owned(), "6379".to_owned()));
        assert_eq!(address(whole), Progress::Done(expected, whole.len()));
        assert_eq!(address(b"*-1\r\n"), Progress::Done(None, 5));
        for bad in [&b"-NOAUTH x\r\n"[..], b"*3\r\n", b"*2\r\n$-1\r\n", b"*2\r\n:1\r\n", b"+OK\r\n"] {
            assert!(matches!(address(bad), Progress::Bad(_)), "{bad:?}");
        }
    }

    #[test]
    fn a_refused_password_is_no_reason_to_look_for_another_master() {
        let answer = |reason: &str| CacheError::Answer { server: "h:1".into(), reason: reason.into() };
        assert!(may_have_moved(&CacheError::Resting));
        assert!(may_have_moved(&answer("-READONLY You can't write against a read only replica.")));
        assert!(!may_have_moved(&answer("-WRONGPASS x")));
    }
}

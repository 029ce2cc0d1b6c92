//! [`Sentinels`]: which Redis is the master at present, as the servers say that watch over several.

use std::sync::Arc;

use observability::clock::Clock;
use tokio::sync::Mutex;

use crate::client::{RedisOptions, RedisSentinels, login, server};
use crate::connection::{AddressError, Progress, Server, ServerError, ServerOptions, Welcome};
use crate::reply::{Reply, read, welcome, write};

const DEFAULT_PORT: u16 = 26379;

/// The sentinels of one service, and the master that they named last.
pub(crate) struct Sentinels {
    watchers: Vec<Server>,
    /// What comes first on a connection to one.
    hello: Option<Vec<u8>>,
    /// The question for the master.
    request: Vec<u8>,
    service: String,
    master: Mutex<Option<Arc<Server>>>,
    options: RedisOptions,
    clock: Clock,
}

impl Sentinels {
    /// Nothing is asked yet. The time limit is that of Redis.
    pub(crate) fn new(
        named: &RedisSentinels,
        options: &RedisOptions,
        clock: &Clock,
    ) -> Result<Self, AddressError> {
        if named.addresses.is_empty() {
            return Err(AddressError::new("redis_sentinels is empty", "write host:port"));
        }
        let sentinel = |address: &String| {
            let options = ServerOptions {
                default_port: DEFAULT_PORT,
                tls: options.sentinel_tls.as_ref(),
                ..server(options, address)
            };
            Server::new(&options, clock.clone())
        };
        let mut request = Vec::new();
        write(&mut request, &[b"SENTINEL", b"get-master-addr-by-name", named.service.as_bytes()]);
        let mut hello = Vec::new();
        let has_login =
            login(&mut hello, options.sentinel_username.as_deref(), options.sentinel_password.as_ref());
        Ok(Self {
            hello: has_login.then_some(hello),
            watchers: named.addresses.iter().map(sentinel).collect::<Result<_, _>>()?,
            request,
            service: named.service.clone(),
            master: Mutex::new(None),
            options: options.clone(),
            clock: clock.clone(),
        })
    }

    /// The master that was named last; if none was, it is asked for.
    pub(crate) async fn master(&self) -> Result<Arc<Server>, ServerError> {
        let mut master = self.master.lock().await;
        if let Some(known) = &*master {
            return Ok(Arc::clone(known));
        }
        let named = Arc::new(self.named().await?);
        *master = Some(Arc::clone(&named));
        Ok(named)
    }

    /// The master, if it is another one than this by now.
    pub(crate) async fn other_than(&self, failed: &Server) -> Option<Arc<Server>> {
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
    async fn named(&self) -> Result<Server, ServerError> {
        let hello = self.hello.as_deref().map(|hello| (hello, welcome_once as Welcome));
        let mut last = ServerError::Resting;
        for sentinel in &self.watchers {
            match sentinel.ask(hello, &self.request, address).await {
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
                    last = ServerError::Answer { server: sentinel.name(), reason };
                }
                // What another said weighs more than that this one is left alone.
                Err(ServerError::Resting) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn server(&self, address: &str, sentinel: &Server) -> Result<Server, ServerError> {
        Server::new(&server(&self.options, address), self.clock.clone())
            .map_err(|error| ServerError::Answer { server: sentinel.name(), reason: error.to_string() })
    }
}

fn welcome_once(bytes: &[u8]) -> Progress<()> {
    welcome(bytes, 1)
}

/// Whether another master may be in charge: this one is gone, or has become a replica of it.
pub(crate) fn may_have_moved(error: &ServerError) -> bool {
    match error {
        ServerError::Timeout { .. } | ServerError::Connection { .. } | ServerError::Resting => true,
        // A script of an old Redis fails with this inside.
        ServerError::Answer { reason, .. } => reason.contains("-READONLY"),
    }
}

/// Reads host and port, or that there are none.
fn address(bytes: &[u8]) -> Progress<Option<(String, String)>> {
    match read(bytes) {
        Progress::More => Progress::More,
        Progress::Bad(reason) => Progress::Bad(reason),
        Progress::Done(Reply::Nothing, length) => Progress::Done(None, length),
        Progress::Done(Reply::List(parts), length) => {
            let texts: Option<Vec<String>> = parts.into_iter().map(text).collect();
            match texts.as_deref() {
                Some([host, port]) => Progress::Done(Some((host.clone(), port.clone())), length),
                _ => Progress::Bad("an answer that is no address".to_owned()),
            }
        }
        Progress::Done(..) => Progress::Bad("an answer that is no address".to_owned()),
    }
}

fn text(reply: Reply) -> Option<String> {
    reply.into_value().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
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
        for bad in [
            &b"-NOAUTH x\r\n"[..],
            b"*1\r\n$1\r\nx\r\n",
            b"*2\r\n$-1\r\n$1\r\nx\r\n",
            b"*2\r\n:1\r\n:2\r\n",
            b"+OK\r\n",
        ] {
            assert!(matches!(address(bad), Progress::Bad(_)), "{bad:?}");
        }
    }

    #[test]
    fn a_refused_password_is_no_reason_to_look_for_another_master() {
        let answer = |reason: &str| ServerError::Answer { server: "h:1".into(), reason: reason.into() };
        assert!(may_have_moved(&ServerError::Resting));
        assert!(may_have_moved(&answer("-READONLY You can't write against a read only replica.")));
        assert!(may_have_moved(&answer(
            "-ERR Error running script (call to f_1): @user_script:1: -READONLY You can't"
        )));
        assert!(!may_have_moved(&answer("-WRONGPASS x")));
    }
}

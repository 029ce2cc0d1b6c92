//! The client factory.

use std::time::Duration;

use reqwest::redirect::Policy;

use crate::explain::explain;
use crate::proxy::ProxyOptions;
use crate::tls::{TlsError, TlsOptions, client_tls};

/// Everything that a client is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// TLS, for `https://` URLs.
    pub tls: TlsOptions,
    /// Proxies.
    pub proxy: ProxyOptions,
    /// The name under which servers see us.
    pub user_agent: String,
    /// Time to connect, including TLS.
    pub connect_timeout: Duration,
    /// Time for a whole request, from connecting to the last byte of the body. A request may set its own.
    pub timeout: Duration,
    /// Time for which a server may be silent while its body is read.
    pub read_timeout: Duration,
    /// Idle connections kept for each host.
    pub max_idle_per_host: usize,
    /// Time for which an idle connection is kept. Below the usual 60 s of OpenStack's proxies, so that we and not
    /// they close it.
    pub idle_timeout: Duration,
    /// Redirects followed. With 0 a redirect is an answer like others.
    pub max_redirects: usize,
    /// HTTP/2, on plain connections as well, and nothing else; without it, HTTP/1.1.
    pub http2: Option<Http2Options>,
}

/// How long a connection of HTTP/2 may be silent while a request waits for its answer. A dead one is not noticed
/// otherwise, and the next requests would go the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Options {
    /// After this silence the server is asked for a sign of life (a PING).
    pub ping_after: Duration,
    /// Without it the connection is given up after this time.
    pub ping_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            tls: TlsOptions::default(),
            proxy: ProxyOptions::default(),
            user_agent: concat!("nephoscope/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_mins(1),
            read_timeout: Duration::from_secs(30),
            max_idle_per_host: 8,
            idle_timeout: Duration::from_secs(50),
            max_redirects: 10,
            http2: None,
        }
    }
}

/// Why no client can be made of the options.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS options.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A proxy's URL; it is not repeated, because it may hold a password.
    #[error("the value of {option} is no proxy URL: {reason}")]
    Proxy {
        /// The variable or option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Another value that reqwest refuses.
    #[error("cannot make an HTTP client: {reason}")]
    Build {
        /// reqwest's reason.
        reason: String,
    },
}

/// Builds a client. Clients share nothing; keep one for each service, since its connections are pooled.
pub fn client(options: &ClientOptions) -> Result<reqwest::Client, ClientError> {
    let mut tls = client_tls(&options.tls)?;
    if options.http2.is_some() {
        // The name that servers of both versions choose by (ALPN, RFC 7301).
        tls.alpn_protocols = vec![b"h2".to_vec()];
    }
    #[expect(clippy::disallowed_methods, reason = "the one client factory")]
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // Only the proxies of the options, never the environment's.
        .no_proxy()
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .read_timeout(options.read_timeout)
        .pool_max_idle_per_host(options.max_idle_per_host)
        .pool_idle_timeout(options.idle_timeout)
        .redirect(match options.max_redirects {
            0 => Policy::none(),
            most => Policy::limited(most),
        })
        // A redirect must not tell the next server where we came from: URLs of OpenStack may hold signatures.
        .referer(false);
    if let Some(http2) = &options.http2 {
        builder = builder
            .http2_prior_knowledge()
            .http2_keep_alive_interval(http2.ping_after)
            .http2_keep_alive_timeout(http2.ping_timeout);
    }
    let proxies = options.proxy.proxies();
    for proxy in proxies.map_err(|(option, error)| ClientError::Proxy { option, reason: explain(&error) })? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| ClientError::Build { reason: explain(&error) })
}

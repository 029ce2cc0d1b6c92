//! What the URL of a publisher that speaks HTTP says: where, and how.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nephoscope_http::{ClientOptions, Http2Options, TlsOptions};
use pipeline::{BuildError, PublisherUrl};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::HttpSettings;
use super::target::Target;
use crate::url_options::{UrlOptions, configuration, truth};

/// Longest `timeout`, in seconds: what waits longer holds up everything behind it.
const TIMEOUT_MAX_SECONDS: u64 = 3600;
/// Most `max_retries`. They follow each other at once; a longer outage is the buffer's matter.
const RETRIES_MAX: u64 = 100;

/// The parameters that all HTTP publishers share. Everything else of the query goes to the server.
#[derive(Debug, Clone)]
pub(crate) struct PostOptions {
    pub(crate) target: Target,
    /// Time to connect, and again for the answer.
    pub(crate) timeout: Duration,
    /// Further attempts to connect, within one attempt to deliver.
    pub(crate) max_retries: u64,
    /// Whether many records go in one request.
    pub(crate) batch: bool,
    /// Of events, only the payload of the raw notification.
    pub(crate) raw_only: bool,
    pub(crate) tls: TlsOptions,
    /// The value of the header `Authorization`.
    pub(crate) authorization: Option<String>,
}

/// What holds where the URL says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    /// Instead of the scheme's own.
    pub(crate) port: Option<u16>,
    pub(crate) path: &'static str,
}

impl PostOptions {
    /// Reads the URL; `options` is its query without what the publisher has taken for itself.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when there is no host, or a parameter has no meaning. Ceilometer does not load the
    /// publisher or takes the parameter's default, and says so in its log alone.
    pub(crate) fn from_url(url: &PublisherUrl, options: UrlOptions) -> Result<Self, BuildError> {
        Self::with_defaults(url, options, Defaults::default())
    }

    /// As [`from_url`](Self::from_url), for a publisher that has a port or a path of its own.
    pub(crate) fn with_defaults(
        url: &PublisherUrl,
        mut options: UrlOptions,
        defaults: Defaults,
    ) -> Result<Self, BuildError> {
        let seconds = options.number("timeout", 5, 1..=TIMEOUT_MAX_SECONDS)?;
        let max_retries = options.number("max_retries", 2, 0..=RETRIES_MAX)?;
        let batch = options.switch("batch", true)?;
        let raw_only = options.switch("raw_only", false)?;
        let tls = tls(&mut options)?;
        let scheme = match url.scheme().as_str() {
            "http" | "otlp+http" | "otlp+grpc" => "http",
            "https" | "otlp+https" | "otlp+grpcs" => "https",
            // Only here it is a parameter of ours; elsewhere it is the server's.
            _ if options.switch("ssl", false)? => "https",
            _ => "http",
        };
        let (login, host) = match url.authority().rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, url.authority()),
        };
        let authorization = login.map(authorization).transpose()?;
        let path = if url.path().is_empty() { defaults.path } else { url.path() };
        let target = match defaults.port.filter(|_| !host.is_empty() && !has_port(host)) {
            Some(port) => Target::new(scheme, &format!("{host}:{port}"), path, options.encoded().as_deref())?,
            None => Target::new(scheme, host, path, options.encoded().as_deref())?,
        };
        Ok(Self {
            target,
            timeout: Duration::from_secs(seconds),
            max_retries,
            batch,
            raw_only,
            tls,
            authorization,
        })
    }

    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when a certificate or key that the URL names cannot be used.
    pub(crate) fn client(
        &self,
        settings: &HttpSettings,
        http2: Option<Http2Options>,
    ) -> Result<reqwest::Client, BuildError> {
        let client = nephoscope_http::client(&ClientOptions {
            tls: self.tls.clone(),
            proxy: settings.proxy.clone(),
            connect_timeout: self.timeout,
            timeout: self.timeout * 2,
            read_timeout: self.timeout * 2,
            max_idle_per_host: settings.max_parallel_requests,
            max_redirects: 0,
            http2,
            ..ClientOptions::default()
        });
        client.map_err(|error| {
            configuration(
                with_sources(&error),
                "verify_ssl, clientcert and clientkey name PEM files that this user may read",
            )
        })
    }

    /// The request with what authenticates it.
    pub(crate) fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let value = self.authorization.as_deref().map(HeaderValue::from_str);
        let Some(Ok(mut value)) = value else { return request };
        value.set_sensitive(true);
        request.header(AUTHORIZATION, value)
    }
}

/// Whether what names a host names a port as well.
fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address stand within brackets.
    host.rsplit_once(':').is_some_and(|(_, behind)| !behind.contains(']'))
}

/// An error with its sources, in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

fn tls(options: &mut UrlOptions) -> Result<TlsOptions, BuildError> {
    let mut tls = TlsOptions::default();
    if let Some(value) = options.take("verify_ssl") {
        match truth(&value) {
            Some(verify) => tls.insecure = !verify,
            None => tls.cafile = Some(PathBuf::from(value)),
        }
    }
    tls.certfile = options.take("clientcert").map(PathBuf::from);
    tls.keyfile = options.take("clientkey").map(PathBuf::from);
    if tls.keyfile.is_some() && tls.certfile.is_none() {
        return Err(configuration(
            "clientkey is given without clientcert",
            "add clientcert=/path/to/cert.pem",
        ));
    }
    Ok(tls)
}

/// HTTP Basic, with user and password as they stand: Ceilometer does not decode `%XX` in them.
fn authorization(login: &str) -> Result<String, BuildError> {
    let Some((user, password)) = login.split_once(':').filter(|(user, _)| !user.is_empty()) else {
        // The text is not repeated: it may be a password.
        return Err(configuration(
            "what stands before @ is not user:password",
            "write http://user:password@host/path, or leave it out",
        ));
    };
    let text = format!("{user}:{password}");
    // As Python's requests: Latin-1, where that has the characters.
    let latin: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    let bytes = latin.unwrap_or_else(|| text.into_bytes());
    Ok(format!("Basic {}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<PostOptions, String> {
        let url = PublisherUrl::new(url);
        PostOptions::from_url(&url, UrlOptions::from_url(&url)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_ceilometers() {
        let options = read("http://h/p").unwrap();
        assert_eq!((options.timeout, options.max_retries), (Duration::from_secs(5), 2));
        assert!(options.batch && !options.raw_only && options.authorization.is_none());
        assert_eq!(options.tls, TlsOptions::default());
        assert_eq!(options.target.url(None).as_str(), "http://h/p");
    }

    #[test]
    fn our_parameters_are_taken_and_the_servers_stay() {
        for (url, target) in [
            ("https://u:p@example.com/path?verify_ssl=False&q=foo", "https://example.com/path?q=foo"),
            (
                "http://h:8080/a?timeout=1&max_retries=0&batch=False&raw_only=True&x=1&x=2",
                "http://h:8080/a?x=1&x=2",
            ),
            ("http://h?ssl=True", "http://h/?ssl=True"),
            ("https://h?flag&empty=&ssl=0", "https://h/?ssl=0"),
            ("prometheus://h:9091/metrics/job/x?ssl=True", "https://h:9091/metrics/job/x"),
            ("opentelemetryhttp://h:4318/v1/metrics?ssl=no", "http://h:4318/v1/metrics"),
            ("http://h/p#part", "http://h/p"),
        ] {
            assert_eq!(read(url).unwrap().target.url(None).as_str(), target, "{url}");
        }
    }

    #[test]
    fn each_parameter_has_its_effect() {
        let options = read("http://h/?timeout=7&max_retries=9&batch=no&raw_only=yes").unwrap();
        assert_eq!((options.timeout, options.max_retries), (Duration::from_secs(7), 9));
        assert!(!options.batch && options.raw_only);
        assert!(read("https://h/?verify_ssl=False").unwrap().tls.insecure);
        let tls = read("https://h/?verify_ssl=/ca.pem&clientcert=/c.pem&clientkey=/k.pem").unwrap().tls;
        assert_eq!(tls.cafile.as_deref(), Some("/ca.pem".as_ref()));
        assert_eq!(
            (tls.certfile.as_deref(), tls.keyfile.as_deref()),
            (Some("/c.pem".as_ref()), Some("/k.pem".as_ref()))
        );
    }

    #[test]
    fn user_and_password_are_taken_as_they_stand() {
        for (login, text) in [("u:p", "u:p"), ("u:p%40:x@y", "u:p%40:x@y"), ("u:", "u:")] {
            let expected = format!("Basic {}", STANDARD.encode(text));
            assert_eq!(read(&format!("http://{login}@h/")).unwrap().authorization, Some(expected));
        }
        // One byte in Latin-1; no Latin-1 at all.
        for (login, bytes) in [("é:p", &b"\xe9:p"[..]), ("я:p", "я:p".as_bytes())] {
            let expected = format!("Basic {}", STANDARD.encode(bytes));
            assert_eq!(read(&format!("http://{login}@h/")).unwrap().authorization, Some(expected));
        }
    }

    #[test]
    fn what_can_never_work_is_an_error() {
        for (url, words) in [
            ("http://", "needs a host"),
            ("http:///path", "needs a host"),
            ("http://u:p@/path", "needs a host"),
            ("http://h:port/", "port"),
            ("http://h:65536/", "port"),
            ("http://user@h/", "is not user:password"),
            ("http://:p@h/", "is not user:password"),
            ("http://h/?timeout=x", "timeout=\"x\" is not a whole number from 1 to 3600"),
            ("http://h/?timeout=0", "timeout"),
            ("http://h/?timeout=1.5", "timeout"),
            ("http://h/?max_retries=-1", "max_retries"),
            ("http://h/?max_retries=101", "max_retries"),
            ("http://h/?batch=2", "batch=\"2\" is neither true nor false"),
            ("http://h/?raw_only=x", "raw_only"),
            ("prometheus://h/?ssl=/ca.pem", "ssl=\"/ca.pem\" is neither true nor false"),
            ("https://h/?clientkey=/k.pem", "clientkey is given without clientcert"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("u:p") && !error.contains("user@"), "a secret: {error}");
        }
    }
}

//! What the URL of an OTLP publisher says besides what all publishers that speak HTTP have.

use std::str::FromStr as _;

use pipeline::{BuildError, PublisherUrl};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::metrics::put_attribute;
use crate::post::{Defaults, PostOptions};
use crate::url_options::{UrlOptions, configuration};

/// Most points in one request.
const BATCH_MAX: u64 = 10_000;
/// Most series that may be remembered, each of which takes about 60 bytes.
const SERIES_MAX: u64 = 100_000_000;
/// Most of `header.NAME` and `resource.NAME`, each.
const NAMES_MAX: usize = 64;
/// Headers that are the protocol's own.
const OWN_HEADERS: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The two ways to carry OTLP's protobuf messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Grpc,
    Http,
}

/// The parameters of an OTLP publisher.
#[derive(Debug, Clone)]
pub(super) struct OtlpOptions {
    pub(super) carrier: Carrier,
    pub(super) post: PostOptions,
    /// Points in one request at most.
    pub(super) batch_size: usize,
    /// Whether requests are packed with gzip.
    pub(super) gzip: bool,
    /// Counters and deltas that are remembered at most.
    pub(super) max_series: usize,
    /// Further headers (of gRPC: metadata) of each request.
    pub(super) headers: HeaderMap,
    /// The message `Resource`: empty without attributes.
    pub(super) resource: Vec<u8>,
}

impl OtlpOptions {
    /// Reads the URL.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when it can never work.
    pub(super) fn from_url(url: &PublisherUrl) -> Result<Self, BuildError> {
        let scheme = url.scheme();
        let is_tls = scheme.ends_with('s');
        let carrier = if scheme.starts_with("otlp+grpc") { Carrier::Grpc } else { Carrier::Http };
        let mut options = UrlOptions::from_url(url);
        let batch_size = options.number("batch_size", 1_000, 1..=BATCH_MAX)?;
        let max_series = options.number("max_series", 400_000, 1..=SERIES_MAX)?;
        let gzip = match options.take("compression").as_deref() {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(other) => {
                return Err(configuration(
                    format!("compression={other:?} is not known"),
                    "write compression=gzip or compression=none",
                ));
            }
        };
        let headers = headers(&mut options)?;
        let resource = resource(&mut options)?;
        // TLS is mostly spoken by what stands in front of a receiver, on HTTPS's own port.
        let port = (!is_tls).then_some(match carrier {
            Carrier::Grpc => 4317,
            Carrier::Http => 4318,
        });
        let path = match carrier {
            Carrier::Grpc => "",
            Carrier::Http => "/v1/metrics",
        };
        let post = PostOptions::with_defaults(url, options, Defaults { port, path })?;
        if carrier == Carrier::Grpc {
            if !matches!(url.path(), "" | "/") {
                return Err(configuration(
                    format!(
                        "{} has the path {:?}, and gRPC has paths of its own",
                        url.redacted(),
                        url.path()
                    ),
                    format!("write {scheme}://host:4317, or use otlp+http"),
                ));
            }
            if let Some(query) = post.target.url(None).query() {
                // Values may be secret.
                let name = query.split(['=', '&']).next().unwrap_or_default().to_owned();
                return Err(configuration(
                    format!("{scheme} has no parameter {name:?}"),
                    "the parameters are timeout, max_retries, batch, batch_size, compression, verify_ssl, clientcert, \
                     clientkey, max_series, header.NAME and resource.NAME",
                ));
            }
        }
        let batch_size = if post.batch { usize::try_from(batch_size).unwrap_or(usize::MAX) } else { 1 };
        let max_series = usize::try_from(max_series).unwrap_or(usize::MAX);
        Ok(Self { carrier, post, batch_size, gzip, max_series, headers, resource })
    }
}

/// Takes `header.NAME=VALUE`.
fn headers(options: &mut UrlOptions) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    for (name, value) in bounded(options.take_prefixed("header."), "header.NAME")? {
        let hint = "write header.NAME=VALUE as it is to be sent, for example header.X-Scope-OrgID=tenant";
        let known = HeaderName::from_str(&name)
            .map_err(|_| configuration(format!("{name:?} cannot be the name of a header"), hint))?;
        if OWN_HEADERS.contains(&known.as_str()) || known.as_str().starts_with("grpc-") {
            return Err(configuration(format!("the header {known} is the protocol's own"), "leave it out"));
        }
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            configuration(format!("the value of header.{name} cannot be one of a header"), hint)
        })?;
        value.set_sensitive(true);
        headers.insert(known, value);
    }
    Ok(headers)
}

/// Takes `resource.NAME=VALUE`, as the message `Resource`.
fn resource(options: &mut UrlOptions) -> Result<Vec<u8>, BuildError> {
    let mut resource = Vec::new();
    for (name, value) in bounded(options.take_prefixed("resource."), "resource.NAME")? {
        if name.is_empty() {
            return Err(configuration(
                "an attribute of the resource has no name",
                "write resource.NAME=VALUE, for example resource.service.name=ceilometer",
            ));
        }
        put_attribute(1, &name, &value, &mut resource);
    }
    Ok(resource)
}

fn bounded(pairs: Vec<(String, String)>, what: &str) -> Result<Vec<(String, String)>, BuildError> {
    if pairs.len() > NAMES_MAX {
        let message = format!("{what} is given {} times", pairs.len());
        return Err(configuration(message, format!("{NAMES_MAX} are allowed")));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<OtlpOptions, String> {
        OtlpOptions::from_url(&PublisherUrl::new(url)).map_err(|error| error.to_string())
    }

    #[test]
    fn where_requests_go() {
        for (url, carrier, target) in [
            ("otlp+grpc://h", Carrier::Grpc, "http://h:4317/"),
            ("otlp+grpc://h:1234/", Carrier::Grpc, "http://h:1234/"),
            ("otlp+grpc://h:80", Carrier::Grpc, "http://h/"),
            ("otlp+grpc://[::1]?timeout=9", Carrier::Grpc, "http://[::1]:4317/"),
            ("otlp+grpcs://h", Carrier::Grpc, "https://h/"),
            ("OTLP+GRPCS://u:p@h:4317", Carrier::Grpc, "https://h:4317/"),
            ("otlp+http://h", Carrier::Http, "http://h:4318/v1/metrics"),
            ("otlp+http://u:p@h", Carrier::Http, "http://h:4318/v1/metrics"),
            ("otlp+http://h/", Carrier::Http, "http://h:4318/"),
            (
                "otlp+http://h:9/otlp/v1/metrics?key=1&batch_size=2",
                Carrier::Http,
                "http://h:9/otlp/v1/metrics?key=1",
            ),
            ("otlp+https://h/v1/metrics", Carrier::Http, "https://h/v1/metrics"),
            ("otlp+https://h:4318", Carrier::Http, "https://h:4318/v1/metrics"),
        ] {
            let options = read(url).unwrap();
            assert_eq!((options.carrier, options.post.target.url(None).as_str()), (carrier, target), "{url}");
        }
    }

    #[test]
    fn parameters_and_their_defaults() {
        let options = read("otlp+grpc://h").unwrap();
        assert_eq!((options.batch_size, options.gzip, options.max_series), (1_000, false, 400_000));
        assert!(options.headers.is_empty() && options.resource.is_empty());
        let options = read(
            "otlp+http://h?batch_size=20&compression=gzip&max_series=5&header.X-Scope-OrgID=t+1&\
             resource.service.name=c&header.x-empty=",
        );
        let options = options.unwrap();
        assert_eq!((options.batch_size, options.gzip, options.max_series), (20, true, 5));
        assert_eq!(options.headers.get("x-scope-orgid").unwrap(), "t 1");
        assert_eq!(options.headers.len(), 1);
        assert_eq!(options.resource, b"\x0a\x13\x0a\x0cservice.name\x12\x03\x0a\x01c");
        assert!(options.post.target.url(None).query().is_none());
        assert_eq!(read("otlp+http://h?batch=False&batch_size=20").unwrap().batch_size, 1);
        assert!(!read("otlp+http://h?compression=none").unwrap().gzip);
    }

    #[test]
    fn what_can_never_work_is_an_error() {
        let many = (0..65).map(|number| format!("resource.a{number}=1")).collect::<Vec<_>>().join("&");
        for (url, words) in [
            ("otlp+grpc://", "needs a host"),
            ("otlp+http://:4318", "needs a host"),
            ("otlp+grpc://h/v1/metrics", "gRPC has paths of its own"),
            ("otlp+grpc://h?token=secret", "has no parameter \"token\""),
            ("otlp+grpc://h?batch_size=0", "batch_size"),
            ("otlp+grpc://h?batch_size=10001", "from 1 to 10000"),
            ("otlp+grpc://h?max_series=0", "max_series"),
            ("otlp+http://h?compression=zstd", "write compression=gzip"),
            ("otlp+http://h?header.content-type=secret", "the protocol's own"),
            ("otlp+grpc://h?header.grpc-timeout=secret", "the protocol's own"),
            ("otlp+http://h?header.a%20b=secret", "name of a header"),
            ("otlp+http://h?header.a=secret%0A", "cannot be one of a header"),
            ("otlp+http://h?resource.=secret", "has no name"),
            (&format!("otlp+http://h?{many}"), "given 65 times"),
            ("otlp+grpcs://h?timeout=x", "timeout"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}

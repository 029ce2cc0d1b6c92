//! [`ExpositionServer`]: serves the series of a store to scrapers, in both text formats.
//!
//! A scraper chooses the format by `Accept`, compression by `Accept-Encoding: gzip`, and with `name[]=…` in the query, any
//! number of times, single metrics; as with Python's `prometheus_client`, but that names are never UTF-8 in quotes. Numbers of connections, sizes of headers and times
//! are bounded. An answer is made while it is read, from a snapshot, so that a slow scraper holds little memory and nobody up.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use observability::clock::Clock;
use observability::http_server::{BindError, HttpServer, Plain, ServerLimits};
use observability::metrics::Counter;
use tokio_util::sync::CancellationToken;

use crate::series::{Exposition, Format, Shows};

pub use nephoscope_http::ServerTls as Tls;

/// The first version of both formats in which names may be UTF-8, and the one that we write.
const VERSION_1: u32 = 1;

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct ExpositionServer {
    server: HttpServer,
    tls: Option<Tls>,
    limits: ServerLimits,
}

/// What is served: cheap to clone, for several addresses.
#[derive(Debug, Clone)]
pub struct Pages(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    series: Arc<dyn Shows>,
    clock: Clock,
    path: Option<String>,
    scrapes: Counter,
}

impl Pages {
    /// These series, at `path` alone or, without one, at any. Answers are counted in `scrapes`.
    pub fn new(series: Arc<dyn Shows>, clock: Clock, path: Option<String>, scrapes: Counter) -> Self {
        Self(Arc::new(Shown { series, clock, path, scrapes }))
    }
}

impl ExpositionServer {
    /// Binds `address`.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Tls>,
        limits: ServerLimits,
    ) -> Result<Self, BindError> {
        Ok(Self { server: HttpServer::bind(address).await?, tls, limits })
    }

    /// Takes a listener that was bound before. Must run inside a tokio runtime.
    pub fn adopt(listener: TcpListener, tls: Option<Tls>, limits: ServerLimits) -> Result<Self, BindError> {
        Ok(Self { server: HttpServer::adopt(listener)?, tls, limits })
    }

    /// The address that was bound, with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves until `stop` is cancelled.
    pub async fn serve(self, pages: Pages, stop: CancellationToken) {
        let router = Router::new().fallback(page).with_state(pages);
        match self.tls {
            None => self.server.serve(router, Plain, self.limits, stop).await,
            Some(tls) => self.server.serve(router, tls, self.limits, stop).await,
        }
    }
}

async fn page(State(pages): State<Pages>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let Shown { series, clock, path, scrapes } = &*pages.0;
    if !matches!(method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], "only GET\n").into_response();
    }
    match path {
        Some(path) if path != uri.path() => {
            return (StatusCode::NOT_FOUND, format!("samples are at {path}\n")).into_response();
        }
        // Browsers ask for it.
        None if uri.path() == "/favicon.ico" => return StatusCode::OK.into_response(),
        _ => {}
    }
    let (format, content_type) = negotiated(&headers);
    let names = wanted_names(uri.query().unwrap_or_default());
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let snapshot = series.snapshot(clock.monotonic(), &wanted);
    scrapes.inc();
    let exposition = Exposition::new(snapshot, format);
    let head = [(CONTENT_TYPE, content_type), (VARY, "accept, accept-encoding")];
    if takes_gzip(&headers) {
        return (head, [(CONTENT_ENCODING, "gzip")], body(Gzip::new(exposition))).into_response();
    }
    (head, body(exposition)).into_response()
}

fn body(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Body {
    Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
}

/// The format that a scraper takes, and its media type: the first of those named that we write, else the classic one.
fn negotiated(headers: &HeaderMap) -> (Format, &'static str) {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let (mut version, mut is_refused) = (None, false);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key.trim() {
                "version" => version = Some(value.trim().trim_matches('"')),
                "q" => is_refused = value.trim().parse() == Ok(0.0_f32),
                _ => {}
            }
        }
        let is_new = version.map(|version| {
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
            major.is_some_and(|major| major >= VERSION_1)
        });
        if is_refused {
            continue;
        }
        if name.eq_ignore_ascii_case("application/openmetrics-text") {
            match is_new {
                None => return (Format::OpenMetrics, Format::OpenMetrics.content_type()),
                Some(true) => {
                    let kind =
                        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
                    return (Format::OpenMetrics, kind);
                }
                Some(false) => {}
            }
        } else if name.eq_ignore_ascii_case("text/plain") && is_new == Some(true) {
            let kind = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores";
            return (Format::Classic, kind);
        }
    }
    (Format::Classic, Format::Classic.content_type())
}

/// The values of `name[]` in a query.
fn wanted_names(query: &str) -> Vec<String> {
    let Ok(url) = reqwest::Url::parse(&format!("http://h/?{query}")) else { return Vec::new() };
    url.query_pairs().filter(|(name, _)| name == "name[]").map(|(_, value)| value.into_owned()).collect()
}

/// Whether an answer may be compressed.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| part.strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32));
        named && !refused
    })
}

/// Pieces, compressed as they come.
struct Gzip<I> {
    pieces: I,
    /// Gone when the end has been written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I> Gzip<I> {
    fn new(pieces: I) -> Self {
        Self { pieces, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())) }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Iterator for Gzip<I> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let encoder = self.encoder.as_mut()?;
            // Writing to memory cannot fail.
            match self.pieces.next() {
                Some(piece) => encoder.write_all(&piece).ok()?,
                None => return self.encoder.take()?.finish().ok(),
            }
            let compressed = std::mem::take(encoder.get_mut());
            if !compressed.is_empty() {
                return Some(compressed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn names_of_a_query() {
        for (query, names) in
            [("", &[][..]), ("name[]=a&name%5B%5D=b+c&name=d&x", &["a", "b c"]), ("name[]", &[""])]
        {
            assert_eq!(wanted_names(query), names, "{query}");
        }
    }

    #[test]
    fn a_scraper_gets_the_first_format_that_it_names_and_we_write() {
        const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
        const PLAIN_1: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores";
        const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        const OPEN_1: &str =
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
        for (accept, expected) in [
            ("", PLAIN),
            ("*/*", PLAIN),
            ("text/html, text/plain;version=0.0.4;q=0.5", PLAIN),
            ("application/openmetrics-text", OPEN),
            ("application/openmetrics-text;version=0.0.1", PLAIN),
            (
                "application/openmetrics-text; version=0.0.1, application/openmetrics-text; version=1.0.0",
                OPEN_1,
            ),
            ("text/plain;version=1.0.0, application/openmetrics-text", PLAIN_1),
            ("application/openmetrics-text;version=1.0.0;q=0, text/plain", PLAIN),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3",
                OPEN_1,
            ),
            ("text/plain;version=1.0.0;escaping=allow-utf-8", PLAIN_1),
            ("application/openmetrics-text;version=x", PLAIN),
        ] {
            let headers = [(ACCEPT, accept.parse().unwrap())].into_iter().collect();
            let (format, content_type) = negotiated(&headers);
            assert_eq!(content_type, expected, "{accept}");
            assert_eq!(format == Format::OpenMetrics, content_type.starts_with("application"), "{accept}");
        }
        assert_eq!(negotiated(&HeaderMap::new()).1, PLAIN);
    }

    #[test]
    fn compression_is_for_those_who_ask_for_it() {
        for (value, expected) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("identity", false), ("", false)]
        {
            let headers = [(ACCEPT_ENCODING, value.parse().unwrap())].into_iter().collect();
            assert_eq!(takes_gzip(&headers), expected, "{value}");
        }
    }

    #[test]
    fn compressed_pieces_are_one_text() {
        let pieces: Vec<Vec<u8>> = (0..100).map(|number| format!("piece {number}\n").into_bytes()).collect();
        let compressed: Vec<u8> = Gzip::new(pieces.clone().into_iter()).collect::<Vec<_>>().concat();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&*compressed).read_to_end(&mut text).unwrap();
        assert_eq!(text, pieces.concat());
    }
}

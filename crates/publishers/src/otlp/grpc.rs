//! OTLP over gRPC: unary calls of `MetricsService/Export` over HTTP/2 (gRPC's PROTOCOL-HTTP2).
//!
//! A call is a POST whose body is one message behind five bytes (whether it is packed, and its length); so is the answer's.
//! What became of the call stands behind the body, in the trailers `grpc-status`, `grpc-message` and
//! `grpc-status-details-bin`, or, when there is no body, in the headers.
//!
//! | `grpc-status` | What becomes of the records |
//! |---|---|
//! | OK | accepted, but for those that the receiver says it has rejected |
//! | INVALID_ARGUMENT, ALREADY_EXISTS | the request is divided until it is known which of its records are refused; the others are delivered |
//! | RESOURCE_EXHAUSTED without `RetryInfo` | so is it, for the message may have been too large; a record alone is offered again |
//! | every other, and none | offered again; `RetryInfo` is honoured, up to 5 minutes |

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use flate2::read::GzDecoder;
use nephoscope_http::{Http2Options, ProxyOptions, read_body_and_trailers};
use pipeline::{BuildError, PublishError};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};

use super::answer::{Outcome, Status};
use super::gzip;
use super::options::OtlpOptions;
use crate::post::{
    ANSWER_BYTES, Answer, HttpSettings, Meaning, Patience, Post, PostOptions, asked_wait, meaning, said, send,
};
use crate::witness::Witness;

/// The method that is called.
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// Bytes in front of a message.
const PREFIX: usize = 5;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Binary metadata: with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Makes calls.
#[derive(Debug)]
pub(super) struct Grpc {
    client: reqwest::Client,
    post: PostOptions,
    headers: HeaderMap,
    gzip: bool,
    patience: Patience,
    witness: Witness,
}

impl Grpc {
    pub(super) fn new(
        options: OtlpOptions,
        settings: &HttpSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        let OtlpOptions { post, gzip, mut headers, .. } = options;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if gzip {
            headers.insert(GRPC_ENCODING, HeaderValue::from_static("gzip"));
        }
        let milliseconds = post.timeout.as_millis();
        if let Ok(value) = HeaderValue::from_str(&format!("{milliseconds}m")) {
            headers.insert(GRPC_TIMEOUT, value);
        }
        // A proxy lets HTTP/2 through in a tunnel only, which it makes for TLS.
        let is_tls = post.target.url(None).scheme() == "https";
        let proxy = if is_tls { settings.proxy.clone() } else { ProxyOptions::default() };
        let settings = HttpSettings { proxy, ..settings.clone() };
        let http2 = Http2Options { ping_after: post.timeout, ping_timeout: post.timeout };
        let client = post.client(&settings, Some(http2))?;
        Ok(Self { client, post, headers, gzip, patience: Patience::default(), witness })
    }
}

impl Post for Grpc {
    async fn post(&self, _sub_path: Option<&str>, body: Vec<u8>) -> Result<Answer, PublishError> {
        self.patience.keep_away().await;
        let (url, shown) = (self.post.target.url(Some(EXPORT)), self.post.target.shown(Some(EXPORT)));
        let framed = Bytes::from(frame(&body, self.gzip));
        self.witness.tell(|| format!("> POST {shown} (gRPC, {} bytes)", framed.len()));
        let request = || {
            let request = self.client.post(url.clone()).headers(self.headers.clone()).body(framed.clone());
            self.post.authorized(request)
        };
        let response = send(request, self.post.max_retries, &self.witness).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let is_grpc =
            headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let (body, trailers) = match read_body_and_trailers(response, ANSWER_BYTES).await {
            Ok(read) => read,
            // What became of the call stands behind the body, unless there was to be none.
            Err(_) if headers.contains_key(GRPC_STATUS) || !is_grpc => (Bytes::new(), HeaderMap::new()),
            Err(error) => {
                self.witness.tell(|| format!("< {status}\n! {error}"));
                let message = format!("{shown}: the answer broke off: {error}");
                return Err(PublishError { cause: "transport", message });
            }
        };
        let of_call = if trailers.contains_key(GRPC_STATUS) { &trailers } else { &headers };
        let call = Call::read(of_call);
        self.witness.tell(|| match &call {
            Some(call) => {
                format!("< {status}\n< grpc-status: {}{}", call.code, said(call.message.as_bytes()))
            }
            None => format!("< {status}"),
        });
        match call {
            Some(call) if is_grpc && status == StatusCode::OK => self.decided(&shown, &call, &body),
            _ => Err(self.no_call(&shown, status, is_grpc, &headers, &body)),
        }
    }
}

impl Grpc {
    /// What a receiver with that answer has decided.
    fn decided(&self, shown: &str, call: &Call, body: &[u8]) -> Result<Answer, PublishError> {
        let mut message = format!("{shown}: {}{}", call.name(), said(call.message.as_bytes()));
        let fate = fate(call.code);
        if let Some(wait) = call.retry_delay.filter(|_| call.code != 0) {
            self.patience.leave_alone(wait);
            message = format!("{message} (it asks to wait for {} s)", wait.as_secs_f64());
        }
        match fate {
            Fate::Accepted => {
                let outcome = unframed(body)
                    .and_then(|message| Outcome::read(&message).map_err(|error| error.to_string()));
                Ok(super::taken(shown, outcome))
            }
            Fate::Refused(cause) => Ok(Answer::Refused { cause, reason: message }),
            Fate::Exhausted if call.retry_delay.is_none() => {
                Ok(Answer::Less(PublishError { cause: "throttled", message }))
            }
            Fate::Exhausted => Err(PublishError { cause: "throttled", message }),
            Fate::Later(cause) => Err(PublishError { cause, message }),
        }
    }

    /// An answer that is none of gRPC: somebody stands in between, or there is something else.
    fn no_call(
        &self,
        shown: &str,
        status: StatusCode,
        is_grpc: bool,
        headers: &HeaderMap,
        body: &[u8],
    ) -> PublishError {
        let mut message = format!("{shown}: {status}");
        let cause = match meaning(status.as_u16()) {
            Meaning::Accepted if is_grpc => {
                message.push_str(" without a grpc-status");
                "transport"
            }
            Meaning::Accepted => {
                message.push_str(", and the answer is not one of gRPC");
                "not_grpc"
            }
            // Whoever said that has not read the records.
            Meaning::Refused(cause) | Meaning::Later(cause) => cause,
        };
        if !is_grpc {
            message.push_str(&said(body));
        }
        if let Some(wait) = asked_wait(headers) {
            self.patience.leave_alone(wait);
            message = format!("{message} (it asks to wait for {} s)", wait.as_secs());
        }
        PublishError { cause, message }
    }
}

/// What a status means for the records of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accepted,
    /// Not now. The text is the metric label.
    Later(&'static str),
    /// Too much: of this call, or of everything.
    Exhausted,
    /// Never, as far as some of these records go. The text is the metric label and the dead letter's cause.
    Refused(&'static str),
}

/// Reads a status.
///
/// Only two speak of the records. The others speak of the receiver's state, our credentials or the address; somebody can
/// mend that, and the records wait until then.
fn fate(code: u32) -> Fate {
    match code {
        0 => Fate::Accepted,
        1 => Fate::Later("cancelled"),
        3 => Fate::Refused("invalid_argument"),
        4 => Fate::Later("deadline_exceeded"),
        5 => Fate::Later("not_found"),
        6 => Fate::Refused("already_exists"),
        7 => Fate::Later("forbidden"),
        8 => Fate::Exhausted,
        9 => Fate::Later("failed_precondition"),
        10 => Fate::Later("aborted"),
        11 => Fate::Later("out_of_range"),
        12 => Fate::Later("unimplemented"),
        13 => Fate::Later("internal"),
        14 => Fate::Later("unavailable"),
        15 => Fate::Later("data_loss"),
        16 => Fate::Later("unauthorized"),
        _ => Fate::Later("unknown"),
    }
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    code: u32,
    message: String,
    retry_delay: Option<Duration>,
}

impl Call {
    /// Reads it from trailers or headers; `None` when it is not there.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get(GRPC_STATUS)?.to_str().ok()?.trim().parse().ok()?;
        let message = headers.get(GRPC_MESSAGE).map(|value| percent_decoded(value.as_bytes()));
        let details = headers.get(GRPC_DETAILS).and_then(|value| {
            // Several values may be joined by commas.
            let first = value.as_bytes().split(|byte| *byte == b',').next()?;
            Status::read(&BASE64.decode(first.trim_ascii()).ok()?).ok()
        });
        let details = details.unwrap_or_default();
        let message = message.filter(|message| !message.is_empty()).unwrap_or(details.message);
        Some(Self { code, message, retry_delay: details.retry_delay })
    }

    /// The name of its code.
    fn name(&self) -> String {
        const NAMES: [&str; 17] = [
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        let name = usize::try_from(self.code).ok().and_then(|code| NAMES.get(code));
        name.map_or_else(|| format!("status {}", self.code), |name| (*name).to_owned())
    }
}

/// Decodes `%XX`; what is none stays as it is.
fn percent_decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let code = (byte == b'%').then(|| behind.get(..2)).flatten().and_then(|digits| {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            let [high, low] = digits else { return None };
            u8::try_from(digit(high)? << 4 | digit(low)?).ok()
        });
        if let Some(code) = code {
            out.push(code);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A message with what stands in front of it.
fn frame(message: &[u8], packed: bool) -> Vec<u8> {
    let gzipped = packed.then(|| gzip(message));
    let message = gzipped.as_deref().unwrap_or(message);
    let mut out = Vec::with_capacity(PREFIX + message.len());
    out.push(u8::from(packed));
    // Messages are far from 4 GiB.
    out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(message);
    out
}

/// The message of an answer.
fn unframed(body: &[u8]) -> Result<Vec<u8>, String> {
    let wrong = || format!("{} bytes are not one message of gRPC", body.len());
    let (prefix, message) = body.split_at_checked(PREFIX).ok_or_else(wrong)?;
    let &[packed, ref length @ ..] = prefix else { return Err(wrong()) };
    let length = <[u8; 4]>::try_from(length).map(u32::from_be_bytes).map_err(|_| wrong())?;
    if usize::try_from(length) != Ok(message.len()) {
        return Err(wrong());
    }
    match packed {
        0 => Ok(message.to_vec()),
        1 => {
            let mut unpacked = Vec::new();
            let mut bounded = GzDecoder::new(message).take(ANSWER_BYTES as u64);
            bounded.read_to_end(&mut unpacked).map_err(|error| format!("its gzip is damaged: {error}"))?;
            Ok(unpacked)
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        for code in 0..100 {
            let expected = match code {
                0 => fate(code) == Fate::Accepted,
                3 | 6 => matches!(fate(code), Fate::Refused(_)),
                8 => fate(code) == Fate::Exhausted,
                _ => matches!(fate(code), Fate::Later(_)),
            };
            assert!(expected, "{code}: {:?}", fate(code));
        }
    }

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
        pairs.collect()
    }

    #[test]
    fn what_became_of_a_call() {
        let call = |pairs: &[(&'static str, &[u8])]| {
            Call::read(&headers(pairs)).map(|call| (call.code, call.message, call.retry_delay))
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(call(&[]), None);
        assert_eq!(call(&[("grpc-status", b"x")]), None);
        assert_eq!(call(&[("grpc-status", b"-1")]), None);
        assert_eq!(call(&[("grpc-status", b"0")]), Some((0, String::new(), None)));
        let text = b"caf%C3%A9 100%".as_slice();
        assert_eq!(
            call(&[("grpc-status", b"14"), ("grpc-message", text)]),
            Some((14, "café 100%".into(), None))
        );
        // Status {code: 8, message: "slow", details: [RetryInfo {3 s}]}
        let info = b"\x0a\x02\x08\x03";
        let name = b"type.googleapis.com/google.rpc.RetryInfo";
        let any = [&[0x0a, 40][..], name, &[0x12, 4], info].concat();
        let status = [&b"\x08\x08\x12\x04slow\x1a"[..], &[u8::try_from(any.len()).unwrap()], &any].concat();
        let details = base64::engine::general_purpose::STANDARD.encode(&status);
        for details in [details.as_str(), details.trim_end_matches('='), &format!("{details},QUJD")] {
            assert_eq!(
                call(&[("grpc-status", b"8"), ("grpc-status-details-bin", details.as_bytes())]),
                Some((8, "slow".into(), seconds(3)))
            );
        }
        assert_eq!(
            call(&[("grpc-status", b"8"), ("grpc-message", b"a"), ("grpc-status-details-bin", b"!!")]),
            Some((8, "a".into(), None))
        );
        let name = |code| Call { code, message: String::new(), retry_delay: None }.name();
        assert_eq!(
            (name(3), name(16), name(17)),
            ("INVALID_ARGUMENT".into(), "UNAUTHENTICATED".into(), "status 17".into())
        );
    }

    #[test]
    fn messages_are_framed() {
        assert_eq!(frame(b"abc", false), b"\x00\x00\x00\x00\x03abc");
        for packed in [false, true] {
            assert_eq!(unframed(&frame(b"abc", packed)).as_deref(), Ok(&b"abc"[..]));
        }
        assert_eq!(unframed(b"\x00\x00\x00\x00\x00").as_deref(), Ok(&b""[..]));
        for body in [&b""[..], b"\x00\x00\x00\x00", b"\x00\x00\x00\x00\x04abc", b"\x02\x00\x00\x00\x00"] {
            assert!(unframed(body).unwrap_err().contains("not one message"), "{body:?}");
        }
        assert!(unframed(b"\x01\x00\x00\x00\x03abc").unwrap_err().contains("gzip"));
        // A bomb: 10 MB in some kilobytes.
        let bomb = frame(&vec![0; 10_000_000], true);
        assert_eq!(unframed(&bomb).unwrap().len(), ANSWER_BYTES);
    }

    proptest! {
        #[test]
        fn any_answer_returns(
            body in prop::collection::vec(any::<u8>(), 0..100),
            message in prop::collection::vec(0x20_u8..0x7f, 0..40),
            details in "[A-Za-z0-9+/=,]{0,60}",
            code in "[0-9 -]{0,12}",
        ) {
            let _ = unframed(&body);
            let mut framed = vec![1, 0, 0, 0, u8::try_from(body.len()).unwrap()];
            framed.extend_from_slice(&body);
            let _ = unframed(&framed);
            let _ = Call::read(&headers(&[
                ("grpc-status", code.as_bytes()),
                ("grpc-message", &message),
                ("grpc-status-details-bin", details.as_bytes()),
            ]));
        }

        #[test]
        fn percent_codes_are_decoded(text in ".{0,20}") {
            let mut encoded = String::new();
            crate::url_options::percent_encode(&text, " !", &mut encoded);
            prop_assert_eq!(percent_decoded(encoded.as_bytes()), text);
        }
    }
}

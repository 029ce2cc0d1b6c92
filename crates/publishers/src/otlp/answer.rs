//! What a receiver answers: `ExportMetricsServiceResponse`, and `google.rpc.Status` with `RetryInfo`.
//!
//! Answers come from outside: any bytes are read without taking more memory than they have, and what cannot be read is
//! an error, never a panic.

use std::time::Duration;

use pipeline::Unnamed;

use crate::post::said;
use crate::protobuf::{Field, Malformed, Reader};

/// The cause of records that a receiver has rejected without saying which.
pub(super) const PARTIAL_SUCCESS: &str = "partial_success";
/// The end of the name of the message that says how long to wait.
const RETRY_INFO: &[u8] = b"/google.rpc.RetryInfo";

/// Of an answer that accepts: what it does not accept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How many points were rejected.
    pub(super) rejected: u64,
    /// Why, or a warning when there were none.
    pub(super) message: String,
}

impl Outcome {
    /// Reads `ExportMetricsServiceResponse`.
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut outcome = Self::default();
        let mut response = Reader::new(body);
        while let Some(field) = response.field()? {
            let (1, Field::Bytes(partial_success)) = field else { continue };
            let mut partial_success = Reader::new(partial_success);
            while let Some(field) = partial_success.field()? {
                match field {
                    // A negative number is none.
                    (1, Field::Varint(number)) => {
                        outcome.rejected = u64::try_from(number.cast_signed()).unwrap_or(0);
                    }
                    (2, Field::Bytes(text)) => outcome.message = String::from_utf8_lossy(text).into_owned(),
                    _ => {}
                }
            }
        }
        Ok(outcome)
    }

    /// Reads it from JSON, which some receivers answer whatever they are asked in.
    pub(super) fn read_json(body: &[u8]) -> Result<Self, Malformed> {
        let answer: serde_json::Value = serde_json::from_slice(body).map_err(|_| Malformed)?;
        if !answer.is_object() {
            return Err(Malformed);
        }
        let partial_success = |camel: &str, snake: &str| {
            let of = |object: &serde_json::Value, name: &str| object.get(name).cloned();
            let part = of(&answer, "partialSuccess").or_else(|| of(&answer, "partial_success"))?;
            of(&part, camel).or_else(|| of(&part, snake))
        };
        let rejected = match partial_success("rejectedDataPoints", "rejected_data_points") {
            // 64-bit numbers are texts in protobuf's JSON.
            Some(serde_json::Value::String(text)) => text.parse().unwrap_or(0),
            Some(number) => number.as_u64().unwrap_or(0),
            None => 0,
        };
        let message = partial_success("errorMessage", "error_message");
        let message = message.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { rejected, message })
    }

    /// The points that were rejected, if there are some; `shown` is the receiver's address.
    pub(super) fn unnamed(&self, shown: &str) -> Option<Unnamed> {
        (self.rejected > 0).then(|| Unnamed {
            records: self.rejected,
            cause: PARTIAL_SUCCESS,
            reason: format!("{shown}: {} points rejected{}", self.rejected, said(self.message.as_bytes())),
        })
    }
}

/// `google.rpc.Status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) message: String,
    /// How long the receiver wants to be left alone (`RetryInfo`).
    pub(super) retry_delay: Option<Duration>,
}

impl Status {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut status = Self::default();
        let mut reader = Reader::new(body);
        while let Some(field) = reader.field()? {
            match field {
                (2, Field::Bytes(text)) => status.message = String::from_utf8_lossy(text).into_owned(),
                // A detail that cannot be read is one that says nothing.
                (3, Field::Bytes(detail)) => {
                    if let Ok(Some(delay)) = retry_delay(detail) {
                        status.retry_delay = Some(delay);
                    }
                }
                _ => {}
            }
        }
        Ok(status)
    }
}

/// Reads `Any`; `None` when there is something else in it than `RetryInfo` with a delay.
fn retry_delay(any: &[u8]) -> Result<Option<Duration>, Malformed> {
    let (mut is_retry_info, mut value) = (false, &b""[..]);
    let mut reader = Reader::new(any);
    while let Some(field) = reader.field()? {
        match field {
            (1, Field::Bytes(name)) => is_retry_info = name.ends_with(RETRY_INFO),
            (2, Field::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    if !is_retry_info {
        return Ok(None);
    }
    let mut delay = None;
    let mut retry_info = Reader::new(value);
    while let Some(field) = retry_info.field()? {
        let (1, Field::Bytes(duration)) = field else { continue };
        let (mut seconds, mut nanoseconds) = (0, 0);
        let mut duration = Reader::new(duration);
        while let Some(field) = duration.field()? {
            match field {
                (1, Field::Varint(number)) => seconds = u64::try_from(number.cast_signed()).unwrap_or(0),
                (2, Field::Varint(number)) => nanoseconds = u32::try_from(number).unwrap_or(0),
                _ => {}
            }
        }
        delay = Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds.into())));
    }
    Ok(delay)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protobuf::{field_length, put_bytes, put_small};

    fn message(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    fn partial_success(rejected: Option<u8>, text: &[u8]) -> Vec<u8> {
        let partial = message(|out| {
            if let Some(rejected) = rejected {
                put_small(1, rejected, out);
            }
            put_bytes(2, text, out);
        });
        message(|out| put_bytes(1, &partial, out))
    }

    fn status(name: &[u8], seconds: u8, nanoseconds: u8) -> Vec<u8> {
        let duration = message(|out| {
            put_small(1, seconds, out);
            put_small(2, nanoseconds, out);
        });
        let retry_info = message(|out| put_bytes(1, &duration, out));
        let any = message(|out| {
            put_bytes(1, name, out);
            put_bytes(2, &retry_info, out);
        });
        message(|out| {
            put_small(1, 8, out);
            put_bytes(2, b"slow down", out);
            put_bytes(3, b"\x0a", out);
            put_bytes(3, &any, out);
        })
    }

    #[test]
    fn what_was_rejected() {
        let outcome = |rejected, message: &str| Ok(Outcome { rejected, message: message.into() });
        for (body, expected) in [
            (Vec::new(), outcome(0, "")),
            (partial_success(Some(3), b"too old"), outcome(3, "too old")),
            (partial_success(None, b"soon no more"), outcome(0, "soon no more")),
            (partial_success(Some(1), b"\xff"), outcome(1, "\u{fffd}")),
            (b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), outcome(0, "")),
            // Fields that we do not know.
            (b"\x10\x01\x0a\x04\x08\x02\x18\x05\x1a\x01x".to_vec(), outcome(2, "")),
            (b"\x0a\x05\x08\x01".to_vec(), Err(Malformed)),
            (b"<html>".to_vec(), Err(Malformed)),
        ] {
            assert_eq!(Outcome::read(&body), expected, "{body:?}");
        }
        for (body, expected) in [
            ("{}", outcome(0, "")),
            (r#"{"partialSuccess":{}}"#, outcome(0, "")),
            (r#"{"partialSuccess":{"rejectedDataPoints":"7","errorMessage":"no"}}"#, outcome(7, "no")),
            (r#"{"partial_success":{"rejected_data_points":7,"error_message":"no"}}"#, outcome(7, "no")),
            (r#"{"partialSuccess":{"rejectedDataPoints":-7,"errorMessage":8}}"#, outcome(0, "")),
            (r#"{"partialSuccess":7}"#, outcome(0, "")),
            ("[]", Err(Malformed)),
            ("{", Err(Malformed)),
        ] {
            assert_eq!(Outcome::read_json(body.as_bytes()), expected, "{body}");
        }
        let rejected = Outcome { rejected: 2, message: "a\n b".into() };
        assert_eq!(rejected.unnamed("h").unwrap().reason, "h: 2 points rejected: a b");
        assert_eq!(Outcome::default().unnamed("h"), None);
    }

    #[test]
    fn how_long_to_wait() {
        let name = b"type.googleapis.com/google.rpc.RetryInfo";
        let read = Status::read(&status(name, 7, 5)).unwrap();
        assert_eq!(read.message, "slow down");
        assert_eq!(read.retry_delay, Some(Duration::new(7, 5)));
        assert_eq!(Status::read(&status(b"x/google.rpc.Help", 7, 5)).unwrap().retry_delay, None);
        // -1 s.
        let duration = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let info = message(|out| put_bytes(1, duration, out));
        let any = message(|out| {
            put_bytes(1, name, out);
            put_bytes(2, &info, out);
        });
        assert_eq!(retry_delay(&any), Ok(Some(Duration::ZERO)));
        assert_eq!(Status::read(b"\x12\x05abc"), Err(Malformed));
        assert!(field_length(any.len()) > any.len());
    }

    proptest! {
        #[test]
        fn any_bytes_return(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(outcome) = Outcome::read(&body) {
                // Three bytes for one that is no character.
                prop_assert!(outcome.message.len() <= 3 * body.len());
            }
            if let Ok(status) = Status::read(&body) {
                prop_assert!(status.message.len() <= 3 * body.len());
            }
            let _ = Outcome::read_json(&body);
        }

        #[test]
        fn damaged_answers_return(
            rejected in 0_u8..0x80, text in ".{0,20}", place in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            for mut body in [partial_success(Some(rejected), text.as_bytes()), status(RETRY_INFO, rejected, 1)] {
                let place = place.index(body.len());
                if let Some(damaged) = body.get_mut(place) {
                    *damaged = byte;
                }
                let _ = (Outcome::read(&body), Status::read(&body));
                let cut = body.get(..place).unwrap_or_default();
                let _ = (Outcome::read(cut), Status::read(cut));
            }
        }
    }
}

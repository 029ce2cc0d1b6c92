//! What a server's status means for the records of a request.

/// What became of a request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// 2xx: taken.
    Accepted,
    /// Not now: the records are offered again. The text is the metric label.
    Later(&'static str),
    /// Never, as far as some of these records go. The text is the metric label and the dead letter's cause.
    Refused(&'static str),
}

/// Reads a status.
///
/// Only 400, 409, 413 and 422 speak of the records. 408, 425, 429 and 5xx speak of the server's state, 401 and 407 of our
/// credentials, 3xx, 404 and whatever else there is of the address and what stands in front of it: somebody can mend that,
/// and the records wait until then.
pub(crate) fn meaning(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Accepted,
        400 => Meaning::Refused("bad_request"),
        409 => Meaning::Refused("conflict"),
        413 => Meaning::Refused("too_large"),
        422 => Meaning::Refused("unprocessable"),
        401 => Meaning::Later("unauthorized"),
        403 => Meaning::Later("forbidden"),
        404 => Meaning::Later("not_found"),
        405 => Meaning::Later("method_not_allowed"),
        407 => Meaning::Later("proxy_authentication"),
        408 => Meaning::Later("request_timeout"),
        410 => Meaning::Later("gone"),
        415 => Meaning::Later("media_type"),
        425 => Meaning::Later("too_early"),
        429 => Meaning::Later("throttled"),
        500..=599 => Meaning::Later("server_error"),
        300..=399 => Meaning::Later("redirect"),
        _ => Meaning::Later("unexpected_status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        for status in 100..=999 {
            let meaning = meaning(status);
            let expected = match status {
                200..=299 => meaning == Meaning::Accepted,
                400 | 409 | 413 | 422 => matches!(meaning, Meaning::Refused(_)),
                _ => matches!(meaning, Meaning::Later(_)),
            };
            assert!(expected, "{status}: {meaning:?}");
        }
    }
}

//! What a server's status means for the records of a request.

/// What became of a request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// 2xx: taken.
    Accepted,
    /// Not now: the records are offered again. The text is the metric label.
    Later(&'static str),
    /// Never, as far as these records go.
    Refused {
        /// The metric label and the dead letter's cause.
        cause: &'static str,
        /// Whether a part of the records may still be taken, so that it pays to look for the others.
        may_be_partial: bool,
    },
}

/// Reads a status.
///
/// 408, 425, 429 and 5xx speak of the server's state, 401 and 407 of our credentials, 3xx of an address: none of them of
/// the records. What is left of 4xx is a refusal.
pub(super) fn meaning(status: u16) -> Meaning {
    let refused = |cause, may_be_partial| Meaning::Refused { cause, may_be_partial };
    match status {
        200..=299 => Meaning::Accepted,
        401 => Meaning::Later("unauthorized"),
        407 => Meaning::Later("proxy_authentication"),
        408 => Meaning::Later("request_timeout"),
        425 => Meaning::Later("too_early"),
        429 => Meaning::Later("throttled"),
        500..=599 => Meaning::Later("server_error"),
        400 => refused("bad_request", true),
        403 => refused("forbidden", false),
        404 => refused("not_found", false),
        405 => refused("method_not_allowed", false),
        409 => refused("conflict", true),
        410 => refused("gone", false),
        413 => refused("too_large", true),
        415 => refused("media_type", false),
        422 => refused("unprocessable", true),
        402..=499 => refused("refused", false),
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
                401 | 407 | 408 | 425 | 429 => matches!(meaning, Meaning::Later(_)),
                400..=499 => matches!(meaning, Meaning::Refused { .. }),
                _ => matches!(meaning, Meaning::Later(_)),
            };
            assert!(expected, "{status}: {meaning:?}");
        }
        assert_eq!(meaning(413), Meaning::Refused { cause: "too_large", may_be_partial: true });
    }
}

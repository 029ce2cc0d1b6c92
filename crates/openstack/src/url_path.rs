//! Paths of URLs.

use std::fmt::Write as _;

use reqwest::Url;

use crate::Error;

/// A text as one segment of a path: everything but letters, digits, `-`, `.`, `_` and `~` is percent-encoded.
#[must_use]
pub fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `base` and `path` with exactly one slash in between. `path` may have a query.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, Error> {
    let mut text = base.clone();
    text.set_query(None);
    text.set_fragment(None);
    let joined = format!("{}/{}", text.as_str().trim_end_matches('/'), path.trim_start_matches('/'));
    Url::parse(&joined)
        .map_err(|error| Error::configuration(format!("{}: {error}", shown(base)), "correct the URL"))
}

/// Reads an address that the operator or a catalogue gives.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("not an http:// or https:// address".to_owned());
    }
    Ok(url)
}

/// A URL for a message: without what may be secret.
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or("-"), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_and_path_are_joined_by_one_slash() {
        for (base, path, expected) in [
            ("http://h:8041", "v1/metric", "http://h:8041/v1/metric"),
            ("http://h:8041/", "/v1/metric", "http://h:8041/v1/metric"),
            ("http://h/metric//", "//v1/?a=b", "http://h/metric/v1/?a=b"),
            ("http://h/metric?x=y#z", "/v1", "http://h/metric/v1"),
        ] {
            assert_eq!(join(&Url::parse(base).unwrap(), path).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_segment_holds_everything() {
        assert_eq!(path_segment("a-b.c_d~9"), "a-b.c_d~9");
        assert_eq!(path_segment("a/b c?d#e%ü"), "a%2Fb%20c%3Fd%23e%25%C3%BC");
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for wrong in ["", "controller:5000", "/v3", "ftp://h/", "rabbit://h", "http://"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse(" https://h:5000/v3 ").unwrap().as_str(), "https://h:5000/v3");
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let url = Url::parse("https://user:pass@h:5000/v3?token=x#y").unwrap();
        assert_eq!(shown(&url), "https://h:5000/v3");
    }
}

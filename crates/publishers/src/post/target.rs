//! [`Target`]: the address that requests go to.

use std::fmt::Write as _;

use pipeline::BuildError;
use reqwest::Url;

use crate::url_options::{configuration, percent_encode};

/// What may stand in a path as it is, besides letters, digits and `-._~`.
const PATH_CHARACTERS: &str = "!$&'()*+,;=:@/";

/// A URL whose path can be made longer; the query stays behind it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: Url,
}

impl Target {
    pub(crate) fn new(scheme: &str, host: &str, path: &str, query: Option<&str>) -> Result<Self, BuildError> {
        let hint =
            || format!("write host or host:port behind ://, for example {scheme}://192.0.2.7:8080/path");
        if host.is_empty() || host.starts_with(':') {
            return Err(configuration("the publisher needs a host", hint()));
        }
        let mut url = Url::parse(&format!("{scheme}://{host}"))
            .map_err(|error| configuration(format!("{host:?} is not a host with a port: {error}"), hint()))?;
        // The setter leaves what is encoded as it is.
        url.set_path(&requoted(path));
        // Two slashes at the beginning would name a host; requests leaves one.
        if url.path().starts_with("//") {
            let path = format!("/{}", url.path().trim_start_matches('/'));
            url.set_path(&path);
        }
        url.set_query(query);
        Ok(Self { url })
    }

    /// Another path, as it is sent.
    pub(crate) fn set_path(&mut self, path: &str) {
        self.url.set_path(path);
    }

    /// The URL, with something behind its path.
    pub(crate) fn url(&self, sub_path: Option<&str>) -> Url {
        let mut url = self.url.clone();
        if let Some(sub_path) = sub_path {
            let path = format!("{}{sub_path}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        url
    }

    /// The URL for a person: the values of its query are hidden.
    pub(crate) fn shown(&self, sub_path: Option<&str>) -> String {
        let mut url = self.url(sub_path);
        let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        url.set_query(None);
        let mut text = url.to_string();
        for (place, name) in names.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{name}=***", if place == 0 { '?' } else { '&' });
        }
        text
    }
}

/// A path as Python's requests sends it: what need not be encoded is not, what must be is.
fn requoted(path: &str) -> String {
    let bytes = path.as_bytes();
    let code = |place: usize| {
        let digits = bytes.get(place + 1..place + 3)?;
        let text = std::str::from_utf8(digits).ok()?;
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(text, 16).ok()).flatten()
    };
    let percents = || path.match_indices('%').map(|(place, _)| place);
    // One that is no code means that all of them stand for themselves.
    let is_encoded = percents().all(|place| code(place).is_some());
    let mut out = String::with_capacity(path.len());
    let mut plain = path;
    while let Some((before, behind)) = plain.split_once('%') {
        percent_encode(before, PATH_CHARACTERS, &mut out);
        let place = path.len() - behind.len() - 1;
        if let Some(byte) = code(place).filter(|_| is_encoded) {
            let character = char::from(byte);
            if character.is_ascii_alphanumeric() || "-._~".contains(character) {
                out.push(character);
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            plain = behind.get(2..).unwrap_or_default();
        } else {
            out.push_str("%25");
            // What would have been a code has capital digits all the same.
            let digits = code(place).and_then(|_| behind.get(..2)).unwrap_or_default();
            out.push_str(&digits.to_ascii_uppercase());
            plain = behind.get(digits.len()..).unwrap_or_default();
        }
    }
    percent_encode(plain, PATH_CHARACTERS, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_sent_as_requests_sends_them() {
        for (path, sent) in [
            ("", ""),
            ("/a/b", "/a/b"),
            ("/a b/é", "/a%20b/%C3%A9"),
            ("/%7euser/%2f%C3", "/~user/%2F%C3"),
            ("/100%/x%7ey", "/100%25/x%257Ey"),
            ("/[x]|", "/%5Bx%5D%7C"),
        ] {
            assert_eq!(requoted(path), sent, "{path}");
        }
    }

    #[test]
    fn a_longer_path_leaves_the_query_behind() {
        let target = Target::new("http", "h:1", "/metrics/job/x/", Some("token=secret")).unwrap();
        let url = target.url(Some("/resource_id/r%2F1"));
        assert_eq!(url.as_str(), "http://h:1/metrics/job/x/resource_id/r%2F1?token=secret");
        assert_eq!(target.shown(None), "http://h:1/metrics/job/x/?token=***");
        let target = Target::new("http", "h", "", None).unwrap();
        assert_eq!(target.url(Some("/y")).as_str(), "http://h/y");
    }
}

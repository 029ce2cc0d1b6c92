//! What several back ends' URLs have in common: parameters, and the parts before them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{MAX_SECONDS, MIN_SECONDS, UrlError, wrong};

/// User, password, host and port, as `urlsplit` tells them apart: what stands before the last `@` is not decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// In small letters; an IPv6 address without its brackets.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
}

impl Authority {
    /// `example` is what the hint says to write.
    pub(super) fn parse(text: &str, example: &str) -> Result<Self, UrlError> {
        let (user, address) = text.rsplit_once('@').map_or(("", text), |(user, address)| (user, address));
        let (user, password) = user.split_once(':').map_or((user, ""), |(user, password)| (user, password));
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| wrong("the address has no closing bracket", format!("write {example}")))?;
                (host, rest.strip_prefix(':'))
            }
            None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
        };
        // It is not shown: in a URL whose password has a slash, it is a part of that.
        let port = port.filter(|port| !port.is_empty()).map(str::parse).transpose().map_err(|_| {
            wrong("the port is no number", format!("write {example}, and no / ? or # in user and password"))
        })?;
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Self { user: some(user), password: some(password), host: some(&host.to_ascii_lowercase()), port })
    }
}

/// Parameters by their names; what is taken is not left.
pub(super) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    /// As `urllib.parse.parse_qs`: `+` is a blank, and an empty value none.
    pub(super) fn parse(query: &str) -> Self {
        let mut parameters = BTreeMap::<String, Vec<String>>::new();
        for pair in query.split('&') {
            let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.is_empty()) else {
                continue;
            };
            parameters.entry(decoded(name)).or_default().push(decoded(value));
        }
        Self(parameters)
    }

    /// The names of what was not taken.
    pub(super) fn into_names(self) -> impl Iterator<Item = String> {
        self.0.into_keys()
    }

    pub(super) fn take_all(&mut self, name: &str) -> Vec<String> {
        self.0.remove(name).unwrap_or_default()
    }

    /// The last one counts.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.take_all(name).pop()
    }

    /// As `strutils.bool_from_string`: everything else is no.
    pub(super) fn truth(&mut self, name: &str) -> bool {
        let words = ["1", "t", "true", "on", "y", "yes"];
        self.take(name).is_some_and(|text| words.contains(&text.trim().to_ascii_lowercase().as_str()))
    }

    pub(super) fn seconds(&mut self, name: &str) -> Result<Option<f64>, UrlError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.trim().parse::<f64>() {
            Ok(seconds) if (0.0..=MAX_SECONDS).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(wrong(
                format!("{name}={text} is no number of seconds"),
                format!("write a number up to {MAX_SECONDS}"),
            )),
        }
    }
}

/// The membership timeout, if it is long enough.
pub(super) fn membership(seconds: f64) -> Result<Duration, UrlError> {
    if seconds < MIN_SECONDS {
        let message = format!("a membership_timeout of {seconds} s is too short to tell who is alive");
        return Err(wrong(message, format!("write at least {MIN_SECONDS}")));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// As `urllib.parse.unquote_plus`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

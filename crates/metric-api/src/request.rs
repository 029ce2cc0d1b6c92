//! A request in parts.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use metric::Caller;
use model::Value;

use crate::failure::Failure;
use crate::room::Room;
use crate::{Api, Settings};

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// What the route's placeholders stand for.
    pub(crate) captures: Vec<String>,
    /// Parameters, in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// The address that the API stands under, without a slash at its end.
    pub(crate) base: String,
    /// The path below it, as it was sent.
    pub(crate) path: String,
    caller: Result<Caller, Failure>,
    /// What its body was read into takes, until the request is answered.
    room: Mutex<Option<Room>>,
}

impl Request {
    /// Everything but the body.
    pub(crate) fn new(parts: Parts, settings: &Settings, caller: Result<Caller, Failure>) -> Self {
        let Parts { method, uri, headers, .. } = parts;
        let forwarded = if settings.proxy_headers { Forwarded::of(&headers) } else { Forwarded::default() };
        let own = if settings.tls { "https" } else { "http" };
        let scheme = forwarded.scheme.unwrap_or_else(|| own.to_owned());
        let host = forwarded.host.or_else(|| header(&headers, HOST.as_str())).unwrap_or_default();
        let sent = uri.path();
        let below =
            sent.strip_prefix(&settings.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let (prefix, path) = below.map_or(("", sent), |rest| (settings.prefix.as_str(), rest));
        let base = format!("{scheme}://{host}{}{prefix}", forwarded.prefix.unwrap_or_default());
        let query = uri.query().map(form).unwrap_or_default();
        let path = path.to_owned();
        let body = Bytes::new();
        Self {
            method,
            headers,
            captures: Vec::new(),
            query,
            body,
            base,
            path,
            caller,
            room: Mutex::default(),
        }
    }

    /// Whoever asks.
    pub(crate) fn caller(&self) -> Result<&Caller, Failure> {
        self.caller.as_ref().map_err(Clone::clone)
    }

    /// What a placeholder of the route stands for.
    pub(crate) fn capture(&self, place: usize) -> &str {
        self.captures.get(place).map_or("", String::as_str)
    }

    /// The value of a parameter; the last one, if it is repeated.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub(crate) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body says that it is of this type.
    fn says(&self, media_type: &str) -> bool {
        let said = self.headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
        said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// The body, if it says that it is JSON and may be.
    pub(crate) fn json_text(&self) -> Option<&str> {
        if self.says("application/json") { std::str::from_utf8(&self.body).ok() } else { None }
    }

    /// The body, which must be JSON and say so.
    pub(crate) fn json(&self, api: &Api) -> Result<Value, Failure> {
        self.json_of(api, "application/json")
    }

    /// The body, which must say that it is of this type, and be JSON.
    pub(crate) fn json_of(&self, api: &Api, media_type: &str) -> Result<Value, Failure> {
        if !self.says(media_type) {
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ""));
        }
        let mut room = Room::of(api, self);
        let tree = model::json::memory_bound(&self.body);
        // What most routes make of it takes half as much once more, at most.
        room.take(tree.saturating_add(tree / 2));
        room.check(api)?;
        let value = model::json::parse(&self.body).map_err(|_| {
            let facts = [("reason", "Expected object or value".into()), ("detail", Value::List(Vec::new()))];
            Failure::because(StatusCode::BAD_REQUEST, "Unable to decode body", facts)
        })?;
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(room);
        Ok(value)
    }

    /// Takes room for what is made of a body that was read: so many bytes, and so many times what the tree takes.
    pub(crate) fn take_room(&self, api: &Api, bytes: usize, copies: usize) -> Result<(), Failure> {
        let copies = model::json::memory_bound(&self.body).saturating_mul(copies);
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let room = room.get_or_insert_with(|| Room::of(api, self));
        room.take(bytes.saturating_add(copies));
        room.check(api)
    }

    /// Where something stands that was made.
    pub(crate) fn address(&self, family: &str, name: &str) -> String {
        let mut address = format!("{}/v1/{family}/", self.base);
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                address.push(char::from(byte));
            } else {
                let _ = write!(address, "%{byte:02X}");
            }
        }
        address
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// What a proxy says of the request that it was sent.
#[derive(Debug, Default)]
struct Forwarded {
    scheme: Option<String>,
    host: Option<String>,
    prefix: Option<String>,
}

impl Forwarded {
    fn of(headers: &HeaderMap) -> Self {
        let prefix = header(headers, "x-forwarded-prefix");
        let Some(elements) = header(headers, "forwarded") else {
            let [scheme, host] = ["x-forwarded-proto", "x-forwarded-host"].map(|name| header(headers, name));
            return Self { scheme, host, prefix };
        };
        let mut found = Self { prefix, ..Self::default() };
        for pair in elements.split(',').next().unwrap_or_default().split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = Some(value.trim().trim_matches('"').to_owned());
            match name.trim().to_ascii_lowercase().as_str() {
                "proto" => found.scheme = value,
                "host" => found.host = value,
                _ => {}
            }
        }
        found
    }
}

/// The parameters of a query.
fn form(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Resolves percent-encoding; what is none stays.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let hex = text.get(place + 1..place + 3).filter(|_| *byte == b'%');
        // A sign is no digit, though the standard library takes it.
        let hex = hex.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(value) = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(value);
            place += 3;
        } else {
            decoded.push(*byte);
            place += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// A value of a form, encoded.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(
            form("a=b+c&d=%C3%A9%zz&e"),
            [("a", "b c"), ("d", "é%zz"), ("e", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        let mut out = String::new();
        encode("é a:@", &mut out);
        assert_eq!(out, "%C3%A9+a%3A%40");
    }
}

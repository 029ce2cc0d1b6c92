//! What is said over the control socket about the metric store: one JSON object a line.
//!
//! The client sends `{"metric": "stats"}`, `{"metric": {"backup": DIRECTORY}}` or `{"metric": {"restore": DIRECTORY}}`. The
//! server answers with `{"nephoscope": VERSION}`, with `{"working": SECONDS}` now and then, and at last with
//! `{"stats": {…}}`, `{"backup": {…}}`, `{"restore": {…}}` or `{"error": "…"}`. After `restore` it ends and starts anew:
//! that is over when the journal beside the store is gone and the socket answers.

use std::path::PathBuf;

use model::Value;
use model::json::parse;

use crate::tap::protocol::{line, object};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// How much there is of everything.
    Stats,
    /// A copy.
    Backup(PathBuf),
    /// A backup in the place of the store.
    Restore(PathBuf),
}

/// What a line of the server says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// It is at it.
    Working,
    /// The result.
    Done(Value),
    /// It refuses, or it did not succeed.
    Error(String),
}

impl Request {
    /// The request as a line.
    ///
    /// # Errors
    /// A directory whose name is no text cannot be asked for.
    pub(crate) fn line(&self) -> Result<Vec<u8>, String> {
        let value = match self {
            Self::Stats => "stats".into(),
            Self::Backup(directory) | Self::Restore(directory) => {
                let directory = directory.to_str().ok_or("the directory's name is not UTF-8")?;
                object(self.key(), directory)
            }
        };
        Ok(line(&object("metric", value)))
    }

    /// What a line asks for; none when it is about something else.
    ///
    /// # Errors
    /// It is about the metric store, and this release does not know what it asks for.
    pub(crate) fn read(request: &str) -> Option<Result<Self, String>> {
        let request = parse(request).ok()?;
        let asked = request.get("metric")?;
        let directory = |key| asked.get(key).and_then(Value::as_str).map(PathBuf::from);
        let wanted = match (asked.as_str(), directory("backup"), directory("restore")) {
            (Some("stats"), _, _) => return Some(Ok(Self::Stats)),
            (None, Some(directory), None) => Self::Backup(directory),
            (None, None, Some(directory)) => Self::Restore(directory),
            _ => {
                let words =
                    "this release knows only \"stats\", {\"backup\": DIRECTORY} and {\"restore\": DIRECTORY}";
                return Some(Err(words.to_owned()));
            }
        };
        Some(match &wanted {
            Self::Backup(directory) | Self::Restore(directory) if !directory.is_absolute() => {
                Err("the directory of a backup must be an absolute path".to_owned())
            }
            _ => Ok(wanted),
        })
    }

    /// The key of the result.
    pub(crate) const fn key(&self) -> &'static str {
        match self {
            Self::Stats => "stats",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
        }
    }
}

/// The server is at it since so many seconds.
pub(crate) fn working(seconds: u64) -> Vec<u8> {
    line(&object("working", i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// The result.
pub(crate) fn done(key: &str, value: Value) -> Vec<u8> {
    line(&object(key, value))
}

/// Reads a line of the server.
pub(crate) fn said(line: &str) -> Option<Said> {
    let said = parse(line).ok()?;
    let (key, value) = said.as_map()?.iter().next()?;
    match key {
        "nephoscope" | "working" => Some(Said::Working),
        "stats" | "backup" | "restore" => Some(Said::Done(value.clone())),
        "error" => Some(Said::Error(value.as_str().unwrap_or("no reason").to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_arrive_as_they_were_meant() {
        for request in [Request::Stats, Request::Backup("/a/ü \"b\"".into()), Request::Restore("/b".into())]
        {
            let line = String::from_utf8(request.line().unwrap()).unwrap();
            assert_eq!(Request::read(line.trim_end()), Some(Ok(request)), "{line}");
        }
        for foreign in ["", "[]", "{\"tap\": {}}"] {
            assert_eq!(Request::read(foreign), None, "{foreign}");
        }
        for wrong in [
            "{\"metric\": \"drop\"}",
            "{\"metric\": {\"backup\": \"a/b\"}}",
            "{\"metric\": {\"backup\": 1}}",
            "{\"metric\": {\"restore\": \"../b\"}}",
            "{\"metric\": {\"restore\": \"/b\", \"backup\": \"/b\"}}",
        ] {
            assert!(matches!(Request::read(wrong), Some(Err(_))), "{wrong}");
        }
    }

    #[test]
    fn answers_arrive() {
        let text = |line: Vec<u8>| String::from_utf8(line).unwrap();
        assert_eq!(said(&text(working(3))), Some(Said::Working));
        assert_eq!(said(&text(done("backup", Value::Int(1)))), Some(Said::Done(Value::Int(1))));
        assert_eq!(said("{\"error\": \"no\"}"), Some(Said::Error("no".to_owned())));
        assert_eq!(said("{\"later\": 1}"), None);
    }
}

//! One event with everything that a line shows of it.

use std::fmt::{self, Write as _};

use jiff::{Timestamp, ZonedDateTime};
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::LineLevel;
use super::levels::name_of_target;

/// A message longer than this is cut.
const MAX_MESSAGE_BYTES: usize = 16 * 1_024;
/// A field's value longer than this is cut.
const MAX_VALUE_BYTES: usize = 4 * 1_024;
/// Fields past this number are left out.
const MAX_FIELDS: usize = 48;

/// A named value, formatted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldValue {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// What happened, when, and where in the program.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) time: Timestamp,
    pub(super) local: ZonedDateTime,
    pub(super) level: Level,
    /// The logger's name as it is shown.
    pub(super) name: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) message: String,
    pub(super) fields: Vec<FieldValue>,
    pub(super) request_id: Option<String>,
}

impl Record {
    pub(super) fn new(
        time: Timestamp,
        local: ZonedDateTime,
        metadata: &Metadata<'_>,
        fields: Fields,
    ) -> Self {
        Self {
            time,
            local,
            level: *metadata.level(),
            name: name_of_target(metadata.target()),
            file: metadata.file().map(str::to_owned),
            line: metadata.line(),
            message: fields.message,
            fields: fields.values,
            request_id: fields.request_id,
        }
    }

    pub(super) fn line_level(&self) -> LineLevel {
        match self.level {
            Level::ERROR => LineLevel::Error,
            Level::WARN => LineLevel::Warning,
            Level::INFO => LineLevel::Info,
            Level::DEBUG => LineLevel::Debug,
            Level::TRACE => LineLevel::Trace,
        }
    }

    /// Seconds since the epoch, with fractions, as Python's `created`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds since 1970 stay below 2^53 until the year 2255"
    )]
    pub(super) fn created_seconds(&self) -> f64 {
        self.time.as_microsecond() as f64 / 1e6
    }

    /// Python's name of the level.
    pub(super) fn level_name(&self) -> &'static str {
        match self.line_level() {
            LineLevel::Error => "ERROR",
            LineLevel::Warning => "WARNING",
            LineLevel::Info => "INFO",
            LineLevel::Debug => "DEBUG",
            LineLevel::Trace => "TRACE",
        }
    }

    /// Python's number of the level.
    pub(super) fn level_number(&self) -> u8 {
        level_number(self.level)
    }

    /// syslog's severity, as oslo.log maps Python's levels.
    pub(super) fn severity(&self) -> u8 {
        match self.line_level() {
            LineLevel::Error => 3,
            LineLevel::Warning => 4,
            LineLevel::Info => 6,
            LineLevel::Debug | LineLevel::Trace => 7,
        }
    }

    /// The message and, after it, the fields as `key=value`, all in one line.
    pub(super) fn message_with_fields(&self) -> String {
        let mut out = String::with_capacity(self.message.len() + self.fields.len() * 24);
        escape_into(&mut out, &self.message);
        for field in &self.fields {
            out.push(' ');
            out.push_str(field.name);
            out.push('=');
            let plain = !field.value.is_empty()
                && !field
                    .value
                    .contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=') || c.is_control());
            if plain {
                out.push_str(&field.value);
            } else {
                out.push('"');
                for character in field.value.chars() {
                    match character {
                        '"' => out.push_str("\\\""),
                        '\\' => out.push_str("\\\\"),
                        character => escape_one(&mut out, character),
                    }
                }
                out.push('"');
            }
        }
        out
    }
}

/// Python's number of a level; oslo.log has 5 for trace.
pub(super) fn level_number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// Appends `text` without control characters: what a peer sent must not begin a new line or steer a terminal.
fn escape_into(out: &mut String, text: &str) {
    for character in text.chars() {
        escape_one(out, character);
    }
}

fn escape_one(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Line and paragraph separators end a line for some readers.
        character if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        }
        character => out.push(character),
    }
}

/// What a visit of an event or a span gathers.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) values: Vec<FieldValue>,
    pub(super) request_id: Option<String>,
}

impl Fields {
    /// Puts the fields of a span around an event before the event's own.
    pub(super) fn prepend(&mut self, outer: &Self) {
        let room = MAX_FIELDS.saturating_sub(self.values.len());
        self.values.splice(0..0, outer.values.iter().take(room).cloned());
        if self.request_id.is_none() {
            self.request_id.clone_from(&outer.request_id);
        }
    }

    fn add(&mut self, field: &Field, value: &dyn fmt::Display) {
        let name = field.name();
        // What `tracing-log` adds is in the metadata already.
        if name.starts_with("log.") {
            return;
        }
        match name {
            "message" => self.message = limited(value, MAX_MESSAGE_BYTES),
            "request_id" => self.request_id = Some(limited(value, MAX_VALUE_BYTES)),
            _ => {
                let value = limited(value, MAX_VALUE_BYTES);
                let name = name.strip_prefix("r#").unwrap_or(name);
                if let Some(known) = self.values.iter_mut().find(|known| known.name == name) {
                    known.value = value;
                } else if self.values.len() < MAX_FIELDS {
                    self.values.push(FieldValue { name, value });
                }
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        self.add(field, &Chain(error));
    }
}

/// An error with its causes, joined by colons.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(formatter, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Formats at most `limit` bytes of `value`; what is longer says how much was cut, if that can be known.
fn limited(value: &dyn fmt::Display, limit: usize) -> String {
    struct Limited {
        text: String,
        limit: usize,
        cut: usize,
    }
    impl fmt::Write for Limited {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let room = if self.cut > 0 { 0 } else { self.limit - self.text.len() };
            let end = part.floor_char_boundary(room);
            self.text.push_str(&part[..end]);
            self.cut = self.cut.saturating_add(part.len() - end);
            Ok(())
        }
    }
    let mut limited = Limited { text: String::new(), limit, cut: 0 };
    // An error can only come from the value's own formatting; what it wrote so far is shown.
    let _ = write!(limited, "{value}");
    if limited.cut > 0 {
        let cut = limited.cut;
        let _ = write!(limited.text, "... ({cut} bytes cut)");
    }
    limited.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_at_a_character_and_say_so() {
        assert_eq!(limited(&"ü".repeat(10), 5), "üü... (16 bytes cut)");
        assert_eq!(limited(&"short", 5), "short");
        assert_eq!(limited(&format_args!("{}{}", "abc", "def"), 4), "abcd... (2 bytes cut)");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = String::new();
        escape_into(&mut out, "a\nb\r\tc\u{1b}[31m\u{2028}d\0\u{85}é");
        assert_eq!(out, "a\\nb\\r\\tc\\u{1b}[31m\\u{2028}d\\u{0}\\u{85}é");
    }
}

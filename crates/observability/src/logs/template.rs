//! Python's `%(name)s` line formats, compiled once.

use std::fmt::Write as _;

use jiff::fmt::strtime;

use super::record::Record;

/// A width or precision past this is refused: it would pad every line with so many blanks.
const MAX_WIDTH: usize = 256;

/// A format string that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `%` that begins nothing known.
    #[error("{format:?} has a '%' at character {position} that begins neither %(name)s nor %%")]
    Percent {
        /// The whole format.
        format: String,
        /// Counted from 1.
        position: usize,
    },
    /// `log_date_format` holds a directive that is not known.
    #[error("{format:?} is no date format: {reason}")]
    Date {
        /// The whole format.
        format: String,
        /// What is wrong.
        reason: String,
    },
}

/// A compiled line format.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Value { name: String, layout: Layout },
}

#[derive(Debug, Clone, Default)]
struct Layout {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

/// What a line shows besides the record itself.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) process: u32,
    pub(super) program: String,
    pub(super) hostname: String,
    pub(super) date_format: String,
}

impl Template {
    /// Compiles `format`. A name that is not known is shown as `-`, as oslo.log shows what a context lacks.
    pub(super) fn parse(format: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = format;
        while let Some(start) = rest.find('%') {
            literal.push_str(&rest[..start]);
            let after = &rest[start + 1..];
            if let Some(after) = after.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let Some((piece, after)) = parse_value(after) else {
                let position = format[..format.len() - after.len()].chars().count();
                return Err(TemplateError::Percent { format: format.to_owned(), position });
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Appends the line, without a line end.
    pub(super) fn render(&self, out: &mut String, record: &Record, around: &Surroundings) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Value { name, layout } => layout.append(out, &value(name, record, around)),
            }
        }
    }

    /// Whether the format uses `name`.
    pub(super) fn uses(&self, wanted: &str) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value { name, .. } if name == wanted))
    }
}

/// `(name)[-][0][width][.precision]conversion`, and what follows it.
fn parse_value(text: &str) -> Option<(Piece, &str)> {
    let (name, mut rest) = text.strip_prefix('(')?.split_once(')')?;
    let mut layout = Layout::default();
    loop {
        match rest.bytes().next()? {
            b'-' => layout.left = true,
            b'0' => layout.zeros = true,
            b' ' | b'+' | b'#' => {}
            _ => break,
        }
        rest = &rest[1..];
    }
    (layout.width, rest) = number(rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after)?;
        layout.precision = Some(precision);
        rest = after;
    }
    let conversion = rest.chars().next()?;
    if !matches!(conversion, 's' | 'd' | 'i' | 'u' | 'r' | 'a' | 'f' | 'F' | 'g' | 'x') {
        return None;
    }
    Some((Piece::Value { name: name.to_owned(), layout }, &rest[1..]))
}

fn number(text: &str) -> Option<(usize, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let value = if end == 0 { 0 } else { text[..end].parse().ok()? };
    (value <= MAX_WIDTH).then_some((value, &text[end..]))
}

impl Layout {
    fn append(&self, out: &mut String, value: &str) {
        let numeric = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let shown: String = match self.precision {
            Some(precision) if !numeric => value.chars().take(precision).collect(),
            _ => value.to_owned(),
        };
        let missing = self.width.saturating_sub(shown.chars().count());
        let padding = if self.zeros && numeric && !self.left { "0" } else { " " }.repeat(missing);
        if self.left {
            out.push_str(&shown);
            out.push_str(&padding);
        } else {
            out.push_str(&padding);
            out.push_str(&shown);
        }
    }
}

fn value(name: &str, record: &Record, around: &Surroundings) -> String {
    match name {
        "message" => record.message_with_fields(),
        "asctime" => date(record, &around.date_format),
        "msecs" => record.local.time().millisecond().to_string(),
        "created" => format!("{:.6}", record.created_seconds()),
        "process" => around.process.to_string(),
        "processName" | "process_name" | "project" => around.program.clone(),
        "hostname" => around.hostname.clone(),
        "levelname" => record.level_name().to_owned(),
        "levelno" => record.level_number().to_string(),
        "name" => record.name.clone(),
        "module" | "funcName" => record.name.rsplit('.').next().unwrap_or_default().to_owned(),
        "pathname" => record.file.clone().unwrap_or_else(|| "-".to_owned()),
        "filename" => {
            let file = record.file.as_deref().unwrap_or("-");
            file.rsplit('/').next().unwrap_or(file).to_owned()
        }
        "lineno" => record.line.unwrap_or(0).to_string(),
        "threadName" => std::thread::current().name().unwrap_or("-").to_owned(),
        "request_id" => record.request_id.clone().unwrap_or_else(|| "-".to_owned()),
        // What oslo.log shows of a request without a user: six empty places, and Python's None.
        "user_identity" => "- - - - - -".to_owned(),
        "global_request_id" => "None".to_owned(),
        "instance" | "resource" | "error_summary" => String::new(),
        "color" => color(record).to_owned(),
        "reset_color" => RESET.to_owned(),
        _ => "-".to_owned(),
    }
}

/// Ends what [`color`] begins.
pub(super) const RESET: &str = "\x1b[00m";

/// The terminal colour of a level, as oslo.log's colour handler chooses it.
pub(super) fn color(record: &Record) -> &'static str {
    match record.level_number() {
        40.. => "\x1b[01;31m",
        30..40 => "\x1b[01;33m",
        20..30 => "\x1b[00;36m",
        10..20 => "\x1b[00;32m",
        ..10 => "\x1b[00;35m",
    }
}

/// The time of a record by a `strftime` format that [`check_date`] has seen.
pub(super) fn date(record: &Record, format: &str) -> String {
    let mut out = String::with_capacity(24);
    let broken_down = strtime::BrokenDownTime::from(&record.local);
    let lenient = strtime::Config::new().lenient(true);
    if broken_down.format_with_config(&lenient, format, &mut out).is_err() {
        let _ = write!(out, "{}", record.time);
    }
    out
}

/// Refuses a date format that could not be shown.
pub(super) fn check_date(format: &str) -> Result<(), TemplateError> {
    let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    match strtime::format(format, &sample) {
        Ok(_) => Ok(()),
        Err(error) => Err(TemplateError::Date { format: format.to_owned(), reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_follow_pythons_rules() {
        for (layout, value, expected) in [
            ("(x)s", "ab", "ab"),
            ("(x)03d", "7", "007"),
            ("(x)5s", "ab", "   ab"),
            ("(x)-5s", "ab", "ab   "),
            ("(x)05s", "ab", "   ab"),
            ("(x).1s", "ab", "a"),
        ] {
            let Some((Piece::Value { layout, .. }, "")) = parse_value(layout) else { panic!("{layout}") };
            let mut out = String::new();
            layout.append(&mut out, value);
            assert_eq!(out, expected, "{layout:?}");
        }
    }

    #[test]
    fn formats_that_cannot_be_used_are_refused_with_their_place() {
        for format in ["a %", "a %s", "a %(name", "a %(name)", "a %(name)q", "a %(name)999999s", "a %(name)."]
        {
            let error = Template::parse(format).unwrap_err();
            assert_eq!(error, TemplateError::Percent { format: format.to_owned(), position: 3 }, "{format}");
        }
        assert!(Template::parse("100 %% %(é)s é").is_ok());
        check_date("%Y-%m-%dT%H:%M:%S%z").unwrap();
        assert!(check_date("%Y %!").unwrap_err().to_string().contains("%Y %!"));
    }
}

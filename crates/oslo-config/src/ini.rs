//! The ini grammar of oslo.config, with the position of everything.
//!
//! Differences from common ini dialects, all of them oslo.config's: comments start in the first
//! column only; a line that begins with a space or a tab continues the value before it; an empty
//! line or a comment ends a value; the first `=` or `:` separates key and value; a value that
//! begins and ends with the same quote loses both.

use crate::python;

/// Bytes of one file that are read at most. A configuration file beyond this is a mistake.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// A place in a file; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A `[section]` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The name as written; see [`Section::normalised`].
    pub name: String,
    /// Position of the bracket.
    pub at: Position,
}

impl Section {
    /// The group that the section belongs to: the name in lower case, but `DEFAULT` (exactly so
    /// written) as it is.
    pub fn normalised(&self) -> String {
        normalise(&self.name)
    }
}

/// The normal form of a section or group name; see [`Section::normalised`].
pub(crate) fn normalise(name: &str) -> String {
    if name == "DEFAULT" { name.to_owned() } else { name.to_lowercase() }
}

/// A `key = value` with its continuation lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Index into [`IniFile::sections`].
    pub section: usize,
    /// The key, stripped, otherwise as written.
    pub key: String,
    /// The value: lines joined with a newline, outer quotes of the first line removed.
    pub value: String,
    /// Position of the key.
    pub at: Position,
    /// Position of the value's first character (of the line's end, if the value is empty).
    pub value_at: Position,
}

/// A parsed file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IniFile {
    /// Every section line in order; the same section may appear twice.
    pub sections: Vec<Section>,
    /// Every assignment in order; the same key may appear twice.
    pub entries: Vec<Entry>,
}

/// A violation of the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}

struct Open {
    key: String,
    lines: Vec<String>,
    at: Position,
    value_at: Position,
}

enum State {
    /// No value is open: a continuation line is a fault.
    Idle,
    Value(Open),
    /// The line before was faulty: its continuation lines are passed over without another fault.
    Skipping,
}

struct Parser {
    out: IniFile,
    faults: Vec<Fault>,
    state: State,
    orphan_reported: bool,
    /// The last section line was faulty: nobody knows where the assignments below it belong.
    section_lost: bool,
}

/// Parses the text of one file.
///
/// # Errors
///
/// The faults of the file, at most 100; oslo.config stops at the first.
pub fn parse(text: &str) -> Result<IniFile, Vec<Fault>> {
    let (file, faults) = parse_sound(text);
    if faults.is_empty() { Ok(file) } else { Err(faults) }
}

/// Parses what is sound of a file, and reports the rest: at most [`MAX_FAULTS`] faults, after which reading ends.
pub(crate) fn parse_sound(text: &str) -> (IniFile, Vec<Fault>) {
    let mut parser = Parser {
        out: IniFile::default(),
        faults: Vec::new(),
        state: State::Idle,
        orphan_reported: false,
        section_lost: false,
    };
    for (index, line) in python::lines(text).enumerate() {
        if parser.faults.len() >= MAX_FAULTS {
            break;
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        parser.line(number, line.trim_end_matches(python::is_space));
    }
    parser.close();
    (parser.out, parser.faults)
}

/// Faults reported of one file at most.
pub(crate) const MAX_FAULTS: usize = 100;

impl Parser {
    fn line(&mut self, number: u32, line: &str) {
        let start = Position { line: number, column: 1 };
        if line.is_empty() {
            self.close();
        } else if line.starts_with([' ', '\t']) {
            self.continuation(start, line);
        } else {
            self.close();
            if let Some(rest) = line.strip_prefix('[') {
                self.section(start, rest);
            } else if !line.starts_with(['#', ';']) {
                self.assignment(start, line);
            }
        }
    }

    fn continuation(&mut self, start: Position, line: &str) {
        match &mut self.state {
            State::Value(open) => open.lines.push(line.trim_start_matches(python::is_space).to_owned()),
            State::Skipping => {}
            State::Idle => self.fault(
                start,
                "continuation line without a value before it".to_owned(),
                "remove the white space before it, or put it directly below the value that it continues",
            ),
        }
    }

    fn section(&mut self, start: Position, rest: &str) {
        // A section line also ends the complaint about assignments before any section.
        let name = rest.strip_suffix(']');
        self.section_lost = name.is_none_or(str::is_empty);
        match name {
            None => self.fault(
                start,
                format!("section line {} does not end with ]", quoted(&format!("[{rest}"))),
                "write [name] and nothing after it",
            ),
            Some("") => self.fault(start, "section without a name".to_owned(), "write for example [DEFAULT]"),
            Some(name) => self.out.sections.push(Section { name: name.to_owned(), at: start }),
        }
    }

    fn assignment(&mut self, start: Position, line: &str) {
        let Some(separator) = line.find(['=', ':']) else {
            self.fault(
                start,
                // The rest of the line may be a password.
                format!("no = or : after {}", quoted(first_word(line))),
                "write option = value, or start the line with # to make it a comment",
            );
            return;
        };
        let (raw_key, raw_value) = (&line[..separator], &line[separator + 1..]);
        let key = python::strip(raw_key);
        if key.is_empty() {
            self.fault(
                start,
                format!("no option name before {}", quoted(&line[separator..=separator])),
                "write option = value",
            );
            return;
        }
        if self.out.sections.is_empty() {
            if !self.orphan_reported {
                self.orphan_reported = true;
                self.fault(
                    start,
                    format!("option {} stands before any section", quoted(key)),
                    "write [DEFAULT], or another section, above it",
                );
            }
            self.state = State::Skipping;
            return;
        }
        if self.section_lost {
            self.state = State::Skipping;
            return;
        }
        let value = python::strip(raw_value);
        let leading = raw_value.len() - raw_value.trim_start_matches(python::is_space).len();
        let key_leading = raw_key.len() - raw_key.trim_start_matches(python::is_space).len();
        self.state = State::Value(Open {
            key: key.to_owned(),
            lines: vec![unquote(value).to_owned()],
            at: Position { line: start.line, column: column(line, key_leading) },
            value_at: Position { line: start.line, column: column(line, separator + 1 + leading) },
        });
    }

    fn close(&mut self) {
        if let State::Value(open) = std::mem::replace(&mut self.state, State::Idle) {
            self.out.entries.push(Entry {
                section: self.out.sections.len().saturating_sub(1),
                key: open.key,
                value: open.lines.join("\n"),
                at: open.at,
                value_at: open.value_at,
            });
        }
    }

    fn fault(&mut self, at: Position, message: String, hint: &'static str) {
        self.state = State::Skipping;
        self.faults.push(Fault { at, message, hint });
    }
}

fn first_word(line: &str) -> &str {
    line.split(python::is_space).next().unwrap_or(line)
}

/// The 1-based column of a byte offset.
fn column(line: &str, offset: usize) -> u32 {
    let characters = line[..offset.min(line.len())].chars().count();
    u32::try_from(characters + 1).unwrap_or(u32::MAX)
}

/// A value without its outer quotes. A lone quote character counts as both of its quotes, as it
/// does for oslo.config.
pub(crate) fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            if inner.is_empty() {
                return inner;
            }
            return inner.strip_suffix(quote).unwrap_or(value);
        }
    }
    value
}

/// Text for a message: in back quotes, cut to a length that fits a line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    // `escape_debug` also escapes quotes, which need no escape between back quotes.
    out = out.replace("\\'", "'").replace("\\\"", "\"");
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    format!("`{out}`")
}

#[cfg(test)]
mod tests;

//! Regular expressions with Python's syntax and meaning (`re` of Python 3.11, on texts).
//!
//! A pattern is translated into the syntax of `fancy-regex`. What that engine spells differently (`\Z`, `$`
//! before a final line break, `\w`, named groups, group references, flags, verbose mode) is rewritten; what
//! it cannot express is a [`PatternError`].

mod template;
mod translate;

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

use self::template::{Piece, parse_template};
use self::translate::{Translation, translate};

/// The longest pattern that is compiled, in bytes.
pub const MAX_PATTERN_BYTES: usize = 16 * 1024;

/// How deep groups may nest.
pub const MAX_NESTING: usize = 64;

/// How often a match may backtrack before it counts as failed.
pub const MAX_BACKTRACKS: usize = 100_000;

/// How large a compiled pattern may be, in bytes. Bounded repetitions multiply: `(a{1000}){1000}`.
pub const MAX_COMPILED_BYTES: usize = 4 * 1024 * 1024;

/// How many instructions a compiled pattern may have.
const MAX_PROGRAM: usize = 100_000;

/// Why a text is not a pattern that we can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (column {column} of the pattern {pattern:?})")]
pub struct PatternError {
    /// Where the problem is, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// The pattern.
    pub pattern: String,
}

/// A compiled pattern that is matched at the start of a text, as Python's `re.match` does.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// [`PatternError`] for whatever Python's `re.compile` refuses, and for the few things that cannot be
    /// expressed here (`\N{…}`, lone surrogates, patterns that would compile to something huge).
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let translation = checked(pattern)?;
        let regex = build(pattern, &format!(r"\A(?:{})", translation.regex), false)?;
        Ok(Self { text: pattern.into(), regex })
    }

    /// The text that was compiled.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches a prefix of `text`. A match that exceeds [`MAX_BACKTRACKS`] is none.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

fn checked(pattern: &str) -> Result<Translation, PatternError> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(PatternError {
            column: 1,
            problem: format!("the pattern is longer than {MAX_PATTERN_BYTES} bytes"),
            pattern: String::new(),
        });
    }
    translate(pattern)
}

fn build(pattern: &str, regex: &str, not_empty: bool) -> Result<Regex, PatternError> {
    RegexBuilder::new(regex)
        .backtrack_limit(MAX_BACKTRACKS)
        .delegate_size_limit(MAX_COMPILED_BYTES)
        .max_prog_size(MAX_PROGRAM)
        .find_not_empty(not_empty)
        .build()
        .map_err(|error| PatternError {
            column: 1,
            problem: format!("the pattern cannot be compiled: {error}"),
            pattern: pattern.to_owned(),
        })
}

/// A compiled pattern with a replacement, as Python's `re.sub` takes them.
#[derive(Clone)]
pub struct Substitution {
    text: Box<str>,
    search: Regex,
    /// The same pattern, for places where an empty match is not allowed; `None` if it has no others.
    search_not_empty: Option<Regex>,
    /// `None` when the replacement is one that Python refuses on use.
    template: Option<Vec<Piece>>,
}

impl Substitution {
    /// Compiles a pattern and a replacement in which `\1`, `\g<1>` and `\g<name>` stand for groups.
    ///
    /// # Errors
    /// [`PatternError`] as for [`Pattern::new`]. A faulty replacement is no error here, as it is none in
    /// Python before its first use: [`Self::apply`] then yields nothing.
    pub fn new(pattern: &str, replacement: &str) -> Result<Self, PatternError> {
        let translation = checked(pattern)?;
        Ok(Self {
            text: pattern.into(),
            search: build(pattern, &translation.regex, false)?,
            // The same pattern has just been built: what can fail now is only that all its matches are empty.
            search_not_empty: build(pattern, &translation.regex, true).ok(),
            template: parse_template(replacement, &translation),
        })
    }

    /// `text` with every match replaced; `None` where Python raises, where a match exceeds
    /// [`MAX_BACKTRACKS`], or when the result would be longer than `max_bytes`.
    pub fn apply(&self, text: &str, max_bytes: usize) -> Option<String> {
        let template = self.template.as_ref()?;
        let mut result = String::new();
        let (mut copied, mut start) = (0, 0);
        // An empty match may follow a match that was not empty, but never another empty one.
        let mut after_empty = false;
        while start <= text.len() {
            let mut found = None;
            if after_empty {
                let here = match &self.search_not_empty {
                    Some(search) => search.captures_from_pos(text, start).ok()?,
                    None => None,
                };
                found = here.filter(|groups| groups.get(0).is_some_and(|whole| whole.start() == start));
                if found.is_none() {
                    match text.get(start..).and_then(|rest| rest.chars().next()) {
                        None => break,
                        Some(next) => start += next.len_utf8(),
                    }
                }
            }
            if found.is_none() {
                found = self.search.captures_from_pos(text, start).ok()?;
            }
            let Some(groups) = found else { break };
            let whole = groups.get(0)?;
            result.push_str(text.get(copied..whole.start())?);
            for piece in template {
                match piece {
                    Piece::Text(literal) => result.push_str(literal),
                    Piece::Group(group) => {
                        result.push_str(groups.get(*group).map_or("", |part| part.as_str()));
                    }
                }
            }
            if result.len() > max_bytes {
                return None;
            }
            (copied, start, after_empty) = (whole.end(), whole.end(), whole.start() == whole.end());
        }
        result.push_str(text.get(copied..)?);
        (result.len() <= max_bytes).then_some(result)
    }
}

impl fmt::Debug for Substitution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Substitution")
            .field("pattern", &self.text)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

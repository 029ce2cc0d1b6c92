//! From Python's pattern syntax to that of `fancy-regex`.

mod class;
mod escape;
mod group;

use std::collections::HashMap;

use super::{MAX_NESTING, PatternError};

/// A pattern in the target syntax, and its groups.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) regex: String,
    /// The number of capturing groups.
    pub(super) groups: usize,
    names: HashMap<String, usize>,
}

impl Translation {
    pub(super) fn group_named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

/// The flags that hold at a place of the pattern.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    ascii: bool,
    ignore_case: bool,
    multiline: bool,
    dot_all: bool,
    verbose: bool,
}

/// How many characters something matches, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Width {
    least: u64,
    most: u64,
}

impl Width {
    const ZERO: Self = Self { least: 0, most: 0 };
    const ONE: Self = Self { least: 1, most: 1 };

    fn then(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

/// What an item is, as far as a quantifier behind it cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// `^`, `$`, `\b`…: cannot be repeated.
    Assertion,
    /// Already repeated.
    Repeated,
    Other,
}

/// A translated piece of a pattern.
#[derive(Debug)]
struct Item {
    regex: String,
    width: Width,
    sort: Sort,
}

impl Item {
    fn new(regex: impl Into<String>, width: Width) -> Self {
        Self { regex: regex.into(), width, sort: Sort::Other }
    }

    fn assertion(regex: &str) -> Self {
        Self { regex: regex.to_owned(), width: Width::ZERO, sort: Sort::Assertion }
    }
}

/// A capturing group seen so far.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The width, once the group is closed.
    width: Option<Width>,
}

/// A pattern that is being translated.
struct Translator<'a> {
    pattern: &'a str,
    characters: Vec<char>,
    place: usize,
    groups: Vec<Group>,
    names: HashMap<String, usize>,
    /// Group numbers of conditionals, which may be defined later: (number, place).
    conditions: Vec<(usize, usize)>,
    /// Inside a look-behind: how many groups there were before it.
    lookbehind: Option<usize>,
    nesting: usize,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<Translation, PatternError> {
    let mut translator = Translator {
        pattern,
        characters: pattern.chars().collect(),
        place: 0,
        groups: Vec::new(),
        names: HashMap::new(),
        conditions: Vec::new(),
        lookbehind: None,
        nesting: 0,
    };
    let flags = translator.leading_flags()?;
    let body = translator.alternation(flags)?;
    if translator.place < translator.characters.len() {
        return Err(translator.fail(translator.place, "unbalanced parenthesis"));
    }
    if let Some(&(_, place)) =
        translator.conditions.iter().find(|(number, _)| *number > translator.groups.len())
    {
        return Err(translator.fail(place, "reference to a group that does not exist"));
    }
    let regex = if flags.ignore_case { format!("(?i:{})", body.regex) } else { body.regex };
    Ok(Translation { regex, groups: translator.groups.len(), names: translator.names })
}

impl Translator<'_> {
    fn fail(&self, place: usize, problem: impl Into<String>) -> PatternError {
        PatternError { column: place + 1, problem: problem.into(), pattern: self.pattern.to_owned() }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.place + ahead).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek(0) == Some(wanted);
        self.place += usize::from(found);
        found
    }

    fn nest<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, PatternError>,
    ) -> Result<T, PatternError> {
        if self.nesting >= MAX_NESTING {
            return Err(self.fail(self.place, format!("groups nest deeper than {MAX_NESTING} levels")));
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// Branches separated by `|`, up to a closing parenthesis or the end.
    fn alternation(&mut self, flags: Flags) -> Result<Item, PatternError> {
        self.nest(|translator| {
            let mut all = translator.branch(flags)?;
            while translator.take('|') {
                let next = translator.branch(flags)?;
                all.regex.push('|');
                all.regex.push_str(&next.regex);
                all.width = all.width.or(next.width);
            }
            Ok(all)
        })
    }

    /// Items up to `|`, a closing parenthesis or the end.
    fn branch(&mut self, flags: Flags) -> Result<Item, PatternError> {
        let mut items: Vec<Item> = Vec::new();
        while let Some(character) = self.peek(0) {
            if flags.verbose && self.skip_verbose(character) {
                continue;
            }
            match character {
                '|' | ')' => break,
                '*' | '+' | '?' | '{' => {
                    if let Some((least, most)) = self.quantifier(character)? {
                        self.repeat(&mut items, least, most)?;
                    } else {
                        self.place += 1;
                        items.push(Item::new(r"\{", Width::ONE));
                    }
                }
                '(' => items.extend(self.group(flags)?),
                '[' => items.push(self.class(flags)?),
                '\\' => items.push(self.escape(flags)?),
                _ => {
                    self.place += 1;
                    items.push(match character {
                        '.' if flags.dot_all => Item::new("(?s:.)", Width::ONE),
                        '.' => Item::new(r"[^\n]", Width::ONE),
                        '^' if flags.multiline => Item::assertion("(?m:^)"),
                        '^' => Item::assertion(r"\A"),
                        '$' if flags.multiline => Item::assertion("(?m:$)"),
                        '$' => Item::assertion(r"(?:\z|(?=\n\z))"),
                        other => Item::new(literal(other), Width::ONE),
                    });
                }
            }
        }
        let width = items.iter().fold(Width::ZERO, |sum, item| sum.then(item.width));
        Ok(Item::new(items.iter().map(|item| item.regex.as_str()).collect::<String>(), width))
    }

    /// Skips a blank or a comment of verbose mode.
    fn skip_verbose(&mut self, character: char) -> bool {
        match character {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => {
                self.place += 1;
                true
            }
            '#' => {
                while self.peek(0).is_some_and(|next| next != '\n') {
                    self.place += 1;
                }
                self.place += 1;
                true
            }
            _ => false,
        }
    }

    /// The bounds of a quantifier; `None` if the brace is just a brace.
    fn quantifier(&mut self, first: char) -> Result<Option<(u64, Option<u64>)>, PatternError> {
        /// Python's own bound of a repetition.
        const MOST: u64 = 4_294_967_294;
        let start = self.place;
        let simple = match first {
            '*' => Some((0, None)),
            '+' => Some((1, None)),
            '?' => Some((0, Some(1))),
            _ => None,
        };
        if simple.is_some() {
            self.place += 1;
            return Ok(simple);
        }
        self.place += 1;
        if self.peek(0) == Some('}') {
            self.place = start;
            return Ok(None);
        }
        let least = self.digits();
        let most = if self.take(',') { self.digits() } else { least.clone() };
        if !self.take('}') {
            self.place = start;
            return Ok(None);
        }
        let number = |digits: &str| match digits.parse() {
            Ok(number) if number <= MOST => Ok(number),
            _ => Err(self.fail(start, "the repetition number is too large")),
        };
        let least = if least.is_empty() { 0 } else { number(&least)? };
        let most = if most.is_empty() { None } else { Some(number(&most)?) };
        if most.is_some_and(|most| most < least) {
            return Err(self.fail(start, "min repeat greater than max repeat"));
        }
        Ok(Some((least, most)))
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(digit) = self.peek(0).filter(char::is_ascii_digit) {
            digits.push(digit);
            self.place += 1;
        }
        digits
    }

    /// Puts a quantifier on the last item.
    fn repeat(&mut self, items: &mut Vec<Item>, least: u64, most: Option<u64>) -> Result<(), PatternError> {
        let place = self.place.saturating_sub(1);
        let item = match items.pop() {
            Some(Item { sort: Sort::Repeated, .. }) => return Err(self.fail(place, "multiple repeat")),
            None | Some(Item { sort: Sort::Assertion, .. }) => {
                return Err(self.fail(place, "nothing to repeat"));
            }
            Some(item) => item,
        };
        let lazy = self.take('?');
        let possessive = !lazy && self.take('+');
        let body = &item.regex;
        let regex = if item.width.most == 0 {
            // The engine repeats nothing that has no width. A second turn would change nothing anyway, so
            // either it is there once or it may be missing.
            match (least, most) {
                (_, Some(0)) => format!("(?:(?!){body}|)"),
                (0, _) if lazy => format!("(?:|{body})"),
                (0, _) if possessive => format!("(?>{body}|)"),
                (0, _) => format!("(?:{body}|)"),
                _ => format!("(?:{body})"),
            }
        } else {
            let bounds = match (least, most) {
                (0, None) => "*".to_owned(),
                (1, None) => "+".to_owned(),
                (0, Some(1)) => "?".to_owned(),
                (least, None) => format!("{{{least},}}"),
                (least, Some(most)) if least == most => format!("{{{least}}}"),
                (least, Some(most)) => format!("{{{least},{most}}}"),
            };
            match (lazy, possessive) {
                (true, _) => format!("(?:{body}){bounds}?"),
                (_, true) => format!("(?>(?:{body}){bounds})"),
                _ => format!("(?:{body}){bounds}"),
            }
        };
        let width = Width {
            least: item.width.least.saturating_mul(least),
            most: match most {
                Some(most) => item.width.most.saturating_mul(most),
                None if item.width.most == 0 => 0,
                None => u64::MAX,
            },
        };
        items.push(Item { regex, width, sort: Sort::Repeated });
        Ok(())
    }
}

/// A character that stands for itself.
fn literal(character: char) -> String {
    if character.is_ascii() && !character.is_ascii_alphanumeric() && character != '_' {
        // Also harmless characters are escaped: no list of special ones has to be kept.
        format!(r"\x{{{:x}}}", u32::from(character))
    } else {
        character.to_string()
    }
}

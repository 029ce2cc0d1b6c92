//! Globs as Python's `fnmatch` reads them on POSIX: case counts, `*` crosses dots, the whole text must match.

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    shape: Shape,
}

/// The common shapes need no matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// No wildcard.
    Exact(Box<str>),
    /// A single star at the end.
    Prefix(Box<str>),
    General(Vec<Part>),
}

/// What a part of a glob stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `*`: any characters, also none.
    Star,
    /// `?`: any one character.
    Any,
    One(char),
    /// `[…]`: one character inside, or outside, of the ranges.
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Part {
    fn accepts(&self, character: char) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::One(own) => *own == character,
            Self::Set { negated, ranges } => {
                let inside = ranges.iter().any(|&(low, high)| low <= character && character <= high);
                inside != *negated
            }
        }
    }
}

impl Glob {
    /// Compiles a glob. Every text is one: a bracket that is never closed stands for itself.
    pub fn new(glob: &str) -> Self {
        let parts = parse(glob);
        let literal = |parts: &[Part]| -> Option<Box<str>> {
            let text: Option<String> =
                parts.iter().map(|part| if let Part::One(own) = part { Some(*own) } else { None }).collect();
            text.map(String::into_boxed_str)
        };
        let shape = match (literal(&parts), parts.split_last()) {
            (Some(text), _) => Shape::Exact(text),
            (None, Some((Part::Star, rest))) => match literal(rest) {
                Some(prefix) => Shape::Prefix(prefix),
                None => Shape::General(parts),
            },
            _ => Shape::General(parts),
        };
        Self { text: glob.into(), shape }
    }

    /// The text that was compiled.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The only text that it matches, if it has no wildcard.
    pub fn exact(&self) -> Option<&str> {
        if let Shape::Exact(text) = &self.shape { Some(text) } else { None }
    }

    /// Whether the glob matches the whole of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Exact(own) => **own == *text,
            Shape::Prefix(prefix) => text.starts_with(&**prefix),
            Shape::General(parts) => matches(parts, text),
        }
    }
}

/// Matches with at most one point of return: an earlier star never needs to give back what the parts
/// between it and a later star have matched.
fn matches(parts: &[Part], text: &str) -> bool {
    let (mut rest, mut next) = (text, 0);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        match (parts.get(next), rest.chars().next()) {
            (None, None) => return true,
            (Some(Part::Star), _) => {
                next += 1;
                retry = Some((next, rest));
                continue;
            }
            (Some(part), Some(character)) if part.accepts(character) => {
                rest = rest.get(character.len_utf8()..).unwrap_or_default();
                next += 1;
                continue;
            }
            _ => {}
        }
        // The star takes one character more.
        let Some((after_star, from)) = retry else { return false };
        let Some(character) = from.chars().next() else { return false };
        rest = from.get(character.len_utf8()..).unwrap_or_default();
        next = after_star;
        retry = Some((after_star, rest));
    }
}

fn parse(glob: &str) -> Vec<Part> {
    let characters: Vec<char> = glob.chars().collect();
    let mut parts = Vec::new();
    let mut place = 0;
    // Searching for the end of a set that has none again and again would take quadratic time.
    let mut no_more_sets = false;
    while let Some(&character) = characters.get(place) {
        place += 1;
        match character {
            '*' => {
                if parts.last() != Some(&Part::Star) {
                    parts.push(Part::Star);
                }
            }
            '?' => parts.push(Part::Any),
            '[' if !no_more_sets => {
                if let Some(end) = set_end(&characters, place) {
                    parts.push(set(characters.get(place..end).unwrap_or_default()));
                    place = end + 1;
                } else {
                    no_more_sets = !characters.iter().skip(place + 2).any(|&next| next == ']');
                    parts.push(Part::One('['));
                }
            }
            other => parts.push(Part::One(other)),
        }
    }
    parts
}

/// The place of the bracket that closes a set beginning at `start`: not its first character.
fn set_end(characters: &[char], start: usize) -> Option<usize> {
    let mut place = start + usize::from(characters.get(start) == Some(&'!'));
    place += usize::from(characters.get(place) == Some(&']'));
    let length = characters.get(place..)?.iter().position(|&character| character == ']')?;
    Some(place + length)
}

/// A set from what stands between the brackets.
fn set(inside: &[char]) -> Part {
    let mut chunks = chunks(inside);
    let negated = chunks.first().and_then(|first| first.first()) == Some(&'!');
    if negated && let Some(first) = chunks.first_mut() {
        first.remove(0);
    }
    let mut ranges = Vec::new();
    let single = |character: char| (character, character);
    let last = chunks.len().saturating_sub(1);
    // The low end of a range that the next chunk completes.
    let mut low: Option<char> = None;
    for (number, chunk) in chunks.iter().enumerate() {
        let mut members = chunk.as_slice();
        if let (Some(bound), Some((&high, rest))) = (low.take(), members.split_first()) {
            ranges.push((bound, high));
            members = rest;
        }
        if number < last {
            match members.split_last() {
                Some((&bound, rest)) => {
                    low = Some(bound);
                    members = rest;
                }
                // Nothing before the hyphen: then it stands for itself.
                None => ranges.push(single('-')),
            }
        }
        ranges.extend(members.iter().copied().map(single));
    }
    Part::Set { negated, ranges }
}

/// Cuts a set at the hyphens that make ranges, and drops ranges whose ends are the wrong way round.
///
/// A hyphen at the start or the end, right after `!`, or right after a range is a member like any other.
fn chunks(inside: &[char]) -> Vec<Vec<char>> {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let mut start = 0;
    let mut search = if inside.first() == Some(&'!') { 2 } else { 1 };
    while let Some(found) = inside.iter().skip(search).position(|&character| character == '-') {
        let hyphen = search + found;
        chunks.push(inside.get(start..hyphen).unwrap_or_default().to_vec());
        start = hyphen + 1;
        search = hyphen + 3;
    }
    let rest = inside.get(start..).unwrap_or_default();
    match chunks.last_mut() {
        Some(last) if rest.is_empty() => last.push('-'),
        _ => chunks.push(rest.to_vec()),
    }
    for number in (1..chunks.len()).rev() {
        let reversed =
            match (chunks.get(number - 1).and_then(|c| c.last()), chunks.get(number).and_then(|c| c.first()))
            {
                (Some(low), Some(high)) => low > high,
                _ => false,
            };
        if reversed {
            let tail = chunks.remove(number);
            if let Some(head) = chunks.get_mut(number - 1) {
                head.pop();
                head.extend(tail.into_iter().skip(1));
            }
        }
    }
    chunks
}

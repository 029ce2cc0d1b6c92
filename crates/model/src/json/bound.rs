//! [`memory_bound`]: what a tree of values would take, from a look at the text.

use super::MAX_DEPTH;
use crate::value::{IN_PLACE, allocation};
use crate::{Text, Value};

/// From so many entries on a map is built with a table beside it, and so many bytes for each of its places then.
const TABLE_ENTRIES: usize = 512;
const TABLE_ENTRY_BYTES: usize = 192;
/// A number of more characters may be one that is kept as a text.
const SHORT_NUMBER: usize = 18;
/// What a text with escapes takes while it is read, for each byte: it is built, and its room doubled as it grows.
const ESCAPED_FACTOR: usize = 3;

/// The bytes of memory that [`parse`](super::parse) takes for a text at most, the tree and what it needs on the way, and
/// about as much as it takes: a few bytes of text may become dozens. For a text that is no JSON it says what would be taken
/// until that is found out, or more.
///
/// One pass over the bytes, cheaper than reading them, which takes no memory itself.
#[must_use]
pub fn memory_bound(text: &[u8]) -> usize {
    let mut scan = Scan::default();
    let mut place = 0;
    while let Some(byte) = text.get(place) {
        place += 1;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' | b':' => {}
            b',' => {
                scan.comma();
            }
            b'[' | b'{' => {
                if !scan.open(*byte == b'{') {
                    break;
                }
            }
            b']' | b'}' => {
                scan.close();
            }
            b'"' => place += scan.text(text.get(place..).unwrap_or_default()),
            _ => {
                let rest = text.get(place..).unwrap_or_default();
                let ends =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' | b'"');
                let more = rest.iter().position(ends).unwrap_or(rest.len());
                scan.number(more + 1);
                place += more;
            }
        }
    }
    scan.finish()
}

/// A list or a map that is open.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    is_map: bool,
    /// Its items or entries that have begun.
    count: usize,
    /// Whether the last one of them has.
    has_begun: bool,
}

/// What the parser would have after the bytes that were looked at.
#[derive(Debug)]
struct Scan {
    open: [Open; MAX_DEPTH],
    depth: usize,
    /// What stays: texts, and the lists and maps that are closed.
    kept: usize,
    /// Items and entries of those that are open, which the parser puts one behind the other, now and at most.
    waiting: [usize; 2],
    most_waiting: [usize; 2],
    /// What one step takes, and gives back, at most.
    passing: usize,
}

impl Default for Scan {
    fn default() -> Self {
        let open = [Open::default(); MAX_DEPTH];
        Self { open, depth: 0, kept: 0, waiting: [0; 2], most_waiting: [0; 2], passing: 0 }
    }
}

const fn place_bytes(is_map: bool) -> usize {
    if is_map { size_of::<(Text, Value)>() } else { size_of::<Value>() }
}

impl Scan {
    fn innermost(&mut self) -> Option<&mut Open> {
        self.open.get_mut(self.depth.checked_sub(1)?)
    }

    /// A value or a key comes.
    fn begin(&mut self) {
        let Some(open) = self.innermost() else { return };
        if open.has_begun {
            return;
        }
        open.has_begun = true;
        open.count += 1;
        let kind = usize::from(open.is_map);
        let [waiting, most] = [&mut self.waiting, &mut self.most_waiting].map(|counts| counts.get_mut(kind));
        if let (Some(waiting), Some(most)) = (waiting, most) {
            *waiting += 1;
            *most = (*most).max(*waiting);
        }
    }

    fn comma(&mut self) {
        if let Some(open) = self.innermost() {
            open.has_begun = false;
        }
    }

    /// False if it is one too many.
    fn open(&mut self, is_map: bool) -> bool {
        self.begin();
        let Some(next) = self.open.get_mut(self.depth) else { return false };
        *next = Open { is_map, ..Open::default() };
        self.depth += 1;
        true
    }

    fn close(&mut self) {
        let Some(Open { is_map, count, .. }) = self.innermost().copied() else { return };
        self.depth -= 1;
        self.kept = self.kept.saturating_add(allocation(count.saturating_mul(place_bytes(is_map))));
        if is_map && count >= TABLE_ENTRIES {
            self.passing = self.passing.max(count.saturating_mul(TABLE_ENTRY_BYTES));
        }
        if let Some(waiting) = self.waiting.get_mut(usize::from(is_map)) {
            *waiting = waiting.saturating_sub(count);
        }
    }

    /// A text behind its first quote; says how many bytes it has with the last one.
    fn text(&mut self, rest: &[u8]) -> usize {
        self.begin();
        let (mut length, mut is_escaped) = (0, false);
        loop {
            let tail = rest.get(length..).unwrap_or_default();
            let Some(plain) = tail.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                length = rest.len();
                break;
            };
            length += plain;
            if rest.get(length) == Some(&b'"') {
                break;
            }
            is_escaped = true;
            // The backslash, and what it escapes.
            length = (length + 2).min(rest.len());
        }
        if length > IN_PLACE {
            self.kept = self.kept.saturating_add(allocation(2 * size_of::<usize>() + length));
        }
        if is_escaped {
            self.passing = self.passing.max(allocation(length.saturating_mul(ESCAPED_FACTOR)));
        }
        (length + 1).min(rest.len())
    }

    /// A number or a word of so many bytes.
    fn number(&mut self, length: usize) {
        self.begin();
        if length > SHORT_NUMBER {
            self.kept = self.kept.saturating_add(allocation(length));
            self.passing = self.passing.max(allocation(length.saturating_mul(ESCAPED_FACTOR)));
        }
    }

    fn finish(mut self) -> usize {
        while self.depth > 0 {
            self.close();
        }
        let waiting = self.most_waiting.iter().zip([false, true]).map(|(count, is_map)| {
            if *count == 0 { 0 } else { allocation(count.next_power_of_two().max(4) * place_bytes(is_map)) }
        });
        let waiting: usize = waiting.sum();
        self.kept.saturating_add(waiting).saturating_add(self.passing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    /// The tree itself never takes more, and the bound is not many times as much.
    #[test]
    fn the_bound_is_above_the_tree_and_near_it() {
        let many =
            |open: &str, item: &str, close: &str| format!("{open}{}{close}", vec![item; 10_000].join(","));
        let keys = (0..10_000).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>().join(",");
        let texts = [
            many("[", "0", "]"),
            many("[", "[]", "]"),
            many("[", "[0]", "]"),
            many("[", "[[[[0]]]]", "]"),
            many("[", r#"{"a":0}"#, "]"),
            many("[", r#"{"a":{"b":[1, 2 ,3]},"c":{}}"#, "]"),
            many("[", r#"{"timestamp": "2026-11-26T10:20:30.123456789", "value": 1.5}"#, "]"),
            many("[", r#""a text that does not lie in its own place \" \\""#, "]"),
            many("[", "123456789012345678901234567890", "]"),
            many("{", r#""a":0"#, "}"),
            format!("{{{keys}}}"),
        ];
        for text in &texts {
            let (bound, tree) = (memory_bound(text.as_bytes()), parse(text).unwrap().approximate_bytes());
            let shown = &text[..text.len().min(70)];
            assert!(bound + size_of::<Value>() >= tree, "{shown}: {bound} of {tree}");
            assert!(bound <= 8 * tree, "{shown}: {bound} of {tree}");
        }
    }

    #[test]
    fn what_is_no_json_has_a_bound_too() {
        for text in [
            "", "]", "}}", ",", "[,", "\"", "\"\\", "[\"\\\"", "{\"a\":", "[[1,2", "x", "\u{0}", "1e5",
            "{]}[",
        ] {
            assert!(memory_bound(text.as_bytes()) < 1_000, "{text}");
        }
        // It nests too deeply: nothing behind that is read.
        let deep = "[0,".repeat(100_000);
        assert!(memory_bound(deep.as_bytes()) < 100_000);
    }
}

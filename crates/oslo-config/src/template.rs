//! Interpolation: `$name`, `${name}`, `${group.name}`, `$$` and `\$`.
//!
//! An identifier is a letter or an underscore, then letters, digits, underscores and dots, as many
//! as there are; so `$name.` takes the dot along. A dollar sign that begins none of these forms
//! stays as it is.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    /// A reference, without dollar sign and braces.
    Reference(&'a str),
}

/// Whether the text contains anything to replace.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.contains('$')
}

/// The text with `\$` made `$$`, which [`pieces`] expects.
pub(crate) fn unescaped(text: &str) -> String {
    text.replace("\\$", "$$")
}

/// Splits a template, after `\$` has been made `$$`.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        if !before.is_empty() {
            out.push(Piece::Text(before));
        }
        if let Some(tail) = after.strip_prefix('$') {
            out.push(Piece::Text("$"));
            rest = tail;
        } else if let Some((name, tail)) = braced(after).or_else(|| bare(after)) {
            out.push(Piece::Reference(name));
            rest = tail;
        } else {
            out.push(Piece::Text("$"));
            rest = after;
        }
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    out
}

fn bare(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with(is_letter) {
        return None;
    }
    let end = text
        .find(|character: char| !(is_letter(character) || character == '.' || character.is_ascii_digit()))
        .unwrap_or(text.len());
    Some(text.split_at(end))
}

fn braced(text: &str) -> Option<(&str, &str)> {
    let (name, tail) = bare(text.strip_prefix('{')?)?;
    Some((name, tail.strip_prefix('}')?))
}

/// `[_a-z]` under Python's Unicode-aware case folding, which lets four letters beyond ASCII in.
fn is_letter(character: char) -> bool {
    character == '_'
        || character.is_ascii_alphabetic()
        || matches!(character, '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}')
}

#[cfg(test)]
mod tests {
    use super::Piece::{Reference, Text};
    use super::*;

    #[test]
    fn references_are_greedy_and_odd_dollars_stay() {
        let table: &[(&str, &[Piece<'_>])] = &[
            ("plain", &[Text("plain")]),
            ("$a", &[Reference("a")]),
            ("$a.b.", &[Reference("a.b.")]),
            ("x${a}.", &[Text("x"), Reference("a"), Text(".")]),
            ("$$a", &[Text("$"), Text("a")]),
            ("$1", &[Text("$"), Text("1")]),
            ("${a", &[Text("$"), Text("{a")]),
            ("${}", &[Text("$"), Text("{}")]),
            ("$", &[Text("$")]),
            ("$a-b", &[Reference("a"), Text("-b")]),
            ("$é", &[Text("$"), Text("é")]),
        ];
        for (text, expected) in table {
            assert_eq!(&pieces(text), expected, "{text}");
        }
    }
}

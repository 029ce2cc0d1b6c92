//! The text before a check's colon: a Python literal, or an attribute of the credentials.

use model::pytext::{Specials, write_float};

/// What stands before the colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A literal, as Python's `str()` shows it.
    Literal(String),
    /// A path of names.
    Attribute(Vec<String>),
}

/// Reads it; `None` if it is neither.
pub(crate) fn kind(text: &str) -> Option<Kind> {
    if let Some(literal) = literal(text) {
        return Some(Kind::Literal(literal));
    }
    let path: Vec<String> = text.split('.').map(str::to_owned).collect();
    path.iter().all(|name| is_name(name)).then_some(Kind::Attribute(path))
}

fn literal(text: &str) -> Option<String> {
    if matches!(text, "True" | "False" | "None") {
        return Some(text.to_owned());
    }
    for quote in ['\'', '"'] {
        let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            // An escape would be Python's to resolve.
            return (!inner.contains([quote, '\\'])).then(|| inner.to_owned());
        }
    }
    number(text)
}

fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let significant = digits.trim_start_matches('0');
        return match significant {
            "" => Some("0".to_owned()),
            // Python takes no leading zeros.
            _ => (significant == digits).then(|| format!("{sign}{digits}")),
        };
    }
    if digits.bytes().any(|byte| !(byte.is_ascii_digit() || b".eE+-".contains(&byte))) {
        return None;
    }
    let value: f64 = digits.parse().ok()?;
    let mut shown = sign.as_bytes().to_vec();
    write_float(value, Specials::Repr, &mut shown);
    String::from_utf8(shown).ok()
}

/// Names of Python, with hyphens between them, which are subtractions to Python and thus no literal.
fn is_name(text: &str) -> bool {
    text.split('-').all(|word| {
        let mut characters = word.chars();
        characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && characters.all(|other| other.is_alphanumeric() || other == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_colon() {
        for (text, expected) in [
            ("True", Some("True")),
            ("None", Some("None")),
            ("'Member'", Some("Member")),
            ("\"a\"", Some("a")),
            ("1", Some("1")),
            ("+1", Some("1")),
            ("-1", Some("-1")),
            ("00", Some("0")),
            ("1.0", Some("1.0")),
            ("1e3", Some("1000.0")),
            ("01", None),
            ("'a", None),
            ("", None),
            ("a b", None),
            ("$a", None),
        ] {
            let literal = match kind(text) {
                Some(Kind::Literal(literal)) => Some(literal),
                Some(Kind::Attribute(path)) => panic!("{text}: {path:?}"),
                None => None,
            };
            assert_eq!(literal.as_deref(), expected, "{text}");
        }
        let path =
            |names: &[&str]| Some(Kind::Attribute(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(kind("user.id"), path(&["user", "id"]));
        assert_eq!(kind("is-admin"), path(&["is-admin"]));
    }
}

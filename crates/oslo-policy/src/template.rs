//! The text behind a check's colon, with places for attributes of the target: Python's `%` with a mapping.

use std::borrow::Cow;

use crate::credentials::Target;

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `%(NAME)s`.
    Attribute(String),
}

impl Template {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it: another conversion than `%(NAME)s`, or one that is not finished.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            let named = after.strip_prefix('(').and_then(|named| name(named));
            let Some((name, after)) = named.and_then(|(name, after)| Some((name, after.strip_prefix('s')?)))
            else {
                return Err(format!(
                    "\"%{after}\" is no place for an attribute; write %(NAME)s, and %% for a percent sign"
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Attribute(name.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The text for a target; `None` if it lacks an attribute.
    pub(crate) fn fill<'t>(&'t self, target: &'t dyn Target) -> Option<Cow<'t, str>> {
        match self.0.as_slice() {
            [] => Some(Cow::Borrowed("")),
            [Part::Text(text)] => Some(Cow::Borrowed(text)),
            [Part::Attribute(name)] => target.text(name),
            parts => {
                let mut filled = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => filled.push_str(text),
                        Part::Attribute(name) => filled.push_str(&target.text(name)?),
                    }
                }
                Some(Cow::Owned(filled))
            }
        }
    }
}

/// A name up to the bracket that closes it; brackets in it come in pairs.
fn name(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (place, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..place)?, text.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use model::Map;

    use super::*;

    #[test]
    fn places_are_filled() {
        let mut target = Map::new();
        target.insert("a", "x");
        target.insert("b.c", 5);
        target.insert("n", model::Value::Null);
        for (text, filled) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("%(a)s", Some("x")),
            ("1%(a)s%%%(b.c)s)", Some("1x%5)")),
            ("%(n)s", Some("None")),
            ("%(missing)s", None),
            ("%(a)s%(missing)s", None),
        ] {
            assert_eq!(Template::parse(text).unwrap().fill(&target).as_deref(), filled, "{text}");
        }
        for wrong in ["%", "50%", "%s", "%(a)", "%(a)d", "%(a", "%(a)5s"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}

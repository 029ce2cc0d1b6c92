//! [`UrlOptions`]: the query of a publisher's URL, option by option.
//!
//! The query is read as Ceilometer reads it (`urllib.parse.parse_qs`): of a repeated option the last value counts, an
//! option without a value is not there. Where Ceilometer takes the default for a value that it cannot read, or takes it
//! for something else, here it is an error.

use std::ops::RangeInclusive;

use pipeline::{BuildError, PublisherUrl};

/// What is left of a query; options leave it when they are read.
#[derive(Debug, Clone)]
pub(crate) struct UrlOptions {
    pairs: Vec<(String, String)>,
}

impl UrlOptions {
    pub(crate) fn from_url(url: &PublisherUrl) -> Self {
        let mut pairs = url.query();
        pairs.retain(|(_, value)| !value.is_empty());
        Self { pairs }
    }

    /// Every value of an option, in order.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        self.pairs.retain(|(known, value)| {
            let is_it = known == name;
            if is_it {
                values.push(value.clone());
            }
            !is_it
        });
        values
    }

    /// The option's last value.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.take_all(name).pop()
    }

    /// The options whose names begin with `prefix`, each by what stands behind it; of a repeated one the last value.
    pub(crate) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let mut taken: Vec<(String, String)> = Vec::new();
        self.pairs.retain(|(name, value)| {
            let Some(name) = name.strip_prefix(prefix) else { return true };
            match taken.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.clone_from(value),
                None => taken.push((name.to_owned(), value.clone())),
            }
            false
        });
        taken
    }

    /// A truth value, in the words of oslo's `bool_from_string`.
    pub(crate) fn switch(&mut self, name: &str, default: bool) -> Result<bool, BuildError> {
        let Some(value) = self.take(name) else { return Ok(default) };
        truth(&value).ok_or_else(|| {
            configuration(
                format!("{name}={value:?} is neither true nor false"),
                format!("write {name}=True or {name}=False"),
            )
        })
    }

    /// A whole number within `range`.
    pub(crate) fn number(
        &mut self,
        name: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, BuildError> {
        let Some(value) = self.take(name) else { return Ok(default) };
        value.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let bounds = if *range.end() == u64::MAX {
                format!("of {} or more", range.start())
            } else {
                format!("from {} to {}", range.start(), range.end())
            };
            configuration(
                format!("{name}={value:?} is not a whole number {bounds}"),
                format!("write digits only, for example {name}={default}"),
            )
        })
    }

    /// What is left as a query, as `urlencode(parse_qs(…), doseq=True)` writes it: the values of a repeated option stand
    /// together. `None` when nothing is left.
    pub(crate) fn encoded(&self) -> Option<String> {
        let mut query = String::new();
        for (place, (name, _)) in self.pairs.iter().enumerate() {
            if self.pairs.iter().take(place).any(|(earlier, _)| earlier == name) {
                continue;
            }
            for (_, value) in self.pairs.iter().filter(|(known, _)| known == name) {
                if !query.is_empty() {
                    query.push('&');
                }
                form_encode(name, &mut query);
                query.push('=');
                form_encode(value, &mut query);
            }
        }
        (!query.is_empty()).then_some(query)
    }
}

/// The truth that a text spells.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A URL that can never work.
pub(crate) fn configuration(message: impl Into<String>, hint: impl Into<String>) -> BuildError {
    BuildError::Configuration { message: message.into(), hint: hint.into() }
}

/// Appends a text with every byte but those of `kept` and the unreserved ones as `%XX` (`urllib.parse.quote`).
pub(crate) fn percent_encode(text: &str, kept: &str, out: &mut String) {
    for byte in text.bytes() {
        let character = char::from(byte);
        let is_plain = character.is_ascii_alphanumeric() || "_.-~".contains(character);
        if is_plain || (byte.is_ascii() && kept.contains(character)) {
            out.push(character);
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 0xf] {
                out.push(char::from_digit(u32::from(half), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}

/// `urllib.parse.quote_plus`.
fn form_encode(text: &str, out: &mut String) {
    for (place, part) in text.split(' ').enumerate() {
        if place > 0 {
            out.push('+');
        }
        percent_encode(part, "", out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> UrlOptions {
        UrlOptions::from_url(&PublisherUrl::new(&format!("http://h/p?{query}")))
    }

    #[test]
    fn the_last_value_counts_and_leaves() {
        let mut options = options("a=1&b=2&a=3&flag&c=");
        assert_eq!(options.take("a").as_deref(), Some("3"));
        assert_eq!((options.take("a"), options.take("flag"), options.take("c")), (None, None, None));
        assert_eq!(options.encoded().as_deref(), Some("b=2"));
    }

    #[test]
    fn what_is_left_is_written_as_urlencode_writes_it() {
        for (query, written) in [
            ("q=foo", Some("q=foo")),
            ("a=1&b=2&a=3", Some("a=1&a=3&b=2")),
            ("a=x+y%2Fz&b=%C3%A9~*", Some("a=x+y%2Fz&b=%C3%A9~%2A")),
            ("flag", None),
            ("", None),
        ] {
            assert_eq!(options(query).encoded().as_deref(), written, "{query}");
        }
    }

    #[test]
    fn words_and_numbers() {
        for (value, expected) in
            [("True", Some(true)), ("on", Some(true)), (" NO ", Some(false)), ("perhaps", None)]
        {
            assert_eq!(truth(value), expected, "{value}");
        }
        assert_eq!(options("n=+7").number("n", 1, 0..=9).ok(), Some(7), "a plus is a blank in a query");
        assert_eq!(options("n=7").number("n", 1, 0..=9).ok(), Some(7));
        assert_eq!(options("").number("n", 1, 0..=9).ok(), Some(1));
        for (value, bounds) in [("x", "from 0 to 9"), ("10", "from 0 to 9"), ("1.5", "from 0 to 9")] {
            let error = options(&format!("n={value}")).number("n", 1, 0..=9).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("n={value:?} is not a whole number {bounds}; write digits only, for example n=1")
            );
        }
        assert_eq!(
            options("s=2").switch("s", true).unwrap_err().to_string(),
            "s=\"2\" is neither true nor false; write s=True or s=False"
        );
    }
}

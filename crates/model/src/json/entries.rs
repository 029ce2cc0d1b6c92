//! [`Entries`]: a map read entry by entry, without building it.

use std::borrow::Cow;

use super::ParseError;
use super::parse::Parser;
use crate::Value;

/// The entries of a map, in the order of the text. For each key, either [`value`](Self::value) or [`skip`](Self::skip)
/// is called once.
///
/// Unlike a built map, it shows equal keys as often as they occur.
pub struct Entries<'t, const ESCAPED: bool = false> {
    parser: Parser<'t, ESCAPED>,
    is_first: bool,
}

impl<'t> Entries<'t> {
    /// The entries of the map that `text` is; `None` when it is something else.
    pub fn of(text: &'t str) -> Option<Self> {
        Self::begin(text)
    }
}

impl<'t> Entries<'t, true> {
    /// The entries of the map whose text stands in a text itself, and is given here as it stands there: with a backslash
    /// before each quote. Where there are other escapes, reading on is an error; then undo them, and read
    /// [that](Entries::of).
    pub fn of_escaped(text: &'t str) -> Option<Self> {
        Self::begin(text)
    }
}

impl<'t, const ESCAPED: bool> Entries<'t, ESCAPED> {
    fn begin(text: &'t str) -> Option<Self> {
        let mut parser = Parser::new(text);
        parser.take(b'{').then_some(Self { parser, is_first: true })
    }

    /// The next key; `None` at the end of the map, which must be the end of the text as well.
    ///
    /// # Errors
    /// [`ParseError`] when something else stands there.
    pub fn next_key(&mut self) -> Result<Option<Cow<'t, str>>, ParseError> {
        if self.parser.take(b'}') {
            return self.parser.end().map(|()| None);
        }
        if !std::mem::take(&mut self.is_first) && !self.parser.take(b',') {
            return Err(self.parser.unexpected("',' or '}'"));
        }
        self.parser.key().map(Some)
    }

    /// The value of the key.
    ///
    /// # Errors
    /// [`ParseError`] when it is none.
    pub fn value(&mut self) -> Result<Value, ParseError> {
        self.parser.value(0)
    }

    /// The value of the key; if it is a map, without those entries whose keys `keeps` does not want.
    ///
    /// # Errors
    /// [`ParseError`] when it is none, the parts that are left out included.
    pub fn value_of(&mut self, keeps: impl Fn(&str) -> bool) -> Result<Value, ParseError> {
        self.parser.value_of(0, keeps)
    }

    /// If the value of the key is a list, gives its items to `each`, one by one as they are read: those that are maps without
    /// the entries whose keys `keeps` does not want. Returns whether it is a list; another value is passed over.
    ///
    /// # Errors
    /// [`ParseError`] when it is no value, the parts that are left out included; items before it were given by then.
    pub fn items(
        &mut self,
        keeps: impl Fn(&str) -> bool,
        each: impl FnMut(Value),
    ) -> Result<bool, ParseError> {
        self.parser.items(0, keeps, each)
    }

    /// Passes over the value of the key, which must be one all the same.
    ///
    /// # Errors
    /// [`ParseError`] when it is none.
    pub fn skip(&mut self) -> Result<(), ParseError> {
        self.parser.skip(0)
    }
}

impl<const ESCAPED: bool> std::fmt::Debug for Entries<'_, ESCAPED> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys with their values, or with nothing where they were skipped; skips those that begin with `s`.
    fn read(text: &str) -> Result<Vec<(String, Option<Value>)>, ParseError> {
        let mut entries = Entries::of(text).expect("a map");
        let mut read = Vec::new();
        while let Some(key) = entries.next_key()? {
            let value =
                if key.starts_with('s') { entries.skip().map(|()| None) } else { entries.value().map(Some) };
            read.push((key.into_owned(), value?));
        }
        Ok(read)
    }

    #[test]
    fn entries_are_those_of_the_map() {
        let text =
            r#" {"a": 1, "s": {"x": [1, {}, [], "\"]}", NaN]}, "b\n" : "c", "a": null, "s2": -1.5e3} "#;
        let entries = [
            ("a", Some(1.into())),
            ("s", None),
            ("b\n", Some("c".into())),
            ("a", Some(Value::Null)),
            ("s2", None),
        ];
        let entries: Vec<_> = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(read(text), Ok(entries));
        assert_eq!(read("{}"), Ok(Vec::new()));
        for other in ["", "[1]", "\"{}\"", "1"] {
            assert!(Entries::of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn of_a_map_only_what_is_kept_is_built() {
        for (text, kept) in [
            (r#"{"s": 1, "a": {"s": [1]}, "s2": {}, "b": 2, "a": 3}"#, r#"{"a": 3, "b": 2}"#),
            (r#"{"s": 1}"#, "{}"),
            ("{}", "{}"),
            (r#"[{"s": 1}]"#, r#"[{"s": 1}]"#),
            ("5", "5"),
        ] {
            let text = format!(r#"{{"x": {text}}}"#);
            let mut entries = Entries::of(&text).expect("a map");
            assert_eq!(entries.next_key().unwrap().as_deref(), Some("x"));
            let value = entries.value_of(|key| !key.starts_with('s')).unwrap();
            assert_eq!(super::super::to_string(&value), kept, "{text}");
            assert_eq!(entries.next_key(), Ok(None));
        }
        let mut entries = Entries::of(r#"{"x": {"s": 01}}"#).expect("a map");
        entries.next_key().unwrap();
        assert!(entries.value_of(|_| false).is_err());
    }

    #[test]
    fn a_list_is_read_item_by_item() {
        for (list, is_list, given) in [
            (r#"[{"s": 1, "a": 2}, 3, [{"s": 4}], {}]"#, true, r#"[{"a": 2}, 3, [{"s": 4}], {}]"#),
            ("[ ]", true, "[]"),
            (r#"{"s": [1]}"#, false, "[]"),
            ("null", false, "[]"),
        ] {
            let text = format!(r#"{{"x": {list}, "y": 5}}"#);
            let mut entries = Entries::of(&text).expect("a map");
            assert_eq!(entries.next_key().unwrap().as_deref(), Some("x"));
            let mut items = Vec::new();
            assert_eq!(entries.items(|key| key != "s", |item| items.push(item)), Ok(is_list), "{list}");
            assert_eq!(super::super::to_string(&Value::List(items)), given);
            assert_eq!(entries.next_key().unwrap().as_deref(), Some("y"));
            assert_eq!((entries.value(), entries.next_key()), (Ok(5.into()), Ok(None)));
        }
        for (list, before) in
            [("[1, 2", 2), ("[1 2]", 1), ("[1,]", 1), (r#"[{"s": 01}]"#, 0), ("[", 0), ("x", 0)]
        {
            let text = format!(r#"{{"x": {list}"#);
            let mut entries = Entries::of(&text).expect("a map");
            entries.next_key().unwrap();
            let mut items = 0;
            assert!(entries.items(|key| key != "s", |_| items += 1).is_err(), "{list}");
            assert_eq!(items, before, "{list}");
        }
        let deep = format!(r#"{{"x": {}{}}}"#, "[".repeat(300), "]".repeat(300));
        let mut entries = Entries::of(&deep).expect("a map");
        entries.next_key().unwrap();
        assert!(matches!(entries.items(|_| true, |_| ()), Err(ParseError::Depth { .. })));
    }

    /// Everything that a text holds, read as it stands in another text.
    fn read_escaped(escaped: &str) -> Result<Vec<(String, Value)>, ParseError> {
        let mut entries = Entries::of_escaped(escaped).expect("a map");
        let mut read = Vec::new();
        while let Some(key) = entries.next_key()? {
            read.push((key.into_owned(), entries.value()?));
        }
        Ok(read)
    }

    #[test]
    fn an_escaped_text_is_what_it_is_without_its_escapes_or_an_error() {
        for text in [
            "{}",
            r#"{"a": 1, "": {"b c": [null, "", "é😀", {"d": -1.5e3}]}, "a": true}"#,
            r#" { "1234567" : "12345678" , "123456789":"'"} "#,
        ] {
            let mut entries = Entries::of(text).expect("a map");
            let mut plain = Vec::new();
            while let Some(key) = entries.next_key().unwrap() {
                plain.push((key.into_owned(), entries.value().unwrap()));
            }
            assert_eq!(read_escaped(&text.replace('"', "\\\"")), Ok(plain), "{text}");
        }
        for other in [
            r#"{"a": 1}"#,
            r#"{\"a": 1}"#,
            r#"{"a\": 1}"#,
            r#"{\"a\": \"\\\"\"}"#,
            r#"{\"a\": \"\\n\"}"#,
            r#"{\"a\": \"\u0041\"}"#,
            r#"{\n\"a\": 1}"#,
            r#"{\"a\": \"b"#,
            r#"{\"a\": \"b\"#,
            "{\\\"a\\\": \\\"\n\\\"}",
            // Found by a fuzzer: a blank that no text may hold without escaping it.
            "{}\t",
            "{\n}",
            "{\\",
        ] {
            assert!(read_escaped(other).is_err(), "{other}");
        }
    }

    #[test]
    fn what_is_skipped_must_be_right_as_well() {
        for wrong in [
            "{",
            "{,}",
            "{\"s\"}",
            "{\"s\": }",
            "{\"s\": 1,}",
            "{\"s\": 1 \"a\": 2}",
            "{\"s\": {\"a\" 1}}",
            "{\"s\": [1 2]}",
            "{\"s\": [1,]}",
            "{\"s\": \"\\x\"}",
            "{\"s\": 01}",
            "{\"s\": 1} 2",
            "{\"s\": nul}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
            // The same place as where a parser that builds the map finds it.
            assert_eq!(read(wrong).unwrap_err(), super::super::parse(wrong).unwrap_err(), "{wrong}");
        }
        let deep = format!(
            "{{\"s\": {}{}}}",
            "[".repeat(super::super::MAX_DEPTH + 1),
            "]".repeat(super::super::MAX_DEPTH + 1)
        );
        assert!(matches!(read(&deep), Err(ParseError::Depth { .. })));
    }
}

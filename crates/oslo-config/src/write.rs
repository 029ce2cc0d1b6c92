//! Values as assignments of an ini file that read back equal.

use crate::ini;
use crate::option::{Default, Kind, Opt};
use crate::python;
use crate::template;
use crate::types;
use crate::value::Value;

/// The lines that give an option its value in a file. An option without a value, and a value that no file can hold
/// (a text with an empty line in it, for example, which only the environment or the command line can give), is a
/// comment.
pub(crate) fn assignments(opt: &Opt, value: &Value) -> Vec<String> {
    let name = opt.name;
    let texts: Vec<String> = match value {
        // A blank number is not the default of an option that has one.
        Value::Null if opt.default != Default::Null => vec![String::new()],
        Value::Null => Vec::new(),
        Value::List(items) if opt.kind.is_multi() => items.clone(),
        other => vec![other.to_string()],
    };
    if texts.is_empty() {
        return vec![format!("# {name} =")];
    }
    let lines: Vec<String> =
        texts.iter().flat_map(|text| assignment(name, text)).map(|line| line.trim_end().to_owned()).collect();
    if reads_back(opt, &lines, value) {
        return lines;
    }
    let texts = texts.iter().map(|text| format!("# no file can hold this value: {name} = {text:?}"));
    texts.collect()
}

/// `name = text`, with quotes, doubled dollar signs and continuation lines where they are needed.
fn assignment(name: &str, text: &str) -> Vec<String> {
    let text = without_references(text);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let quote = if ini::unquote(python::strip(first)) == first { "" } else { "\"" };
    let mut out = vec![format!("{name} = {quote}{first}{quote}")];
    out.extend(lines.map(|line| format!("  {line}")));
    out
}

/// Dollar signs escaped. Behind a backslash `$$` would not do, because the backslash and the first sign are one
/// already.
fn without_references(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        match (before, character) {
            (Some('\\'), '$') => out.push_str("\\$"),
            (_, '$') => out.push_str("$$"),
            _ => out.push(character),
        }
        before = Some(character);
    }
    out
}

/// Whether the grammar, interpolation and the option's type make `value` of `lines`.
fn reads_back(opt: &Opt, lines: &[String], value: &Value) -> bool {
    let Ok(file) = ini::parse(&format!("[group]\n{}\n", lines.join("\n"))) else { return false };
    if file.entries.iter().any(|entry| entry.key != opt.name) {
        return false;
    }
    let texts: Option<Vec<String>> = file.entries.iter().map(|entry| interpolated(&entry.value)).collect();
    let again = match (texts, opt.kind) {
        (Some(texts), Kind::MultiStr) => Value::List(texts),
        (Some(texts), kind) => match texts.as_slice() {
            [text] => match types::convert(&kind, text) {
                Ok(again) => again,
                Err(_) => return false,
            },
            _ => return false,
        },
        (None, _) => return false,
    };
    // Not-a-number is not equal to itself, but its text is.
    again == *value || matches!(value, Value::Float(_)) && again.to_string() == value.to_string()
}

/// What interpolation makes of a text without references.
fn interpolated(text: &str) -> Option<String> {
    let text = template::unescaped(text);
    template::pieces(&text)
        .into_iter()
        .map(|piece| match piece {
            template::Piece::Text(text) => Some(text),
            template::Piece::Reference(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{boolean, list, multi, nullable_float, nullable_integer, nullable_text};
    use proptest::prelude::*;

    fn check(opt: &Opt, value: &Value, expected: &[&str]) {
        assert_eq!(assignments(opt, value), expected, "{value:?}");
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        let text = nullable_text("k").opt;
        for (value, expected) in [
            ("plain", vec!["k = plain"]),
            ("", vec!["k ="]),
            (" a b\t", vec!["k = \" a b\t\""]),
            ("'a'", vec!["k = \"'a'\""]),
            ("\"", vec!["k = \"\"\""]),
            ("'half", vec!["k = 'half"]),
            ("a$b", vec!["k = a$$b"]),
            ("a\\$b", vec!["k = a\\\\$b"]),
            ("\\$$", vec!["k = \\\\$$$"]),
            ("a\nb", vec!["k = a", "  b"]),
            ("\na", vec!["k =", "  a"]),
            ("a \nb", vec!["k = \"a \"", "  b"]),
            ("a\n\nb", vec!["# no file can hold this value: k = \"a\\n\\nb\""]),
            ("a\n b", vec!["# no file can hold this value: k = \"a\\n b\""]),
            ("a\rb", vec!["# no file can hold this value: k = \"a\\rb\""]),
        ] {
            check(&text, &Value::Str(value.to_owned()), &expected);
        }
        check(&text, &Value::Null, &["# k ="]);
        check(&nullable_integer("k").opt, &Value::Int(-3), &["k = -3"]);
        check(&nullable_float("k").opt, &Value::Float(f64::NAN), &["k = nan"]);
        check(&boolean("k", true).opt, &Value::Bool(false), &["k = false"]);
        // A blank boolean is an error, so a boolean is never null; a number with a default may be.
        check(&crate::option::integer("k", 3).opt, &Value::Null, &["k ="]);
    }

    #[test]
    fn lists_are_written_as_they_are_read() {
        let items = |items: &[&str]| Value::List(items.iter().map(|item| (*item).to_owned()).collect());
        let list = list("k", &["x"]).opt;
        check(&list, &items(&["a", "b"]), &["k = a,b"]);
        check(&list, &items(&["", "b"]), &["k = ,b"]);
        check(&list, &items(&[]), &["k ="]);
        check(&list, &items(&["a,b"]), &["# no file can hold this value: k = \"a,b\""]);
        let multi = multi("k", &[]).opt;
        check(&multi, &items(&["a,b", " c"]), &["k = a,b", "k = \" c\""]);
        check(&multi, &items(&[""]), &["k ="]);
        check(&multi, &items(&[]), &["# k ="]);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(20_260_721),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Whatever a file gave is written so that it reads back.
        #[test]
        fn what_a_file_gave_can_be_written(text in "([ab'\"$\\\\ \t{}=:#;,_.é]|\n  ?[ab'\"$\\\\]){0,12}") {
            let Ok(file) = ini::parse(&format!("[s]\nk = {text}\n")) else { return Ok(()) };
            for entry in file.entries.iter().filter(|entry| entry.key == "k") {
                let Some(value) = interpolated(&entry.value) else { continue };
                let lines = assignments(&nullable_text("k").opt, &Value::Str(value.clone()));
                prop_assert!(!lines[0].starts_with('#'), "{value:?}: {lines:?}");
            }
        }
    }
}

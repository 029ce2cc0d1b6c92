//! Operations as Python prints them.

use super::parse::Term;
use super::{Node, Reference};

/// As Python's `repr()` of a double.
pub(super) fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

/// As Python's `repr()` of a text, but for characters that cannot be printed.
fn text_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            other if other == quote => shown.extend(['\\', other]),
            other => shown.push(other),
        }
    }
    shown.push(quote);
    shown
}

/// As Python's `str()` of a term.
pub(super) fn text(term: &Term) -> String {
    match term {
        Term::Text(text) => text.clone(),
        other => repr(other),
    }
}

fn repr(term: &Term) -> String {
    match term {
        Term::Number(number) => float_repr(*number),
        Term::Whole(number) => format!("{number:.0}"),
        Term::Truth(truth) => (if *truth { "True" } else { "False" }).into(),
        Term::Text(text) => text_repr(text),
        Term::List(items) => list(items.iter().map(repr)),
        Term::Other(class) => (*class).to_owned(),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// As Python prints an operation.
pub(super) fn node(node: &Node) -> String {
    let pair = |found: &Reference| [text_repr(&found.metric), text_repr(&found.aggregation)];
    let named = |name: &str, operands: Vec<String>| list(std::iter::once(text_repr(name)).chain(operands));
    match node {
        Node::Number(number) => float_repr(*number),
        Node::Metric { references, listed } => match &references[..] {
            [only] if !listed => named("metric", pair(only).into()),
            several => named("metric", several.iter().map(|found| list(pair(found))).collect()),
        },
        Node::Aggregate(reduction, of) => {
            named("aggregate", vec![text_repr(&reduction.to_string()), self::node(of)])
        }
        Node::Rolling(reduction, window, of) => {
            named("rolling", vec![text_repr(&reduction.to_string()), window.to_string(), self::node(of)])
        }
        Node::Resample(method, granularity, of) => {
            let span = format!("np.timedelta64({granularity},'ns')");
            named("resample", vec![text_repr(&method.to_string()), span, self::node(of)])
        }
        Node::Binary(name, _, left, right) => named(name, vec![self::node(left), self::node(right)]),
        Node::Clip(of, low, high) => {
            let operands = [Some(of), Some(low), high.as_ref()];
            named("clip", operands.into_iter().flatten().map(|operand| self::node(operand)).collect())
        }
        Node::Unary(name, _, of) => named(name, vec![self::node(of)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_python_prints_them() {
        for (number, expected) in [
            (1.0, "1.0"),
            (1e16, "1e+16"),
            (1e-5, "1e-05"),
            (1.5e300, "1.5e+300"),
            (-0.0, "-0.0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_repr(number), expected);
        }
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        for (text, expected) in
            [("a", "'a'"), ("it's", "\"it's\""), ("'\"", "'\\'\"'"), ("a\\\n", "'a\\\\\\n'")]
        {
            assert_eq!(text_repr(text), expected);
        }
    }
}

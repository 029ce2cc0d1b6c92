//! A body for fuzzing: it takes any bytes and may only return.

use crate::{Evaluation, Exception, Expression, Limits};

/// Compiles an expression and evaluates it on the JSON behind the first zero byte (or on a small datum of every type).
///
/// # Panics
/// If an error lies outside of the text, or a result differs the second time.
pub fn expression(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let datum = model::json::parse(parts.next().unwrap_or_default());
    let sample = br#"{"a": [1, 2.5, null, "x-y", {"rel": "next", "href": "u"}], "b": "t$u", "c": {"d": true}, "e": 7}"#;
    let Some(value) = datum.or_else(|_| model::json::parse(sample)).ok() else { return };
    let lines = u32::try_from(text.lines().count() + 1).unwrap_or(u32::MAX);
    let expression = match Expression::compile(&text, &["value"]) {
        Ok(expression) => expression,
        Err(error) => {
            assert!((1..=lines).contains(&error.position.line), "{error:?} in {text:?}");
            return;
        }
    };
    let evaluate = || {
        let limits = Limits { steps: 20_000, bytes: 1 << 20, depth: 120 };
        let mut evaluation = Evaluation::new(limits);
        let object = evaluation.object(&value)?;
        let result = evaluation.run(&expression, &[object])?;
        // What has no JSON form is a result all the same.
        Ok::<_, crate::EvalError>(evaluation.value(&result).map(|value| format!("{value:?}")))
    };
    let first = evaluate();
    if let Err(error) = &first {
        assert!((1..=lines).contains(&error.position.line), "{error:?} in {text:?}");
        assert!(!error.message.is_empty() || error.exception == Exception::Key, "{error:?} in {text:?}");
    }
    assert_eq!(first, evaluate(), "{text:?}");
}

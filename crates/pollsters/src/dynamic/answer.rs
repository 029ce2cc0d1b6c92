//! Answers: JSON, XML or a text, whichever comes first.

use definitions::dynamic::Handler;
use model::{Map, Value, json};

use super::xml;

/// Characters of an answer that a message shows.
const SHOWN: usize = 120;

/// No handler can read an answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the answer cannot be read: {reasons}: {excerpt:?}")]
pub(super) struct AnswerError {
    reasons: String,
    excerpt: String,
}

/// Reads a text by the first handler that can.
pub(super) fn read(handlers: &[Handler], text: &str) -> Result<Value, AnswerError> {
    let mut reasons = Vec::new();
    for handler in handlers {
        match handler {
            Handler::Json => match json::parse(text) {
                Ok(value) => return Ok(value),
                Err(error) => reasons.push(format!("as json: {error}")),
            },
            Handler::Xml => match xml::parse(text) {
                Ok(value) => return Ok(value),
                Err(error) => reasons.push(format!("as xml: {error}")),
            },
            Handler::Text => {
                let entry = Map::from_iter([("out", text)]);
                return Ok(Value::List(vec![entry.into()]));
            }
        }
    }
    Err(AnswerError { reasons: reasons.join(", "), excerpt: text.chars().take(SHOWN).collect() })
}

/// Whether there is nothing in it.
pub(super) fn is_empty(answer: &Value) -> bool {
    match answer {
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Str(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_handler_that_can_reads_it() {
        let read = |handlers: &[Handler], text| read(handlers, text).map(|value| json::to_string(&value));
        let all = [Handler::Json, Handler::Xml, Handler::Text];
        assert_eq!(read(&all, "[1]").unwrap(), "[1]");
        assert_eq!(read(&all, "<a><b>1</b></a>").unwrap(), r#"{"a": {"b": "1"}}"#);
        assert_eq!(read(&all, "<a>").unwrap(), r#"[{"out": "<a>"}]"#);
        assert_eq!(read(&[Handler::Text], "").unwrap(), r#"[{"out": ""}]"#);
        let error = read(&[Handler::Json, Handler::Xml], "x").unwrap_err().to_string();
        assert!(
            error.starts_with("the answer cannot be read: as json: ") && error.contains(", as xml: "),
            "{error}"
        );
    }
}

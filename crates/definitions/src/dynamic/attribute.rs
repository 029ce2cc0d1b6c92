//! [`Attribute`]: `path | operation | operation`.

use model::Value;
use python_expression::{EvalError, Evaluation, Exception, Expression, Limits, Object, Position};

/// The only variable of an operation.
pub(crate) const VARIABLE: &str = "value";

/// A path into an answer, and what is made of the value there.
#[derive(Debug, Clone)]
pub struct Attribute {
    text: String,
    /// The keys from the outermost; none is the whole object.
    path: Vec<String>,
    operations: Vec<Expression>,
}

/// What is wrong with an attribute, and where in its text: characters before it.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Attribute {
    /// Reads `text`.
    pub(crate) fn compile(text: &str) -> Result<Self, Wrong> {
        let mut parts = text.split('|');
        let path = parts.next().unwrap_or_default();
        let mut before = path.len();
        let path = path.trim();
        let path = if path == "." { Vec::new() } else { path.split('.').map(str::to_owned).collect() };
        let mut operations = Vec::new();
        for part in parts {
            before += 1;
            let operation = part.trim();
            let start = before + part.len() - part.trim_start().len();
            before += part.len();
            let wrong = |position: Position, message: String, hint: Option<String>| {
                let (line, column) = place(text, start, position);
                Wrong {
                    line,
                    column,
                    message,
                    hint: hint.unwrap_or_else(|| "correct the operation".to_owned()),
                }
            };
            let start_of_it = Position { line: 1, column: 1 };
            if !part.contains(VARIABLE) {
                let message = format!("the operation {operation:?} does not use the variable value");
                let hint = "write what is to be done with value, such as value.strip(); | cannot be part of an operation";
                return Err(wrong(start_of_it, message, Some(hint.to_owned())));
            }
            let compiled = Expression::compile(operation, &[VARIABLE]);
            operations.push(
                compiled
                    .map_err(|error| wrong(error.position, format!("{operation:?}: {error}"), error.hint))?,
            );
        }
        Ok(Self { text: text.to_owned(), path, operations })
    }

    /// The path of these keys.
    pub(crate) fn of_path(path: &str) -> Self {
        Self {
            text: path.to_owned(),
            path: path.split('.').map(str::to_owned).collect(),
            operations: Vec::new(),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it finds in `object`.
    ///
    /// # Errors
    /// What Python raises: `KeyError` for a key that is not there, and whatever comes of an operation.
    pub fn apply(&self, object: &Value) -> Result<Value, EvalError> {
        let mut found = object;
        for key in &self.path {
            found = step(found, key)?;
        }
        if self.operations.is_empty() {
            return Ok(found.clone());
        }
        let mut evaluation = Evaluation::new(Limits::default());
        let mut value: Object = evaluation.object(found)?;
        for operation in &self.operations {
            value = evaluation.run(operation, &[value])?;
        }
        evaluation.value(&value)
    }
}

fn step<'v>(object: &'v Value, key: &str) -> Result<&'v Value, EvalError> {
    let error =
        |exception, message| EvalError { exception, message, position: Position { line: 1, column: 1 } };
    match object {
        Value::Map(map) => {
            map.get(key).ok_or_else(|| error(Exception::Key, format!("there is no key {key:?}")))
        }
        other => {
            let kind = kind_of(other);
            Err(error(Exception::Type, format!("{key:?} is looked for in {kind}, which has no keys")))
        }
    }
}

/// What a value is, for messages.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::BigInt(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Str(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

/// Line and column, from 1, of a place in a part of `text` that begins at the byte `start`.
fn place(text: &str, start: usize, position: Position) -> (u32, u32) {
    let before = text.get(..start).unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let lines = count(before.matches('\n').count());
    let column = count(before.rsplit('\n').next().unwrap_or_default().chars().count());
    match position.line {
        1 => (lines + 1, column + position.column),
        line => (lines + line, position.column),
    }
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    fn apply(text: &str) -> Result<String, String> {
        let object = json::parse(
            r#"{"user": "p1$p1", "a": {"b": [1, {"c": 2}]}, "tags": ["x", "y"], "image": "", "OS-EXT:host": "h",
                "links": [{"rel": "prev", "href": "p"}, {"rel": "next", "href": "http:n"}], "none": null}"#,
        );
        let attribute =
            Attribute::compile(text).map_err(|wrong| format!("{}: {}", wrong.column, wrong.message))?;
        let value = attribute.apply(&object.unwrap());
        value.map(|value| json::to_string(&value)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_and_operations_give_what_python_gives() {
        for (text, expected) in [
            ("user", r#""p1$p1""#),
            (" a.b ", r#"[1, {"c": 2}]"#),
            ("user | value.split('$')[0].strip()", r#""p1""#),
            ("user | value.split ('$') | value[0] | value.strip()", r#""p1""#),
            ("OS-EXT:host", r#""h""#),
            ("tags | ','.join(value)", r#""x,y""#),
            ("image | value or { 'id': '' } | value['id']", r#""""#),
            (". | value['some'] if 'some' in value else 7", "7"),
            (
                "links | filter(lambda v: v.get('rel') == 'next', value) | list(value) | value[0] | value.get('href') | \
                 value.replace('http:', 'https:')",
                r#""https:n""#,
            ),
            ("none", "null"),
            ("tags | (value, 1)", r#"[["x", "y"], 1]"#),
        ] {
            assert_eq!(apply(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_fails_says_how() {
        for (text, expected) in [
            ("b", "KeyError: there is no key \"b\""),
            ("user.x", "TypeError: \"x\" is looked for in a text, which has no keys"),
            ("a.b.0", "TypeError: \"0\" is looked for in a list, which has no keys"),
            ("tags | value[5]", "IndexError: list index out of range"),
            ("tags | filter(None, value)", "TypeError: Object of type filter is not JSON serializable"),
            ("user | len(x)", "8: the operation \"len(x)\" does not use the variable value"),
            ("user | value.x", "14: \"value.x\": the attribute x is not supported"),
            ("user |value + ", "14: \"value +\": a value is missing before the end"),
        ] {
            let error = apply(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}

//! [`Template`]: a path or command, as it is or as an expression.

use std::fmt;

use model::{Value, pytext};
use python_expression::{EvalError, Evaluation, Expression, Limits};

/// The variables of a field's path or command: the sample, what was captured so far, and the same by name.
pub const BASE_NAMES: [&str; 3] = ["sample", "extra_metadata_captured", "extra_metadata_by_name"];

/// A text that is evaluated, if it is an expression, and meant literally otherwise.
#[derive(Clone)]
pub struct Template {
    text: String,
    expression: Option<Expression>,
    /// Whether it has the variables.
    has_base: bool,
}

/// An expression that was certainly meant as one has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} has no value: {error}")]
pub struct TemplateError {
    /// The expression.
    pub text: String,
    /// Why.
    pub error: EvalError,
}

impl Template {
    /// Reads `text`; a field's may use [`BASE_NAMES`].
    pub(crate) fn new(text: &str, has_base: bool) -> Self {
        let names: &[&str] = if has_base { &BASE_NAMES } else { &[] };
        Self { text: text.to_owned(), expression: Expression::compile(text.trim_end(), names).ok(), has_base }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same for another text, such as the next page's.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Self {
        Self::new(text, self.has_base)
    }

    /// What it comes to, with the values of [`BASE_NAMES`] if it is a field's.
    ///
    /// An expression whose value is no text is taken literally: `1/2` is a path. So is one that has no value, unless it
    /// has a quoted text: then nobody meant it literally, and asking for it would be nonsense.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render(&self, base: Option<&[Value; 3]>) -> Result<String, TemplateError> {
        let Some(expression) = &self.expression else { return Ok(self.text.clone()) };
        match evaluate(expression, base.filter(|_| self.has_base)) {
            Ok(Value::Str(text)) => Ok(text.to_string()),
            Err(error) if self.text.contains(['\'', '"']) => {
                Err(TemplateError { text: self.text.clone(), error })
            }
            Ok(_) | Err(_) => Ok(self.text.clone()),
        }
    }
}

fn evaluate(expression: &Expression, base: Option<&[Value; 3]>) -> Result<Value, EvalError> {
    let mut evaluation = Evaluation::new(Limits::default());
    let values = base.map_or(&[][..], <[Value; 3]>::as_slice);
    let objects = values.iter().map(|value| evaluation.object(value)).collect::<Result<Vec<_>, _>>()?;
    let result = evaluation.run(expression, &objects)?;
    // Whatever is no text is not wanted, whether it can be written or not.
    Ok(match result.type_name() {
        "str" => evaluation.value(&result)?,
        _ => Value::Null,
    })
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

/// The text of a value, as Python's `str()`.
pub(crate) fn text_of(value: &Value) -> String {
    pytext::to_str(value)
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    #[test]
    fn expressions_are_evaluated_and_the_rest_is_literal() {
        let base = [
            json::parse(r#"{"project_id": "p1", "id": 7}"#).unwrap(),
            json::parse(r#"{"domain_id": "d1"}"#).unwrap(),
            json::parse(r#"{"project_name": {"metadata": {"id": "m"}}}"#).unwrap(),
        ];
        for (text, expected) in [
            ("v1/clusters/detail", "v1/clusters/detail"),
            ("/v2.1/servers/detail?all_tenants=true", "/v2.1/servers/detail?all_tenants=true"),
            ("'/v3/projects/' + str(sample['project_id'])", "/v3/projects/p1"),
            ("'/v3/domains/' + str(extra_metadata_captured['domain_id'])", "/v3/domains/d1"),
            ("'get ' + str(extra_metadata_by_name['project_name']['metadata']['id'])", "get m"),
            ("1/2", "1/2"),
            ("list/filter", "list/filter"),
            ("sample/x", "sample/x"),
            ("sample", "sample"),
            ("ls -la /etc", "ls -la /etc"),
            ("'''cat \"x\"'''\n", "cat \"x\""),
            ("f'/v3/{sample[\"id\"]}'", "/v3/7"),
        ] {
            let rendered = Template::new(text, true).render(Some(&base));
            assert_eq!(rendered.as_deref(), Ok(expected), "{text}");
        }
        let error = Template::new("'/v3/' + sample['x']", true).render(Some(&base)).unwrap_err();
        assert_eq!(error.to_string(), r#""'/v3/' + sample['x']" has no value: KeyError: 'x'"#);
        let error = Template::new("'/v3/' + sample['id']", true).render(Some(&base)).unwrap_err();
        assert!(error.to_string().contains("TypeError: can only concatenate str"), "{error}");
        // Without a sample there are no variables.
        let text = "'/v3/' + sample['x']";
        assert_eq!(Template::new(text, false).render(None).as_deref(), Ok(text));
        assert_eq!(Template::new("'a' 'b'", false).render(None).as_deref(), Ok("ab"));
    }
}

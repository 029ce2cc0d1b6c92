//! What decisions are made of.

use std::borrow::Cow;

use model::{Map, Value, pytext};

/// What somebody wants to do something with.
pub trait Target {
    /// The attribute of a flat name, such as `resource.project_id`, as Python's `str()` shows it; `None` if there is none,
    /// and then no check about it holds.
    fn text(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// Nothing in particular.
impl Target for () {
    fn text(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// A map that is flat already.
impl Target for Map {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(python_text)
    }
}

pub(crate) fn python_text(value: &Value) -> Cow<'_, str> {
    match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(pytext::to_str(value)),
    }
}

/// What is known of whoever asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Credentials {
    attributes: Map,
    /// In small letters.
    roles: Vec<String>,
}

impl Credentials {
    /// From the attributes; `roles` is a list of names, `system` or `system_scope` and `domain_id` say what a token is for.
    pub fn new(mut attributes: Map) -> Self {
        let roles = match attributes.get("roles") {
            Some(Value::List(roles)) => {
                roles.iter().filter_map(Value::as_str).map(str::to_lowercase).collect()
            }
            _ => Vec::new(),
        };
        if let Some(scope) = attributes.get("system_scope").filter(|scope| is_true(scope)).cloned() {
            attributes.insert("system", scope);
        }
        Self { attributes, roles }
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        let role = role.to_lowercase();
        self.roles.contains(&role)
    }

    /// Whether an attribute is this text. A path leads through maps; of a list, any item will do.
    pub(crate) fn is(&self, path: &[String], text: &str) -> bool {
        let [first, rest @ ..] = path else { return false };
        self.attributes.get(first).is_some_and(|value| is(value, rest, text))
    }

    pub(crate) fn truth(&self, name: &str) -> bool {
        self.attributes.get(name).is_some_and(is_true)
    }
}

fn is(value: &Value, path: &[String], text: &str) -> bool {
    if let Value::List(items) = value {
        return items.iter().any(|item| is_part(item, path, text));
    }
    is_part(value, path, text)
}

/// The same for what is no list, or an item of one, whose own lists are compared as they are.
fn is_part(value: &Value, path: &[String], text: &str) -> bool {
    match (path, value) {
        ([], value) => python_text(value) == text,
        ([first, rest @ ..], Value::Map(map)) => map.get(first).is_some_and(|value| is(value, rest, text)),
        _ => false,
    }
}

/// Python's truth.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => false,
        Value::Float(number) => *number != 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        _ => true,
    }
}

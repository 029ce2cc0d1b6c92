//! Bodies, with the refusals of voluptuous, which Gnocchi validates with: its words and its paths, because clients show
//! and compare them. Each reader takes a value and gives what it means.

mod archive_policy;
mod measures;
mod operations;
mod plain;
mod resource;
mod resource_type;
mod search;
mod value_search;

use std::fmt::Write;

use axum::http::StatusCode;
use model::{Map, Value};

use crate::failure::Failure;

pub(crate) use self::archive_policy::{archive_policy, archive_policy_change};
pub(crate) use self::measures::{measures, named};
pub(crate) use self::operations::{operations, operations_text, operations_text_bytes, references_required};
pub(crate) use self::plain::{plain_batch, plain_measures, plain_resource_batch};
pub(crate) use self::resource::{Ids, check_metric_names, metrics, resource, resource_change};
pub(crate) use self::resource_type::{PatchStep, attributes, filled_attributes, patch};
pub(crate) use self::search::search;
pub(crate) use self::value_search::predicate;

/// A step into a value.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invalid {
    message: String,
    path: Vec<Step>,
    /// Whether it is a value of a dictionary that is wrong.
    of_dictionary: bool,
}

impl Invalid {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: Vec::new(), of_dictionary: false }
    }

    /// The same of the value under a key.
    #[must_use]
    pub(crate) fn under(mut self, key: &str) -> Self {
        self.of_dictionary |= self.path.is_empty();
        self.path.insert(0, Step::Key(key.to_owned()));
        self
    }

    /// The same of a key itself.
    #[must_use]
    pub(crate) fn of_key(mut self, key: &str) -> Self {
        self.path.insert(0, Step::Key(key.to_owned()));
        self
    }

    /// The same of an item of a list.
    #[must_use]
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.path.insert(0, Step::Index(index));
        self
    }

    /// The message with its place.
    pub(crate) fn text(&self) -> String {
        let mut text = self.message.clone();
        if self.of_dictionary {
            text.push_str(" for dictionary value");
        }
        if !self.path.is_empty() {
            text.push_str(" @ data");
        }
        for step in &self.path {
            let step = match step {
                Step::Key(key) => model::pytext::to_repr(&key.as_str().into()),
                Step::Index(index) => index.to_string(),
            };
            let _ = write!(text, "[{step}]");
        }
        text
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        let steps = invalid.path.iter().map(|step| match step {
            Step::Key(key) => Value::from(key.as_str()),
            Step::Index(index) => index.to_string().into(),
        });
        let detail = Value::List(steps.collect());
        let facts = [("reason", invalid.text().into()), ("detail", detail)];
        Self::because(StatusCode::BAD_REQUEST, "Invalid input", facts)
    }
}

/// An object whose keys are asked for one after the other.
pub(crate) struct Object<'v> {
    map: &'v Map,
    known: Vec<&'static str>,
    /// The first thing that is wrong in the order of the keys, with its place.
    wrong: Option<(usize, Invalid)>,
    missing: Option<&'static str>,
}

impl<'v> Object<'v> {
    pub(crate) fn of(value: &'v Value) -> Result<Self, Invalid> {
        Ok(Self { map: dictionary(value)?, known: Vec::new(), wrong: None, missing: None })
    }

    fn note(&mut self, place: usize, invalid: Invalid) {
        if self.wrong.as_ref().is_none_or(|(known, _)| place < *known) {
            self.wrong = Some((place, invalid));
        }
    }

    /// The value of a key that may be absent.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'v Value) -> Result<T, Invalid>,
    ) -> Option<T> {
        self.known.push(key);
        let (place, (_, value)) = self.map.iter().enumerate().find(|(_, (known, _))| *known == key)?;
        match read(value) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.note(place, invalid.under(key));
                None
            }
        }
    }

    /// The value of a key that must be there. When it is not, [`Self::finish`] says so.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'v Value) -> Result<T, Invalid>,
    ) -> Option<T> {
        if self.map.get(key).is_none() {
            self.missing.get_or_insert(key);
        }
        self.optional(key, read)
    }

    /// The keys that were not asked for.
    pub(crate) fn others(&self) -> Vec<(usize, &'v str, &'v Value)> {
        let all = self.map.iter().enumerate();
        all.filter(|(_, (key, _))| !self.known.contains(key))
            .map(|(place, (key, value))| (place, key, value))
            .collect()
    }

    /// Refuses what was wrong first: values and unknown keys in their order, then keys that are missing.
    pub(crate) fn finish(mut self) -> Result<(), Invalid> {
        for (place, key, _) in self.others() {
            self.note(place, Invalid::new("extra keys not allowed").of_key(key));
        }
        self.finish_open()
    }

    /// The same, but that other keys have been looked at elsewhere.
    pub(crate) fn finish_open(self) -> Result<(), Invalid> {
        match (self.wrong, self.missing) {
            (Some((_, invalid)), _) => Err(invalid),
            (None, Some(key)) => Err(Invalid::new("required key not provided").of_key(key)),
            (None, None) => Ok(()),
        }
    }

    /// Notes something wrong with another key.
    pub(crate) fn refuse(&mut self, place: usize, invalid: Invalid) {
        self.note(place, invalid);
    }
}

pub(crate) fn dictionary(value: &Value) -> Result<&Map, Invalid> {
    value.as_map().ok_or_else(|| Invalid::new("expected a dictionary"))
}

pub(crate) fn list<'v, T>(
    value: &'v Value,
    mut item: impl FnMut(&'v Value) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    let items = value.as_list().ok_or_else(|| Invalid::new("expected a list"))?;
    items.iter().enumerate().map(|(index, value)| item(value).map_err(|invalid| invalid.at(index))).collect()
}

pub(crate) fn text(value: &Value) -> Result<String, Invalid> {
    value.as_str().map(str::to_owned).ok_or_else(|| Invalid::new("expected str"))
}

/// A text of so many characters at most.
pub(crate) fn short_text(value: &Value, limit: usize) -> Result<String, Invalid> {
    let text = text(value)?;
    if text.chars().count() > limit {
        return Err(Invalid::new(format!("length of value must be at most {limit}")));
    }
    Ok(text)
}

/// A text, or nothing.
pub(crate) fn optional_text(value: &Value) -> Result<Option<String>, Invalid> {
    match value {
        Value::Null => Ok(None),
        Value::Str(text) => Ok(Some(text.as_str().to_owned())),
        _ => Err(Invalid::new("not a valid value")),
    }
}

/// A whole number from `least` on, as Python's `int()` makes it.
pub(crate) fn whole(value: &Value, least: i64) -> Result<i64, Invalid> {
    let number = match model::pytext::integer_of(value) {
        Ok(Value::Int(number)) => number,
        Ok(_) => i64::MAX,
        Err(_) => return Err(Invalid::new("expected int")),
    };
    if number < least {
        return Err(Invalid::new(format!("value must be at least {least}")));
    }
    Ok(number)
}

/// A body with nothing but texts that may all be absent.
pub(crate) fn rename(value: &Value) -> Result<String, Invalid> {
    let mut object = Object::of(value)?;
    let name = object.required("name", text);
    object.finish()?;
    Ok(name.unwrap_or_default())
}

/// A metric to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GivenMetric {
    pub(crate) archive_policy_name: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) resource_id: Option<uuid::Uuid>,
}

/// Characters of a unit at most.
const UNIT: usize = 31;

pub(crate) fn unit(value: &Value) -> Result<String, Invalid> {
    short_text(value, UNIT)
}

pub(crate) fn metric(value: &Value, ids: Ids<'_>) -> Result<GivenMetric, Invalid> {
    let mut object = Object::of(value)?;
    let archive_policy_name = object.optional("archive_policy_name", text);
    let name = object.optional("name", text);
    let unit = object.optional("unit", unit);
    let resource_id = object.optional("resource_id", |value| ids.id(value));
    object.finish()?;
    Ok(GivenMetric { archive_policy_name, name, unit, resource_id: resource_id.map(|(id, _)| id) })
}

/// An archive policy rule to be made.
pub(crate) fn archive_policy_rule(value: &Value) -> Result<metric_index::ArchivePolicyRule, Invalid> {
    let mut object = Object::of(value)?;
    let name = object.required("name", text);
    let pattern = object.required("metric_pattern", text);
    let policy = object.required("archive_policy_name", text);
    object.finish()?;
    Ok(metric_index::ArchivePolicyRule {
        name: name.unwrap_or_default(),
        archive_policy_name: policy.unwrap_or_default(),
        metric_pattern: pattern.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let value = model::json::parse(text).unwrap();
        archive_policy_rule(&value).unwrap_err().text()
    }

    #[test]
    fn refusals_name_the_place() {
        assert_eq!(said("[]"), "expected a dictionary");
        assert_eq!(said(r#"{"name": 1}"#), "expected str for dictionary value @ data['name']");
        assert_eq!(said(r#"{"a": 1, "name": 1}"#), "extra keys not allowed @ data['a']");
        assert_eq!(said(r#"{"name": "a"}"#), "required key not provided @ data['metric_pattern']");
        let nested = Invalid::new("expected str").under("b").at(0).under("a");
        assert_eq!(nested.text(), "expected str for dictionary value @ data['a'][0]['b']");
    }
}

//! Answers taken apart: entries, owners, values, metadata.

use model::{Map, Text, Value};
use python_expression::{EvalError, Exception};

use super::attribute::kind_of;
use super::values::equal;
use super::{DynamicPollster, Metric};

/// Why an entry gives no sample. Ceilometer ends the pollster there.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// An attribute has no value.
    #[error("{key} {text:?}: {error}")]
    Attribute {
        /// The key of the definition.
        key: &'static str,
        /// The attribute.
        text: String,
        /// Why.
        error: EvalError,
    },
    /// The answer, or a part of it, is not what is needed.
    #[error("{what} is {found}, not {wanted}")]
    Shape {
        /// What of the answer.
        what: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// One value of an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The metric's name.
    pub name: Text,
    /// Its value.
    pub value: Value,
    /// The value that is in no `value_mapping`, and has the default now.
    pub unmapped: Option<Value>,
}

/// What the fields of one sample's extra metadata have given so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Captured {
    /// Name to value, and what metadata came with them.
    pub all: Map,
    /// Each field's value and metadata.
    pub by_name: Map,
}

impl Captured {
    /// Adds what a field gave.
    pub fn add(&mut self, name: &str, value: &Value, metadata: &Map) {
        self.all.insert(name, value.clone());
        for (key, value) in metadata.iter() {
            // Nothing does not displace something.
            if !(value.is_null() && self.all.get(key).is_some()) {
                self.all.insert(key, value.clone());
            }
        }
        let both = Map::from_iter([("value", value.clone()), ("metadata", metadata.clone().into())]);
        self.by_name.insert(name, both);
    }
}

impl DynamicPollster {
    /// The entries of an answer. What is no list is one entry.
    ///
    /// # Errors
    /// [`ApplyError`] when the answer has no such part, or an entry is no map.
    pub fn entries(&self, answer: &Value) -> Result<Vec<Map>, ApplyError> {
        let found = match (answer, &self.entries_key) {
            (Value::List(_), _) => answer.clone(),
            (_, Some(attribute)) => attribute
                .apply(answer)
                .map_err(|error| failed("response_entries_key", attribute.text(), error))?,
            (Value::Map(map), None) => map.iter().next().map(|(_, value)| value.clone()).unwrap_or_default(),
            (other, None) => return Err(shape("the answer", other, "a map or a list")),
        };
        let entries = match found {
            Value::List(entries) => entries,
            other => vec![other],
        };
        let maps = entries.into_iter().map(|entry| match entry {
            Value::Map(map) => Ok(map),
            other => Err(shape("an entry of the answer", &other, "a map")),
        });
        maps.collect()
    }

    /// Where the next part of an answer is; nothing at the end.
    ///
    /// # Errors
    /// [`ApplyError`] when the attribute fails otherwise than by what is not there: a key, or an element of a list.
    pub fn next(&self, answer: &Value) -> Result<Option<String>, ApplyError> {
        let Some(attribute) = &self.next else { return Ok(None) };
        match attribute.apply(answer) {
            Ok(Value::Str(next)) if !next.is_empty() => Ok(Some(next.to_string())),
            Ok(value) if !value.is_truthy() => Ok(None),
            Ok(value) => Err(shape("the value of next_sample_url_attribute", &value, "a text")),
            Err(error)
                if matches!(
                    error.exception,
                    Exception::Key | Exception::Index | Exception::StopIteration
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("next_sample_url_attribute", attribute.text(), error)),
        }
    }

    /// Notes in the entry whose it is.
    ///
    /// # Errors
    /// [`ApplyError`] when an attribute fails.
    pub fn own(&self, entry: &mut Map) -> Result<(), ApplyError> {
        for owner in &self.owners {
            let value = apply_to(entry, |entry| owner.attribute.apply(entry));
            let key = match owner.key {
                "user_id" => "user_id_attribute",
                "project_id" => "project_id_attribute",
                _ => "resource_id_attribute",
            };
            entry.insert(owner.key, value.map_err(|error| failed(key, owner.attribute.text(), error))?);
        }
        Ok(())
    }

    /// What is measured of an entry, without what is skipped. What came before an error is in `measured` as well.
    ///
    /// # Errors
    /// [`ApplyError`] when an attribute fails, or one that should be a list is none.
    pub fn measure(&self, entry: &mut Map, measured: &mut Vec<Measured>) -> Result<(), ApplyError> {
        let of_value = |text: &str, error| failed("value_attribute", text, error);
        match &self.metric {
            Metric::Single(attribute) => {
                let value = apply_to(entry, |entry| attribute.apply(entry));
                let value = value.map_err(|error| of_value(attribute.text(), error))?;
                if self.is_skipped(&value) {
                    return Ok(());
                }
                let (value, unmapped) = self.mapped(value)?;
                measured.push(Measured { name: self.name.as_str().into(), value, unmapped });
                Ok(())
            }
            Metric::Multi { list, placeholder, key, value } => {
                let found = apply_to(entry, |entry| list.apply(entry));
                let found = found.map_err(|error| of_value(list.text(), error))?;
                let Value::List(elements) = &found else {
                    let what = format!("the value of value_attribute [{}]", list.text());
                    return Err(shape(what, &found, "a list"));
                };
                for element in elements {
                    let name = match element.get(key) {
                        Some(Value::Str(name)) => name.clone(),
                        Some(other) => return Err(shape(format!("the element's {key}"), other, "a text")),
                        None => return Err(shape(format!("the element's {key}"), &Value::Null, "a text")),
                    };
                    let found = value.apply(element).map_err(|error| of_value(value.text(), error))?;
                    if self.is_skipped(&found) || self.is_skipped(&Value::Str(name.clone())) {
                        continue;
                    }
                    let name = self.name.replace(placeholder, &name);
                    measured.push(Measured { name: name.into(), value: found, unmapped: None });
                }
                Ok(())
            }
        }
    }

    /// The metadata of an entry, of which `value` is known by then.
    ///
    /// # Errors
    /// [`ApplyError`] when an attribute fails.
    pub fn metadata(&self, entry: &mut Map) -> Result<Map, ApplyError> {
        let mut metadata = Map::with_capacity(self.metadata.len());
        for (key, attribute) in &self.metadata {
            let value = apply_to(entry, |entry| attribute.apply(entry));
            metadata.insert(
                key.as_str(),
                value.map_err(|error| failed("metadata_fields", attribute.text(), error))?,
            );
        }
        if self.metadata_mapping.is_empty() {
            return Ok(metadata);
        }
        // In the order of the metadata; what is made on the way is not mapped again.
        let keys: Vec<String> = metadata.iter().map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            let Some((_, new)) = self.metadata_mapping.iter().find(|(old, _)| *old == key) else { continue };
            let Some(value) = metadata.get(&key).cloned() else { continue };
            metadata.insert(new.as_str(), value);
            if !self.keeps_mapped {
                metadata.remove(&key);
            }
        }
        Ok(metadata)
    }

    fn is_skipped(&self, value: &Value) -> bool {
        self.skipped.iter().any(|skipped| equal(skipped, value))
    }

    fn mapped(&self, value: Value) -> Result<(Value, Option<Value>), ApplyError> {
        if self.mapping.is_empty() {
            return Ok((value, None));
        }
        if matches!(value, Value::List(_) | Value::Map(_)) {
            return Err(shape("the value that value_mapping is to map", &value, "a text or a number"));
        }
        match self.mapping.iter().find(|(known, _)| equal(known, &value)) {
            Some((_, mapped)) => Ok((mapped.clone(), None)),
            None => Ok((self.default.clone(), Some(value))),
        }
    }
}

/// Whether `entry` is one of those that do without a field: one of `skips` is a part of it.
#[must_use]
pub(crate) fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Map(part), Value::Map(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|other| is_part(value, other)))
        }
        _ => equal(part, whole),
    }
}

impl super::ExtraField {
    /// Whether the sample does without this field.
    #[must_use]
    pub fn is_skipped(&self, sample: &Map) -> bool {
        let is_part_of = |skip: &Map| {
            !skip.is_empty()
                && skip.iter().all(|(key, value)| sample.get(key).is_some_and(|other| is_part(value, other)))
        };
        self.skip.iter().any(is_part_of)
    }
}

/// Lends the map as a value.
fn apply_to<T>(entry: &mut Map, work: impl FnOnce(&Value) -> T) -> T {
    let value = Value::Map(std::mem::take(entry));
    let done = work(&value);
    if let Value::Map(map) = value {
        *entry = map;
    }
    done
}

fn failed(key: &'static str, text: &str, error: EvalError) -> ApplyError {
    ApplyError::Attribute { key, text: text.to_owned(), error }
}

fn shape(what: impl Into<String>, found: &Value, wanted: &'static str) -> ApplyError {
    ApplyError::Shape { what: what.into(), found: kind_of(found), wanted }
}

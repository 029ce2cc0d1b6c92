//! From a node of `metric` to a [`MeterDefinition`].

use std::sync::Arc;

use expression::Pattern;
use model::{MeterKind, Value};
use yaml::Node;

use super::{Attribute, MeterDefinition};
use crate::field::{Literal, key_text, to_value};
use crate::plugin::{Plugin, quoted};
use crate::problem::Fault;
use crate::{Field, Place};

/// The keys without which a definition is of no use.
const REQUIRED: [&str; 6] = ["name", "type", "event_type", "unit", "volume", "resource_id"];

/// Compiles a definition; the faults beside it are warnings.
pub(super) fn compile(node: &Node, path: &Arc<str>) -> Result<(MeterDefinition, Vec<Fault>), Fault> {
    if node.as_map().is_none() {
        return Err(Fault::new(node, format!("a meter definition is {}", node.type_name()))
            .hint("write a map with name, event_type, type, unit, volume and resource_id"));
    }
    // Python's truth counts: an empty text or a zero is as good as missing.
    let given = |key: &str| node.get(key).filter(|value| value.is_truthy());
    let missing: Vec<_> = REQUIRED.into_iter().filter(|key| given(key).is_none()).collect();
    let [Some(name), Some(kind), Some(event_type), Some(unit), Some(_), Some(_)] = REQUIRED.map(given) else {
        return Err(Fault::new(node, format!("the meter definition lacks {}", missing.join(", ")))
            .hint("an empty text and the number 0 count as missing"));
    };
    let Some(name_text) = name.as_str() else {
        return Err(Fault::new(name, format!("the name is {}", quoted(name))).hint("write a text or a path"));
    };
    let lookup = lookup(node)?;
    // Upstream looks for "type" in the text if lookup is a text, so "type,unit" counts as well.
    let type_looked_up = lookup.iter().any(|attribute| &**attribute == "type")
        || node.get("lookup").and_then(Node::as_str).is_some_and(|text| text.contains("type"));
    if !type_looked_up && kind.as_str().and_then(MeterKind::from_name).is_none() {
        return Err(Fault::new(kind, format!("the type is {}", quoted(kind)))
            .hint("write gauge, delta or cumulative"));
    }
    let mut warnings = Vec::new();
    let mut attributes = [const { None }; Attribute::ALL.len()];
    for attribute in Attribute::ALL {
        let Some(value) = given(attribute.key()) else { continue };
        let literal = match attribute {
            Attribute::Name | Attribute::Type | Attribute::Unit => Literal::Accepted,
            _ => Literal::Refused,
        };
        let field = Field::compile(attribute.key(), value, literal)?;
        warn(attribute.key(), value, &field, &mut warnings);
        if !lookup.is_empty() && field.plugin().is_some_and(|plugin| !plugin.gives_all()) {
            return Err(Fault::new(
                value,
                format!("the plugin of {} does not work with lookup", attribute.key()),
            )
            .hint("only the plugin split gives a value for each one found"));
        }
        attributes[attribute as usize] = Some(field);
    }
    let user_metadata = given("user_metadata")
        .map(|value| {
            let field = Field::compile("user_metadata", value, Literal::Refused)?;
            warn("user_metadata", value, &field, &mut warnings);
            Ok(field)
        })
        .transpose()?;
    let metadata = metadata(node, &mut warnings)?;
    let definition = MeterDefinition {
        name: Arc::from(name_text),
        place: Place::of(node, path),
        event_types: event_types(event_type)?,
        default_name: name_text.into(),
        default_type: to_value(kind),
        default_unit: to_value(unit),
        attributes,
        metadata,
        user_metadata,
        lookup,
    };
    Ok((definition, warnings))
}

/// What deserves a word although it works.
fn warn(name: &str, node: &Node, field: &Field, warnings: &mut Vec<Fault>) {
    if let Some(Plugin::Split(_)) = field.plugin() {
        warnings.push(
            Fault::new(node, format!("the plugin split of {name} is deprecated"))
                .hint("add `split(separator, segment, max)` in backquotes to the path instead"),
        );
    }
}

fn event_types(node: &Node) -> Result<Vec<Pattern>, Fault> {
    let pattern = |node: &Node| {
        let Some(text) = node.as_str() else {
            return Err(Fault::new(node, format!("an event type is {}", node.type_name()))
                .hint("write a regular expression, in quotes if need be"));
        };
        Pattern::new(text).map_err(|error| {
            Fault::new(node, format!("the event type {text:?} is no regular expression: {error}"))
                .hint("Python's syntax holds; put a backslash before special characters")
        })
    };
    match node.as_seq() {
        Some(items) => items.iter().map(pattern).collect(),
        None => Ok(vec![pattern(node)?]),
    }
}

fn lookup(node: &Node) -> Result<Vec<Box<str>>, Fault> {
    let Some(node) = node.get("lookup").filter(|lookup| lookup.is_truthy()) else { return Ok(Vec::new()) };
    let attribute = |node: &Node| match node.as_str() {
        Some(text) => Ok(text.into()),
        None => Err(Fault::new(node, format!("lookup names {}", node.type_name()))
            .hint("write the names of attributes, such as [name, unit, volume]")),
    };
    match node.as_seq() {
        Some(items) => items.iter().map(attribute).collect(),
        None => Ok(vec![attribute(node)?]),
    }
}

fn metadata(node: &Node, warnings: &mut Vec<Fault>) -> Result<Vec<(model::Text, Field)>, Fault> {
    let Some(node) = node.get("metadata").filter(|metadata| metadata.is_truthy()) else {
        return Ok(Vec::new());
    };
    let Some(entries) = node.as_map() else {
        return Err(Fault::new(node, format!("metadata is {}", node.type_name()))
            .hint("write a map from names to paths"));
    };
    entries
        .iter()
        .map(|(key, value)| {
            let key = key_text(key);
            let field = Field::compile(&key, value, Literal::Refused)?;
            warn(&key, value, &field, warnings);
            Ok((key.into(), field))
        })
        .collect()
}

/// Only the kind of value that a text or a lookup can give; see [`MeterKind`].
pub(super) fn kind_of(value: &Value) -> Option<MeterKind> {
    value.as_str().and_then(MeterKind::from_name)
}

//! From a node of the file to an [`EventDefinition`].

use std::sync::Arc;

use expression::Glob;
use yaml::Node;

use super::{EventDefinition, TraitDefinition, TraitType};
use crate::field::{Literal, key_text};
use crate::plugin::{Plugin, quoted};
use crate::problem::Fault;
use crate::{Field, Place};

/// The traits of every event, unless a definition has others of the same name: YAML of our own, so that one compiler
/// reads it all.
const DEFAULT_TRAITS: &str = "
service: publisher_id
request_id: ctxt.request_id
project_id: [payload.tenant_id, ctxt.project_id]
user_id: [payload.user_id, ctxt.user_id]
tenant_id: [payload.tenant_id, ctxt.project_id]
";

/// The definition that takes what no other wants.
pub(super) fn catch_all() -> Option<EventDefinition> {
    let node = yaml::parse("{event_type: '*', traits: {}}").ok()?;
    let (mut definition, _) = definition(&node, &"the implicit catch-all".into()).ok()?;
    definition.place.line = 0;
    Some(definition)
}

/// Compiles a definition; the faults beside it are warnings.
pub(super) fn definition(node: &Node, path: &Arc<str>) -> Result<(EventDefinition, Vec<Fault>), Fault> {
    let (Some(event_type), Some(traits)) = (node.get("event_type"), node.get("traits")) else {
        let missing = if node.get("event_type").is_none() { "event_type" } else { "traits" };
        return Err(Fault::new(node, format!("the event definition has no {missing}"))
            .hint("write a map with `event_type` and `traits`"));
    };
    let types: Vec<&str> = match (event_type.as_str(), event_type.as_seq()) {
        (Some(text), _) => vec![text],
        (None, Some(items)) => items.iter().map(glob_text).collect::<Result<_, _>>()?,
        (None, None) => vec![glob_text(event_type)?],
    };
    let mut included = Vec::new();
    let mut excluded = Vec::new();
    for text in &types {
        match text.strip_prefix('!') {
            Some(text) => excluded.push(Glob::new(text)),
            None => included.push(Glob::new(text)),
        }
    }
    if included.is_empty() && !excluded.is_empty() {
        included.push(Glob::new("*"));
    }
    let mut warnings = Vec::new();
    let mut compiled = Vec::new();
    // Never fails: the text is a constant, and tests compile it.
    if let Ok(defaults) = yaml::parse(DEFAULT_TRAITS) {
        for (name, value) in defaults.as_map().unwrap_or_default() {
            compiled.push(trait_definition(name, value, &mut warnings)?);
        }
    }
    match (traits.as_map(), traits.as_seq()) {
        (Some(entries), _) => {
            for (name, value) in entries {
                let definition = trait_definition(name, value, &mut warnings)?;
                match compiled.iter_mut().find(|known| known.name == definition.name) {
                    Some(known) => *known = definition,
                    None => compiled.push(definition),
                }
            }
        }
        (None, Some([])) => {}
        _ => {
            return Err(Fault::new(traits, format!("traits is {}", traits.type_name()))
                .hint("write a map from names to paths, or {} for the default traits alone"));
        }
    }
    Ok((
        EventDefinition {
            name: Arc::from(types.join(", ")),
            place: Place::of(node, path),
            included,
            excluded,
            traits: compiled,
        },
        warnings,
    ))
}

fn glob_text(node: &Node) -> Result<&str, Fault> {
    node.as_str().ok_or_else(|| {
        Fault::new(node, format!("an event type is {}", node.type_name()))
            .hint("write a glob, in quotes if need be")
    })
}

fn trait_definition(name: &Node, node: &Node, warnings: &mut Vec<Fault>) -> Result<TraitDefinition, Fault> {
    let name = key_text(name);
    let field = Field::compile(&name, node, Literal::Refused)?;
    if let Some(Plugin::Split(_)) = field.plugin() {
        warnings.push(
            Fault::new(node, format!("the plugin split of {name} is deprecated"))
                .hint("add `split(separator, segment, max)` in backquotes to the path instead"),
        );
    }
    let kind = match node.get("type") {
        None => TraitType::Text,
        Some(kind) => kind.as_str().and_then(TraitType::from_name).ok_or_else(|| {
            Fault::new(kind, format!("trait {name} has the type {}", quoted(kind)))
                .hint("write text, int, float or datetime")
        })?,
    };
    Ok(TraitDefinition { name: name.into(), kind, field })
}

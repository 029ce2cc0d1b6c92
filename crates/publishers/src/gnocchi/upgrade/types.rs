//! `data/gnocchi_resource_types.yaml`, read.

use model::{Map, Value};
use yaml::{Kind, Node};

const TEXT: &str = include_str!("../../../../../data/gnocchi_resource_types.yaml");
/// The longest text that an attribute holds, in characters.
const TEXT_CHARACTERS: i64 = 255;

/// What a type was like first, and what has changed since.
#[derive(Debug, Default)]
pub(super) struct ResourceTypes {
    /// Name and attributes.
    pub(super) types: Vec<(String, Map)>,
    /// In order.
    pub(super) changes: Vec<Change>,
}

#[derive(Debug)]
pub(super) enum Change {
    Create { name: String, attributes: Map },
    Update { name: String, attributes: Map, fill: Map },
}

impl ResourceTypes {
    /// Those that come with the program. A test holds that the file can be read.
    pub(super) fn builtin() -> Self {
        Self::read(TEXT).unwrap_or_default()
    }

    fn read(text: &str) -> Option<Self> {
        let root = yaml::parse(text).ok()?;
        let types = root.get("types")?.as_map()?.iter();
        let types = types.map(|(name, node)| Some((name.as_str()?.to_owned(), attributes(node)?)));
        let changes = root.get("changes")?.as_seq()?.iter().map(change);
        Some(Self { types: types.collect::<Option<_>>()?, changes: changes.collect::<Option<_>>()? })
    }
}

fn change(node: &Node) -> Option<Change> {
    let attributes = attributes(node.get("attributes")?)?;
    if let Some(name) = node.get("create") {
        return Some(Change::Create { name: name.as_str()?.to_owned(), attributes });
    }
    let name = node.get("update")?.as_str()?.to_owned();
    let fill = node.get("fill").and_then(Node::as_map).unwrap_or_default().iter();
    let fill = fill.map(|(name, value)| Some((name.as_str()?.to_owned(), Value::from(value.as_str()?))));
    Some(Change::Update { name, attributes, fill: fill.collect::<Option<Vec<_>>>()?.into_iter().collect() })
}

/// Attributes as Gnocchi's API has them.
fn attributes(node: &Node) -> Option<Map> {
    let pairs = node.as_map()?.iter().map(|(name, kind)| {
        let Kind::Str(kind) = &kind.kind else { return None };
        Some((name.as_str()?.to_owned(), attribute(kind)?))
    });
    Some(pairs.collect::<Option<Vec<_>>>()?.into_iter().collect())
}

fn attribute(written: &str) -> Option<Value> {
    let (kind, required) = match written.split_once(' ') {
        Some((kind, "required")) => (kind, true),
        Some(_) => return None,
        None => (written, false),
    };
    let mut attribute = Map::new();
    match kind {
        "text" => {
            attribute.insert("type", "string");
            attribute.insert("min_length", 0_i64);
            attribute.insert("max_length", TEXT_CHARACTERS);
        }
        "uuid" | "datetime" => {
            attribute.insert("type", kind);
        }
        _ => return None,
    }
    attribute.insert("required", required);
    Some(attribute.into())
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    #[test]
    fn the_built_in_types_can_be_read() {
        let read = ResourceTypes::read(TEXT).unwrap();
        assert_eq!((read.types.len(), read.changes.len()), (14, 18));
        let (name, attributes) = &read.types[2];
        let text = json::to_compact_string(&attributes.clone().into());
        assert_eq!(
            (name.as_str(), text.as_str()),
            (
                "instance_disk",
                r#"{"name":{"type":"string","min_length":0,"max_length":255,"required":true},"instance_id":{"type":"uuid","required":true}}"#
            )
        );
        assert!(
            matches!(&read.changes[1], Change::Update { name, fill, .. } if name == "instance" && fill.len() == 1)
        );
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for text in [
            "types: {a: {b: number}}\nchanges: []",
            "types: {a: {b: text maybe}}\nchanges: []",
            "types: {a: {b: 7}}\nchanges: []",
            "types: {}\nchanges: [{remove: a, attributes: {}}]",
            "types: {}",
        ] {
            assert!(ResourceTypes::read(text).is_none(), "{text}");
        }
    }
}

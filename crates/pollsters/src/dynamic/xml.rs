//! XML as Python's `xmltodict` sees it: elements are maps, repeated ones lists, attributes have an `@` before their name.

use model::{Map, Value};
use roxmltree::{Document, Node, ParsingOptions};

/// How deeply elements may be nested.
const MAX_DEPTH: usize = 200;
/// The most elements, attributes and texts.
const MAX_NODES: u32 = 1_000_000;

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    let root = document.root_element();
    let value = element(&document, root, 0)?;
    Ok(Map::from_iter([(name(&document, root), value)]).into())
}

/// An element's name as it is written, with its prefix.
fn name<'i>(document: &'i Document<'_>, node: Node<'_, '_>) -> &'i str {
    let text = document.input_text().get(node.range()).unwrap_or_default();
    let name = text.strip_prefix('<').unwrap_or_default();
    let end = name.find(|character: char| character.is_whitespace() || matches!(character, '>' | '/'));
    name.get(..end.unwrap_or(name.len())).unwrap_or_default()
}

fn element(document: &Document<'_>, node: Node<'_, '_>, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("elements are nested deeper than {MAX_DEPTH} levels"));
    }
    let mut map = Map::new();
    let inherited = node.parent_element();
    for namespace in node.namespaces() {
        let same = |own: Node<'_, '_>| {
            own.namespaces().any(|other| other.name() == namespace.name() && other.uri() == namespace.uri())
        };
        // Only what is declared here, and not the prefix that every document has.
        if namespace.name() != Some("xml") && !inherited.is_some_and(same) {
            let key = namespace.name().map_or_else(|| "@xmlns".to_owned(), |name| format!("@xmlns:{name}"));
            map.insert(key, namespace.uri());
        }
    }
    for attribute in node.attributes() {
        let written = document.input_text().get(attribute.range_qname()).unwrap_or(attribute.name());
        map.insert(format!("@{written}"), attribute.value());
    }
    let mut text = String::new();
    for child in node.children() {
        if child.is_text() {
            text.push_str(child.text().unwrap_or_default());
        } else if child.is_element() {
            let value = element(document, child, depth + 1)?;
            let key = name(document, child);
            match map.get_mut(key) {
                None => {
                    map.insert(key, value);
                }
                Some(Value::List(values)) => values.push(value),
                Some(single) => {
                    let first = std::mem::take(single);
                    *single = Value::List(vec![first, value]);
                }
            }
        }
    }
    let text = model::pytext::strip(&text);
    Ok(match (map.is_empty(), text.is_empty()) {
        (true, true) => Value::Null,
        (true, false) => text.into(),
        (false, true) => map.into(),
        (false, false) => {
            map.insert("#text", text);
            map.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    /// The expectations are what `xmltodict.parse` gives.
    #[test]
    fn documents_become_maps() {
        for (text, expected) in [
            ("<a/>", r#"{"a": null}"#),
            ("<a>  </a>", r#"{"a": null}"#),
            ("<a> x </a>", r#"{"a": "x"}"#),
            (r#"<a b="1">x</a>"#, r##"{"a": {"@b": "1", "#text": "x"}}"##),
            ("<a><b>1</b><b>2</b><c/></a>", r#"{"a": {"b": ["1", "2"], "c": null}}"#),
            ("<a>x<b>1</b>y</a>", r##"{"a": {"b": "1", "#text": "xy"}}"##),
            ("<?xml version=\"1.0\"?><!-- c --><a><![CDATA[<x>]]></a>", r#"{"a": "<x>"}"#),
            (
                r#"<n:a xmlns:n="u"><n:b n:c="1">&amp;</n:b></n:a>"#,
                r##"{"n:a": {"@xmlns:n": "u", "n:b": {"@n:c": "1", "#text": "&"}}}"##,
            ),
        ] {
            assert_eq!(json::to_string(&parse(text).unwrap()), expected, "{text}");
        }
        assert!(parse("<a>").is_err() && parse("").is_err());
        let deep = format!("{}{}", "<a>".repeat(1000), "</a>".repeat(1000));
        assert!(parse(&deep).is_err());
    }
}

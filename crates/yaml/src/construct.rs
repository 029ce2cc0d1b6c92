//! From tagged nodes to values: what PyYAML's `SafeConstructor` does.

use std::collections::HashMap;

use crate::compose::{Composed, Content, Document, Id};
use crate::error::Error;
use crate::limits::{MAX_DEPTH, MAX_EXPANDED_BYTES, MAX_NODES};
use crate::node::{Kind, Node, Span};
use crate::number::{decode_base64, parse_float, parse_int};
use crate::resolve::YAML;
use crate::timestamp::Timestamp;

/// A set of keys that are equal in Python's sense.
#[derive(PartialEq, Eq, Hash)]
enum KeyId {
    Null,
    /// Booleans, integers and integral floats, as decimal text.
    Integer(String),
    /// Any other float, by its bits (all not-a-numbers are one: PyYAML hands out a single object).
    Float(u64),
    Str(String),
    Bytes(Vec<u8>),
    Date(u16, u8, u8),
    /// Microseconds, and whether the time has a zone.
    Instant(i64, bool),
}

/// `None` when Python could not hash the value.
fn key_id(node: &Node) -> Option<KeyId> {
    Some(match &node.kind {
        Kind::Null => KeyId::Null,
        Kind::Bool(truth) => KeyId::Integer(i64::from(*truth).to_string()),
        Kind::Int(number) => KeyId::Integer(number.to_string()),
        Kind::BigInt(digits) => KeyId::Integer(digits.clone()),
        Kind::Float(number) if number.is_nan() => KeyId::Float(f64::NAN.to_bits()),
        // `{:.0}` writes an integral double exactly, and turns -0.0 into "-0".
        Kind::Float(number) if number.fract() == 0.0 => KeyId::Integer(format!("{:.0}", number + 0.0)),
        Kind::Float(number) => KeyId::Float(number.to_bits()),
        Kind::Str(text) => KeyId::Str(text.clone()),
        Kind::Binary(bytes) => KeyId::Bytes(bytes.clone()),
        Kind::Timestamp(stamp) => match stamp.instant() {
            None => KeyId::Date(stamp.year, stamp.month, stamp.day),
            Some(instant) => {
                let zoned = stamp.time.is_some_and(|time| time.offset_minutes.is_some());
                KeyId::Instant(instant, zoned)
            }
        },
        Kind::Seq(_) | Kind::Map(_) | Kind::Set(_) | Kind::Pairs(_) => return None,
    })
}

/// Builds the value of a document.
pub(crate) fn construct(document: &Document) -> Result<Node, Error> {
    let Some(root) = document.root else {
        return Ok(Node { kind: Kind::Null, span: Span { line: 1, column: 1 } });
    };
    let mut builder = Builder {
        nodes: &document.nodes,
        active: vec![false; document.nodes.len()],
        depth: 0,
        count: 0,
        bytes: 0,
    };
    builder.build(root)
}

/// The state of a construction.
struct Builder<'a> {
    nodes: &'a [Composed],
    /// Which nodes are being built: meeting one again means that it contains itself.
    active: Vec<bool>,
    depth: usize,
    /// Nodes built so far, aliases expanded.
    count: usize,
    /// Bytes of scalars built so far, aliases expanded.
    bytes: usize,
}

impl<'a> Builder<'a> {
    fn node(&self, id: Id) -> Result<&'a Composed, Error> {
        // Ids come from the composer alone; a wrong one would be our own mistake.
        let start = Span { line: 1, column: 1 };
        self.nodes.get(id).ok_or_else(|| Error::value(start, "the document refers to a missing node"))
    }

    fn charge(&mut self, nodes: usize, bytes: usize, span: Span) -> Result<(), Error> {
        self.count += nodes;
        self.bytes += bytes;
        if self.count > MAX_NODES {
            return Err(Error::limit(span, format!("more than {MAX_NODES} nodes after expanding aliases")));
        }
        if self.bytes > MAX_EXPANDED_BYTES {
            let problem = format!("more than {MAX_EXPANDED_BYTES} bytes of text after expanding aliases");
            return Err(Error::limit(span, problem));
        }
        Ok(())
    }

    fn build(&mut self, id: Id) -> Result<Node, Error> {
        let node = self.node(id)?;
        let bytes = if let Content::Scalar(text) = &node.content { text.len() } else { 0 };
        self.charge(1, bytes, node.span)?;
        self.enter(id, node.span)?;
        let kind = self.build_kind(id, node);
        self.leave(id);
        Ok(Node { kind: kind?, span: node.span })
    }

    fn enter(&mut self, id: Id, span: Span) -> Result<(), Error> {
        match self.active.get_mut(id) {
            Some(active) if *active => {
                return Err(Error::value(span, "found unconstructable recursive node"));
            }
            Some(active) => *active = true,
            None => {}
        }
        self.depth += 1;
        // Aliases can nest deeper than the text does.
        if self.depth > MAX_DEPTH + 1 {
            return Err(Error::limit(span, format!("collections nest deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn leave(&mut self, id: Id) {
        self.depth -= 1;
        if let Some(active) = self.active.get_mut(id) {
            *active = false;
        }
    }

    fn build_kind(&mut self, id: Id, node: &'a Composed) -> Result<Kind, Error> {
        let value_error = |what: &str, problem: &str, text: &str| {
            Error::value(node.span, format!("{problem}: {}", excerpt(text)))
                .within(format!("while constructing {what}"), node.span)
        };
        match node.tag.strip_prefix(YAML) {
            Some("null") => self.scalar(id).map(|_| Kind::Null),
            Some("bool") => {
                let text = self.scalar(id)?;
                match text.to_lowercase().as_str() {
                    "yes" | "true" | "on" => Ok(Kind::Bool(true)),
                    "no" | "false" | "off" => Ok(Kind::Bool(false)),
                    _ => Err(value_error("a boolean", "not a boolean", text)),
                }
            }
            Some("int") => {
                let text = self.scalar(id)?;
                parse_int(text).map_err(|problem| value_error("an integer", problem, text))
            }
            Some("float") => {
                let text = self.scalar(id)?;
                parse_float(text).map(Kind::Float).map_err(|problem| value_error("a float", problem, text))
            }
            Some("timestamp") => {
                let text = self.scalar(id)?;
                Timestamp::parse(text)
                    .map(Kind::Timestamp)
                    .map_err(|problem| value_error("a timestamp", problem, text))
            }
            Some("binary") => {
                let text = self.scalar(id)?;
                decode_base64(text)
                    .map(Kind::Binary)
                    .map_err(|problem| value_error("binary data", problem, text))
            }
            Some("str") => self.scalar(id).map(|text| Kind::Str(text.to_owned())),
            Some("seq") => {
                let Content::Seq(items) = &node.content else { return Err(expected("sequence", node)) };
                let items: Result<Vec<_>, _> = items.iter().map(|&item| self.build(item)).collect();
                items.map(Kind::Seq)
            }
            Some("map") => self.entries(id, node).map(Kind::Map),
            Some("set") => {
                let entries = self.entries(id, node)?;
                Ok(Kind::Set(entries.into_iter().map(|(key, _)| key).collect()))
            }
            Some("omap") => self.pairs(node, "while constructing an ordered map").map(Kind::Pairs),
            Some("pairs") => self.pairs(node, "while constructing pairs").map(Kind::Pairs),
            _ => {
                let problem = format!("could not determine a constructor for the tag {}", excerpt(&node.tag));
                Err(Error::value(node.span, problem))
            }
        }
    }

    /// The text of a scalar; a map stands for the value under its `=` key.
    fn scalar(&self, id: Id) -> Result<&'a str, Error> {
        let mut node = self.node(id)?;
        for _ in 0..MAX_DEPTH {
            match &node.content {
                Content::Scalar(text) => return Ok(text),
                Content::Seq(_) => return Err(expected("scalar", node)),
                Content::Map(entries) => {
                    let is_value = |key: Id| {
                        self.nodes.get(key).is_some_and(|key| key.tag.strip_prefix(YAML) == Some("value"))
                    };
                    match entries.iter().find(|(key, _)| is_value(*key)) {
                        Some(&(_, value)) => node = self.node(value)?,
                        None => return Err(expected("scalar", node)),
                    }
                }
            }
        }
        Err(Error::value(node.span, "found unconstructable recursive node"))
    }

    /// The entries of a map with merge keys expanded, still unbuilt.
    ///
    /// Merged entries come first, in the order of the text. Within a list of merged maps the earlier map
    /// wins (as the YAML merge specification has it), between separate merge keys the later one.
    fn flatten(&mut self, id: Id, node: &'a Composed) -> Result<Vec<(Id, Id)>, Error> {
        let Content::Map(entries) = &node.content else { return Err(expected("mapping", node)) };
        let is_merge =
            |key: Id| self.nodes.get(key).is_some_and(|key| key.tag.strip_prefix(YAML) == Some("merge"));
        if !entries.iter().any(|&(key, _)| is_merge(key)) {
            return Ok(entries.clone());
        }
        let (merges, own): (Vec<_>, Vec<_>) = entries.iter().copied().partition(|&(key, _)| is_merge(key));
        let mut flat = Vec::new();
        for (_, value) in merges {
            let source = self.node(value)?;
            match &source.content {
                Content::Map(_) => flat.extend(self.flatten_inner(value, source)?),
                Content::Seq(parts) => {
                    let mut lists = Vec::new();
                    for &part in parts {
                        let source = self.node(part)?;
                        if !matches!(source.content, Content::Map(_)) {
                            let problem = format!(
                                "expected a mapping for merging, but found {}",
                                source.content.name()
                            );
                            return Err(Error::value(source.span, problem)
                                .within("while constructing a mapping", node.span));
                        }
                        lists.push(self.flatten_inner(part, source)?);
                    }
                    flat.extend(earlier_wins(self.nodes, lists));
                }
                Content::Scalar(_) => {
                    let problem = format!(
                        "expected a mapping or list of mappings for merging, but found {}",
                        source.content.name()
                    );
                    return Err(
                        Error::value(source.span, problem).within("while constructing a mapping", node.span)
                    );
                }
            }
            self.charge(flat.len(), 0, self.node(id)?.span)?;
        }
        flat.extend(own);
        Ok(flat)
    }

    fn flatten_inner(&mut self, id: Id, node: &'a Composed) -> Result<Vec<(Id, Id)>, Error> {
        self.enter(id, node.span)?;
        let entries = self.flatten(id, node);
        self.leave(id);
        entries
    }

    fn entries(&mut self, id: Id, node: &'a Composed) -> Result<Vec<(Node, Node)>, Error> {
        let flat = self.flatten(id, node)?;
        let mut places: HashMap<KeyId, usize> = HashMap::with_capacity(flat.len());
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(flat.len());
        for (key, value) in flat {
            let (key, identity) = self.build_key(key, node)?;
            let value = self.build(value)?;
            // Python keeps the first of equal keys and the last of their values.
            if let Some(entry) = places.get(&identity).and_then(|&place| entries.get_mut(place)) {
                entry.1 = value;
            } else {
                places.insert(identity, entries.len());
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    /// A map's key: a lone `=` is a text here, and nowhere else.
    fn build_key(&mut self, id: Id, map: &Composed) -> Result<(Node, KeyId), Error> {
        let node = self.node(id)?;
        let unhashable = || {
            Error::value(node.span, "a list or a mapping cannot be a key")
                .within("while constructing a mapping", map.span)
        };
        let key = match (&node.content, node.tag.strip_prefix(YAML)) {
            (Content::Scalar(text), Some("value")) => {
                self.charge(1, text.len(), node.span)?;
                Node { kind: Kind::Str(text.clone()), span: node.span }
            }
            // Whatever they contain.
            (_, Some("seq" | "map" | "set" | "omap" | "pairs")) => return Err(unhashable()),
            _ => self.build(id)?,
        };
        let identity = key_id(&key).ok_or_else(unhashable)?;
        Ok((key, identity))
    }

    fn pairs(&mut self, node: &'a Composed, context: &str) -> Result<Vec<(Node, Node)>, Error> {
        let Content::Seq(items) = &node.content else {
            let problem = format!("expected a sequence, but found {}", node.content.name());
            return Err(Error::value(node.span, problem).within(context, node.span));
        };
        let mut pairs = Vec::with_capacity(items.len());
        for &item in items {
            let item = self.node(item)?;
            let Content::Map(entries) = &item.content else {
                let problem = format!("expected a mapping of length 1, but found {}", item.content.name());
                return Err(Error::value(item.span, problem).within(context, node.span));
            };
            let [(key, value)] = entries.as_slice() else {
                let problem = format!("expected a single mapping item, but found {} items", entries.len());
                return Err(Error::value(item.span, problem).within(context, node.span));
            };
            pairs.push((self.build(*key)?, self.build(*value)?));
        }
        Ok(pairs)
    }
}

/// Joins the entries of merged maps so that of equal keys the first stays.
///
/// Keys are compared as written, which is what the keys of real files need; keys that are equal only in
/// value (`1` and `0x1`) meet later, in the map itself.
fn earlier_wins(nodes: &[Composed], lists: Vec<Vec<(Id, Id)>>) -> Vec<(Id, Id)> {
    let mut owners: HashMap<(&str, &str), usize> = HashMap::new();
    let mut joined = Vec::new();
    for (owner, entries) in lists.into_iter().enumerate() {
        for (key, value) in entries {
            let Some(Composed { tag, content: Content::Scalar(text), .. }) = nodes.get(key) else {
                joined.push((key, value));
                continue;
            };
            // Within one map equal keys all stay: there the last one wins.
            if *owners.entry((tag, text)).or_insert(owner) == owner {
                joined.push((key, value));
            }
        }
    }
    joined
}

fn expected(what: &str, node: &Composed) -> Error {
    Error::value(node.span, format!("expected a {what} node, but found {}", node.content.name()))
}

/// A value for an error message, quoted and cut to a readable length.
fn excerpt(text: &str) -> String {
    /// How much of a value an error message shows.
    const MAX_CHARS: usize = 60;
    let cut: String = text.chars().take(MAX_CHARS).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

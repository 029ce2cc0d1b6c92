//! From events to a graph of tagged nodes, in which an alias is a second reference to a node.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Error;
use crate::events::{Event, Events, Head};
use crate::limits::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES};
use crate::node::Span;
use crate::resolve::{Implicit, YAML, resolve};

/// A node's index in [`Document::nodes`].
pub(crate) type Id = usize;

/// A node with its tag decided and its value not yet built.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) tag: Cow<'static, str>,
    pub(crate) content: Content,
    pub(crate) span: Span,
}

/// What a node is made of.
#[derive(Debug)]
pub(crate) enum Content {
    Scalar(String),
    Seq(Vec<Id>),
    Map(Vec<(Id, Id)>),
}

impl Content {
    /// YAML's name for the kind of node.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Seq(_) => "sequence",
            Self::Map(_) => "mapping",
        }
    }
}

/// A document's nodes; `root` is absent in an empty text.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) nodes: Vec<Composed>,
    pub(crate) root: Option<Id>,
}

/// A collection whose end has not come yet.
struct Open {
    id: Id,
    /// The key that waits for its value, in a map.
    key: Option<Id>,
}

/// The tag of a node that says none (or only `!`).
fn tag_of(head: Head, default: &'static str) -> Cow<'static, str> {
    match head.tag {
        Some(tag) if tag != "!" => Cow::Owned(tag),
        _ => Cow::Borrowed(default),
    }
}

const STR: &str = "tag:yaml.org,2002:str";
const SEQ: &str = "tag:yaml.org,2002:seq";
const MAP: &str = "tag:yaml.org,2002:map";

fn implicit_tag(implicit: Implicit) -> Cow<'static, str> {
    match implicit {
        Implicit::Str => Cow::Borrowed(STR),
        other => Cow::Owned(format!("{YAML}{}", other.name())),
    }
}

/// Reads the single document of `text`.
pub(crate) fn compose(text: &str) -> Result<Document, Error> {
    let start = Span { line: 1, column: 1 };
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::limit(start, format!("the text is longer than {MAX_TEXT_BYTES} bytes")));
    }
    let mut events = Events::new(text);
    let mut document = Document { nodes: Vec::new(), root: None };
    let mut anchors: HashMap<usize, Id> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut first = None;
    loop {
        let (event, span) = events.next()?;
        let id = document.nodes.len();
        let (done, opens) = match event {
            Event::StreamEnd => return Ok(document),
            Event::Document => {
                if let Some(first) = first.replace(span) {
                    return Err(Error::syntax(span, "but found another document")
                        .within("expected a single document in the stream", first));
                }
                continue;
            }
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(&id) => (id, false),
                None => return Err(Error::value(span, "found undefined alias")),
            },
            Event::Scalar { head, text, plain } => {
                if let Some(anchor) = head.anchor {
                    anchors.insert(anchor, id);
                }
                let tag = match &head.tag {
                    None if plain => implicit_tag(resolve(&text)),
                    Some(tag) if tag == "!" => implicit_tag(resolve(&text)),
                    _ => tag_of(head, STR),
                };
                document.nodes.push(Composed { tag, content: Content::Scalar(text), span });
                (id, false)
            }
            Event::Seq(head) | Event::Map(head) if open.len() >= MAX_DEPTH => {
                drop(head);
                return Err(Error::limit(span, format!("collections nest deeper than {MAX_DEPTH} levels")));
            }
            Event::Seq(head) => {
                if let Some(anchor) = head.anchor {
                    anchors.insert(anchor, id);
                }
                let tag = tag_of(head, SEQ);
                document.nodes.push(Composed { tag, content: Content::Seq(Vec::new()), span });
                (id, true)
            }
            Event::Map(head) => {
                if let Some(anchor) = head.anchor {
                    anchors.insert(anchor, id);
                }
                let tag = tag_of(head, MAP);
                document.nodes.push(Composed { tag, content: Content::Map(Vec::new()), span });
                (id, true)
            }
            Event::End => {
                open.pop();
                continue;
            }
        };
        if document.nodes.len() > MAX_NODES {
            return Err(Error::limit(span, format!("more than {MAX_NODES} nodes")));
        }
        place(&mut document, &mut open, done);
        if opens {
            open.push(Open { id: done, key: None });
        }
    }
}

/// Puts a node where it belongs: into the innermost open collection, or at the root.
fn place(document: &mut Document, open: &mut [Open], id: Id) {
    let Some(parent) = open.last_mut() else {
        document.root = Some(id);
        return;
    };
    match document.nodes.get_mut(parent.id).map(|node| &mut node.content) {
        Some(Content::Seq(items)) => items.push(id),
        Some(Content::Map(entries)) => match parent.key.take() {
            Some(key) => entries.push((key, id)),
            None => parent.key = Some(id),
        },
        Some(Content::Scalar(_)) | None => {}
    }
}

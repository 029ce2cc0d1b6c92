//! From tokens to a graph of tagged nodes, in which an alias is a second reference to a node.
//!
//! The grammar of documents and nodes, by recursive descent; the depth is bounded.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Error;
use crate::limits::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES};
use crate::node::Span;
use crate::resolve::{Implicit, YAML, resolve};
use crate::scanner::{Scanner, Token, TokenKind};

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

const SEQ: &str = "tag:yaml.org,2002:seq";
const MAP: &str = "tag:yaml.org,2002:map";
const STR: &str = "tag:yaml.org,2002:str";

fn implicit_tag(implicit: Implicit) -> Cow<'static, str> {
    match implicit {
        Implicit::Str => Cow::Borrowed(STR),
        other => Cow::Owned(format!("{YAML}{}", other.name())),
    }
}

/// Reads the single document of `text`.
pub(crate) fn compose(text: &str) -> Result<Document, Error> {
    if text.len() > MAX_TEXT_BYTES {
        let start = Span { line: 1, column: 1 };
        return Err(Error::limit(start, format!("the text is longer than {MAX_TEXT_BYTES} bytes")));
    }
    let mut composer = Composer {
        scanner: Scanner::new(text)?,
        nodes: Vec::new(),
        anchors: HashMap::new(),
        handles: HashMap::new(),
        depth: 0,
    };
    let root = composer.document()?;
    Ok(Document { nodes: composer.nodes, root })
}

/// The anchor and tag before a node.
struct Properties {
    anchor: Option<String>,
    /// The whole tag; `!` is the non-specific one.
    tag: Option<String>,
    /// Where the node begins, properties included.
    start: Span,
    any: bool,
}

/// A text that is being composed.
struct Composer {
    scanner: Scanner,
    nodes: Vec<Composed>,
    anchors: HashMap<String, Id>,
    /// Tag handles of the document, with their prefixes.
    handles: HashMap<String, String>,
    depth: usize,
}

/// A token for an error message.
fn shown(kind: &TokenKind) -> &'static str {
    match kind {
        TokenKind::StreamEnd => "the end of the text",
        TokenKind::VersionDirective(_) | TokenKind::TagDirective(..) | TokenKind::OtherDirective => {
            "a directive"
        }
        TokenKind::DocumentStart => "a new document",
        TokenKind::DocumentEnd => "the end of the document",
        TokenKind::BlockSequenceStart => "a list",
        TokenKind::BlockMappingStart => "a mapping (is the indentation right?)",
        TokenKind::BlockEnd => "the end of the block",
        TokenKind::FlowSequenceStart => "'['",
        TokenKind::FlowSequenceEnd => "']'",
        TokenKind::FlowMappingStart => "'{'",
        TokenKind::FlowMappingEnd => "'}'",
        TokenKind::BlockEntry => "'-'",
        TokenKind::FlowEntry => "','",
        TokenKind::Key => "a mapping key",
        TokenKind::Value => "':'",
        TokenKind::Alias(_) => "an alias",
        TokenKind::Anchor(_) => "an anchor",
        TokenKind::Tag(..) => "a tag",
        TokenKind::Scalar(..) => "a scalar",
    }
}

impl Composer {
    fn peek(&mut self) -> Result<&Token, Error> {
        self.scanner.peek()
    }

    fn next_is(&mut self, wanted: impl Fn(&TokenKind) -> bool) -> Result<bool, Error> {
        Ok(wanted(&self.peek()?.kind))
    }

    /// Takes the next token if it is of a kind.
    fn take_if(&mut self, kind: &TokenKind) -> Result<Option<Token>, Error> {
        if self.peek()?.kind == *kind { self.scanner.take().map(Some) } else { Ok(None) }
    }

    fn unexpected<T>(&mut self, expected: &str, context: &str, start: Span) -> Result<T, Error> {
        let token = self.peek()?;
        let problem = format!("expected {expected}, found {}", shown(&token.kind));
        Err(Error::syntax(token.start, problem).within(context, start))
    }

    /// The document's root; absent when the text has no document.
    fn document(&mut self) -> Result<Option<Id>, Error> {
        self.handles = default_handles();
        let explicit = self.next_is(|kind| is_directive(kind) || *kind == TokenKind::DocumentStart)?;
        let start = self.peek()?.start;
        if self.next_is(|kind| *kind == TokenKind::StreamEnd)? {
            return Ok(None);
        }
        let root = if explicit {
            self.document_start()?;
            let token = self.peek()?;
            let (at, empty) = (
                token.start,
                is_directive(&token.kind)
                    || matches!(
                        token.kind,
                        TokenKind::DocumentStart | TokenKind::DocumentEnd | TokenKind::StreamEnd
                    ),
            );
            if empty { self.empty(at)? } else { self.node(true, false)? }
        } else {
            self.node(true, false)?
        };
        // The end of this document, which may be marked several times; then nothing may follow.
        while self.take_if(&TokenKind::DocumentEnd)?.is_some() {}
        if self.next_is(|kind| *kind == TokenKind::StreamEnd)? {
            return Ok(Some(root));
        }
        let second = self.peek()?.start;
        self.document_start()?;
        Err(Error::syntax(second, "a second document begins here")
            .within("expected a single document, which began", start))
    }

    /// Directives and `---`.
    fn document_start(&mut self) -> Result<(), Error> {
        let mut handles: HashMap<String, String> = HashMap::new();
        let mut version = false;
        while self.next_is(is_directive)? {
            let token = self.scanner.take()?;
            match token.kind {
                TokenKind::VersionDirective(major) => {
                    if version {
                        return Err(Error::syntax(token.start, "a second YAML directive"));
                    }
                    version = true;
                    if major.trim_start_matches('0') != "1" {
                        return Err(Error::syntax(token.start, "only YAML version 1 is supported"));
                    }
                }
                TokenKind::TagDirective(handle, _) if handles.contains_key(&handle) => {
                    let problem = format!("the tag handle {handle} is declared twice");
                    return Err(Error::syntax(token.start, problem));
                }
                TokenKind::TagDirective(handle, prefix) => {
                    handles.insert(handle, prefix);
                }
                _ => {}
            }
        }
        if self.take_if(&TokenKind::DocumentStart)?.is_none() {
            let token = self.peek()?;
            let problem = format!("expected '---', found {}", shown(&token.kind));
            return Err(Error::syntax(token.start, problem));
        }
        self.handles = default_handles();
        self.handles.extend(handles);
        Ok(())
    }

    fn push(&mut self, tag: Cow<'static, str>, content: Content, span: Span) -> Result<Id, Error> {
        if self.nodes.len() >= MAX_NODES {
            return Err(Error::limit(span, format!("more than {MAX_NODES} nodes")));
        }
        self.nodes.push(Composed { tag, content, span });
        Ok(self.nodes.len() - 1)
    }

    /// A value that is not written.
    fn empty(&mut self, span: Span) -> Result<Id, Error> {
        self.push(implicit_tag(Implicit::Null), Content::Scalar(String::new()), span)
    }

    fn properties(&mut self) -> Result<Properties, Error> {
        let (mut anchor, mut tag, mut start) = (None, None, None);
        for _ in 0..2 {
            let token = self.peek()?;
            match &token.kind {
                TokenKind::Anchor(_) if anchor.is_none() => {}
                TokenKind::Tag(..) if tag.is_none() => {}
                _ => break,
            }
            let token = self.scanner.take()?;
            start.get_or_insert(token.start);
            match token.kind {
                TokenKind::Anchor(name) => anchor = Some(name),
                TokenKind::Tag(handle, suffix) => tag = Some((handle, suffix, token.start)),
                _ => {}
            }
        }
        let any = start.is_some();
        let tag = match tag {
            None => None,
            Some((None, suffix, _)) => Some(suffix),
            Some((Some(handle), suffix, at)) => {
                if let Some(prefix) = self.handles.get(&handle) {
                    Some(format!("{prefix}{suffix}"))
                } else {
                    let error = Error::syntax(at, format!("the tag handle {handle} is not declared"));
                    return Err(error.within("while reading a node", start.unwrap_or(at)));
                }
            }
        };
        let start = match start {
            Some(start) => start,
            None => self.peek()?.start,
        };
        Ok(Properties { anchor, tag, start, any })
    }

    /// Gives a new node its anchor's name.
    fn name(&mut self, anchor: Option<String>, id: Id, span: Span) -> Result<(), Error> {
        let Some(name) = anchor else { return Ok(()) };
        if let Some(first) = self.anchors.get(&name).and_then(|&id| self.nodes.get(id)) {
            return Err(Error::value(span, format!("a second anchor {name:?}"))
                .within("the first one is there", first.span));
        }
        self.anchors.insert(name, id);
        Ok(())
    }

    /// A node; `block` where blocks may stand, `indentless` where a list need not be indented.
    fn node(&mut self, block: bool, indentless: bool) -> Result<Id, Error> {
        if let TokenKind::Alias(name) = &self.peek()?.kind {
            let name = name.clone();
            let token = self.scanner.take()?;
            return match self.anchors.get(&name) {
                Some(&id) => Ok(id),
                None => Err(Error::value(token.start, format!("the alias {name:?} has no anchor"))),
            };
        }
        let Properties { anchor, tag, start, any } = self.properties()?;
        let kind = self.peek()?.kind.clone();
        let collection = match kind {
            TokenKind::BlockEntry => indentless,
            TokenKind::FlowSequenceStart | TokenKind::FlowMappingStart => true,
            TokenKind::BlockSequenceStart | TokenKind::BlockMappingStart => block,
            _ => false,
        };
        if !collection {
            let (text, plain) = match kind {
                TokenKind::Scalar(text, plain) => {
                    self.scanner.take()?;
                    (text, plain)
                }
                _ if any => (String::new(), true),
                _ => return self.unexpected("a value", "while reading a node", start),
            };
            let tag = match tag {
                Some(tag) if tag != "!" => Cow::Owned(tag),
                None if !plain => Cow::Borrowed(STR),
                _ => implicit_tag(resolve(&text)),
            };
            let id = self.push(tag, Content::Scalar(text), start)?;
            self.name(anchor, id, start)?;
            return Ok(id);
        }
        if self.depth >= MAX_DEPTH {
            return Err(Error::limit(start, format!("collections nest deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let is_map = matches!(kind, TokenKind::FlowMappingStart | TokenKind::BlockMappingStart);
        let tag = match tag {
            Some(tag) if tag != "!" => Cow::Owned(tag),
            _ => Cow::Borrowed(if is_map { MAP } else { SEQ }),
        };
        let id = self.push(tag, Content::Seq(Vec::new()), start)?;
        // Named before its items are read: an item may refer to it.
        self.name(anchor, id, start)?;
        let content = match kind {
            TokenKind::BlockEntry => self.indentless_sequence().map(Content::Seq),
            TokenKind::FlowSequenceStart => self.flow_sequence().map(Content::Seq),
            TokenKind::FlowMappingStart => self.flow_mapping().map(Content::Map),
            TokenKind::BlockSequenceStart => self.block_sequence().map(Content::Seq),
            _ => self.block_mapping().map(Content::Map),
        }?;
        if let Some(node) = self.nodes.get_mut(id) {
            node.content = content;
        }
        self.depth -= 1;
        Ok(id)
    }

    /// A node in a block, or an empty one where `ends` says that nothing comes.
    fn block_item(
        &mut self,
        sign: &Token,
        indentless: bool,
        ends: impl Fn(&TokenKind) -> bool,
    ) -> Result<Id, Error> {
        if self.next_is(ends)? { self.empty(sign.end) } else { self.node(true, indentless) }
    }

    fn block_sequence(&mut self) -> Result<Vec<Id>, Error> {
        let start = self.scanner.take()?.start;
        let mut items = Vec::new();
        while let Some(sign) = self.take_if(&TokenKind::BlockEntry)? {
            let ends = |kind: &TokenKind| matches!(kind, TokenKind::BlockEntry | TokenKind::BlockEnd);
            items.push(self.block_item(&sign, false, ends)?);
        }
        if self.take_if(&TokenKind::BlockEnd)?.is_none() {
            return self.unexpected("another entry or the end of the list", "while reading a list", start);
        }
        Ok(items)
    }

    fn indentless_sequence(&mut self) -> Result<Vec<Id>, Error> {
        let mut items = Vec::new();
        while let Some(sign) = self.take_if(&TokenKind::BlockEntry)? {
            let ends = |kind: &TokenKind| {
                matches!(
                    kind,
                    TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
                )
            };
            items.push(self.block_item(&sign, false, ends)?);
        }
        Ok(items)
    }

    fn block_mapping(&mut self) -> Result<Vec<(Id, Id)>, Error> {
        fn ends(kind: &TokenKind) -> bool {
            matches!(kind, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd)
        }
        let start = self.scanner.take()?.start;
        let mut entries = Vec::new();
        loop {
            let key = match self.take_if(&TokenKind::Key)? {
                Some(sign) => self.block_item(&sign, true, ends)?,
                // A value without a key belongs to a null key, but only a key may begin an entry.
                None if self.take_if(&TokenKind::BlockEnd)?.is_some() => return Ok(entries),
                None => {
                    let expected = "another key or the end of the mapping";
                    return self.unexpected(expected, "while reading a mapping", start);
                }
            };
            let value = if let Some(sign) = self.take_if(&TokenKind::Value)? {
                self.block_item(&sign, true, ends)?
            } else {
                let at = self.peek()?.start;
                self.empty(at)?
            };
            entries.push((key, value));
        }
    }

    /// A node in brackets, or an empty one before a comma, a colon or the closing bracket.
    fn flow_item(&mut self, sign: &Token, close: &TokenKind, key: bool) -> Result<Id, Error> {
        let ends = |kind: &TokenKind| {
            *kind == TokenKind::FlowEntry || kind == close || (key && *kind == TokenKind::Value)
        };
        if self.next_is(ends)? { self.empty(sign.end) } else { self.node(false, false) }
    }

    /// A value in brackets, if a colon comes.
    fn flow_value(&mut self, close: &TokenKind) -> Result<Id, Error> {
        if let Some(sign) = self.take_if(&TokenKind::Value)? {
            return self.flow_item(&sign, close, false);
        }
        let at = self.peek()?.start;
        self.empty(at)
    }

    fn flow_sequence(&mut self) -> Result<Vec<Id>, Error> {
        const CLOSE: TokenKind = TokenKind::FlowSequenceEnd;
        let start = self.scanner.take()?.start;
        let mut items = Vec::new();
        loop {
            if self.take_if(&CLOSE)?.is_some() {
                return Ok(items);
            }
            if !items.is_empty() {
                if self.take_if(&TokenKind::FlowEntry)?.is_none() {
                    return self.unexpected("',' or ']'", "while reading a list in brackets", start);
                }
                if self.take_if(&CLOSE)?.is_some() {
                    return Ok(items);
                }
            }
            let Some(sign) = self.take_if(&TokenKind::Key)? else {
                items.push(self.node(false, false)?);
                continue;
            };
            // A single pair in a list is a mapping of its own.
            let pair = self.push(Cow::Borrowed(MAP), Content::Seq(Vec::new()), sign.start)?;
            let key = self.flow_item(&sign, &CLOSE, true)?;
            let value = self.flow_value(&CLOSE)?;
            if let Some(node) = self.nodes.get_mut(pair) {
                node.content = Content::Map(vec![(key, value)]);
            }
            items.push(pair);
        }
    }

    fn flow_mapping(&mut self) -> Result<Vec<(Id, Id)>, Error> {
        const CLOSE: TokenKind = TokenKind::FlowMappingEnd;
        let start = self.scanner.take()?.start;
        let mut entries = Vec::new();
        loop {
            if self.take_if(&CLOSE)?.is_some() {
                return Ok(entries);
            }
            if !entries.is_empty() {
                if self.take_if(&TokenKind::FlowEntry)?.is_none() {
                    return self.unexpected("',' or '}'", "while reading a mapping in braces", start);
                }
                if self.take_if(&CLOSE)?.is_some() {
                    return Ok(entries);
                }
            }
            let entry = if let Some(sign) = self.take_if(&TokenKind::Key)? {
                let key = self.flow_item(&sign, &CLOSE, true)?;
                (key, self.flow_value(&CLOSE)?)
            } else {
                let key = self.node(false, false)?;
                let at = self.peek()?.start;
                (key, self.empty(at)?)
            };
            entries.push(entry);
        }
    }
}

fn is_directive(kind: &TokenKind) -> bool {
    matches!(kind, TokenKind::VersionDirective(_) | TokenKind::TagDirective(..) | TokenKind::OtherDirective)
}

fn default_handles() -> HashMap<String, String> {
    HashMap::from([("!".to_owned(), "!".to_owned()), ("!!".to_owned(), YAML.to_owned())])
}

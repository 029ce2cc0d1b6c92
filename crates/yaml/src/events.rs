//! What the parser reports: the document's structure before values mean anything.

use saphyr_parser::{Event as Raw, Marker, Parser, ScalarStyle, StrInput, Tag};

use crate::error::Error;
use crate::node::Span;

/// A scalar or the beginning of a collection, as written.
#[derive(Debug)]
pub(crate) struct Head {
    /// The anchor's number, if there is one.
    pub(crate) anchor: Option<usize>,
    /// The whole tag; `!` is the non-specific tag.
    pub(crate) tag: Option<String>,
}

/// One step through a document.
#[derive(Debug)]
pub(crate) enum Event {
    /// A document begins.
    Document,
    /// A scalar; `plain` when it was written without quotes or block indicator.
    Scalar { head: Head, text: String, plain: bool },
    /// A list begins.
    Seq(Head),
    /// A map begins.
    Map(Head),
    /// A list or map ends.
    End,
    /// An alias to the anchor with this number.
    Alias(usize),
    /// The text ends.
    StreamEnd,
}

/// The events of a text, one at a time.
pub(crate) struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

fn span(marker: &Marker) -> Span {
    Span {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col().saturating_add(1)).unwrap_or(u32::MAX),
    }
}

fn head(anchor: usize, tag: Option<std::borrow::Cow<'_, Tag>>) -> Head {
    let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
    Head { anchor: (anchor != 0).then_some(anchor), tag }
}

impl<'a> Events<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { parser: Parser::new_from_str(text) }
    }

    /// The next event and its place; [`Event::StreamEnd`] for ever after the end.
    pub(crate) fn next(&mut self) -> Result<(Event, Span), Error> {
        loop {
            let (event, place) = match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, Span { line: 1, column: 1 })),
                Some(Err(error)) => return Err(Error::syntax(span(error.marker()), error.info())),
                Some(Ok(event)) => event,
            };
            let event = match event {
                Raw::Nothing | Raw::StreamStart | Raw::DocumentEnd => continue,
                Raw::StreamEnd => Event::StreamEnd,
                Raw::DocumentStart(_) => Event::Document,
                Raw::Alias(anchor) => Event::Alias(anchor),
                Raw::Scalar(text, style, anchor, tag) => Event::Scalar {
                    head: head(anchor, tag),
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                },
                Raw::SequenceStart(anchor, tag) => Event::Seq(head(anchor, tag)),
                Raw::MappingStart(anchor, tag) => Event::Map(head(anchor, tag)),
                Raw::SequenceEnd | Raw::MappingEnd => Event::End,
            };
            return Ok((event, span(&place.start)));
        }
    }
}

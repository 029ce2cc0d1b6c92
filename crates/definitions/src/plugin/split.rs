//! `split`: one segment of a value's text.

use model::Value;
use model::pytext::to_str;
use yaml::{Kind, Node};

use super::quoted;
use crate::problem::Fault;

/// Python's `str(value).split(separator, max_split)[segment]`.
#[derive(Debug)]
pub(crate) struct Split {
    /// Without one, runs of white space separate.
    separator: Option<String>,
    /// Negative counts from the end.
    segment: i64,
    /// How many times to split at most.
    limit: Option<usize>,
}

impl Split {
    pub(super) fn compile(parameters: Option<&Node>) -> Result<Self, Fault> {
        let parameter = |name| parameters.and_then(|parameters| parameters.get(name));
        let separator = match parameter("separator") {
            None => Some(".".to_owned()),
            Some(node) if node.is_null() => None,
            Some(node) => match node.as_str() {
                Some("") | None => {
                    return Err(Fault::new(node, format!("the separator is {}", quoted(node)))
                        .hint("write a text of at least one character, in quotes"));
                }
                Some(text) => Some(text.to_owned()),
            },
        };
        let integer = |node: &Node, name: &str| match node.kind {
            Kind::Int(number) => Ok(number),
            Kind::Bool(truth) => Ok(i64::from(truth)),
            _ => Err(Fault::new(node, format!("{name} is {}", quoted(node))).hint("write an integer")),
        };
        let segment = parameter("segment").map_or(Ok(0), |node| integer(node, "segment"))?;
        let limit = match parameter("max_split").filter(|node| !node.is_null()) {
            // A negative number is no limit.
            Some(node) => usize::try_from(integer(node, "max_split")?).ok(),
            None => None,
        };
        Ok(Self { separator, segment, limit })
    }

    pub(super) fn apply(&self, value: &Value) -> Option<Value> {
        let text = to_str(value);
        let segments: Vec<&str> = match (&self.separator, self.limit) {
            (Some(separator), Some(most)) => {
                text.splitn(most.saturating_add(1), separator.as_str()).collect()
            }
            (Some(separator), None) => text.split(separator.as_str()).collect(),
            (None, most) => words(&text, most),
        };
        let place = match usize::try_from(self.segment) {
            Ok(place) => place,
            Err(_) => segments.len().checked_sub(usize::try_from(self.segment.unsigned_abs()).ok()?)?,
        };
        segments.get(place).map(|segment| (*segment).into())
    }
}

/// Splits at runs of white space; what is left after the last allowed split keeps its end.
fn words(text: &str, most: Option<usize>) -> Vec<&str> {
    let blank = |character: char| character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}');
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(blank);
    while !rest.is_empty() {
        if most.is_some_and(|most| words.len() >= most) {
            words.push(rest);
            break;
        }
        let end = rest.find(blank).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after.trim_start_matches(blank);
    }
    words
}

//! Bodies for fuzzing: they take any bytes and may only return.

use crate::limits::{MAX_DEPTH, MAX_NODES};
use crate::node::{Kind, Node};

/// Parses `data` and checks what must hold of every result.
///
/// # Panics
/// If a result breaks a bound, or an error lies outside the text.
pub fn parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match crate::parse(&text) {
        Ok(node) => {
            let mut count = 0;
            check(&node, 0, &mut count);
            assert!(count <= MAX_NODES, "{count} nodes");
        }
        Err(error) => {
            // The line of a lone carriage return or of U+0085 counts too, so characters bound the lines.
            let most = text.chars().count() + 1;
            let line = usize::try_from(error.span.line).unwrap_or(usize::MAX);
            assert!(line >= 1 && line <= most, "{error} in a text of {most} characters");
            assert!(error.span.column >= 1, "{error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

fn check(node: &Node, depth: usize, count: &mut usize) {
    assert!(depth <= MAX_DEPTH + 1, "depth {depth}");
    *count += 1;
    let mut inner = |node: &Node| check(node, depth + 1, count);
    match &node.kind {
        Kind::Seq(items) | Kind::Set(items) => items.iter().for_each(&mut inner),
        Kind::Map(entries) | Kind::Pairs(entries) => {
            for (key, value) in entries {
                inner(key);
                inner(value);
            }
        }
        _ => {}
    }
}

//! `bitfield`: a number whose bits say which values were found.

use model::Value;
use model::pytext::integer_of;
use yaml::Node;

use super::{Found, quoted};
use crate::field::to_value;
use crate::plugin::map::equal;
use crate::problem::Fault;

/// The highest bit that a flag may have, so that the number fits 64 bits with its sign.
const HIGHEST_BIT: i64 = 62;

/// An initial number and the flags that are or'ed to it.
#[derive(Debug)]
pub(crate) struct Bitfield {
    initial: i64,
    flags: Vec<Flag>,
}

#[derive(Debug)]
struct Flag {
    /// The full path of a value found.
    path: String,
    mask: i64,
    /// Any value will do if this is absent.
    value: Option<Value>,
}

impl Bitfield {
    pub(super) fn compile(parameters: Option<&Node>) -> Result<Self, Fault> {
        let parameter = |name| parameters.and_then(|parameters| parameters.get(name));
        let initial = match parameter("initial_bitfield") {
            None => 0,
            Some(node) => node.as_i64().ok_or_else(|| {
                Fault::new(node, format!("initial_bitfield is {}", quoted(node))).hint("write an integer")
            })?,
        };
        let flags = match parameter("flags").filter(|flags| !flags.is_null()) {
            None => Vec::new(),
            Some(node) => {
                let items = node.as_seq().ok_or_else(|| {
                    Fault::new(node, format!("flags is {}", node.type_name()))
                        .hint("write a list of maps with `path`, `bit` and perhaps `value`")
                })?;
                items.iter().map(Flag::compile).collect::<Result<_, _>>()?
            }
        };
        Ok(Self { initial, flags })
    }

    pub(super) fn apply(&self, found: &Found<'_>) -> i64 {
        self.flags.iter().filter(|flag| flag.is_set(found)).fold(self.initial, |bits, flag| bits | flag.mask)
    }
}

impl Flag {
    fn compile(node: &Node) -> Result<Self, Fault> {
        let path = node.get("path").and_then(Node::as_str).ok_or_else(|| {
            Fault::new(node, "a flag has no `path`")
                .hint("write the full path of a value, such as `payload.state`")
        })?;
        // Numbers in quotes are fine as well, and decimals are cut.
        let bit = node.get("bit").and_then(|bit| match integer_of(&to_value(bit)) {
            Ok(Value::Int(bit)) if (0..=HIGHEST_BIT).contains(&bit) => Some(bit),
            _ => None,
        });
        let bit = bit.ok_or_else(|| {
            Fault::new(node, "a flag has no usable `bit`")
                .hint(format!("write a number from 0 to {HIGHEST_BIT}"))
        })?;
        Ok(Self { path: path.to_owned(), mask: 1 << bit, value: node.get("value").map(to_value) })
    }

    fn is_set(&self, found: &Found<'_>) -> bool {
        // Of several values at one path the last one counts.
        let last = found.iter().rev().find(|(path, _)| *path == self.path);
        last.is_some_and(|(_, found)| self.value.as_ref().is_none_or(|wanted| equal(wanted, found)))
    }
}

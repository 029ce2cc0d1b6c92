//! The quick way for paths of fields and indices.

use std::borrow::Cow;

use model::Value;

use super::ast::Expr;

/// A step of a plain path.
#[derive(Debug, Clone)]
enum Step {
    Field(Box<str>),
    Index(i64),
}

/// A path that leads to at most one value, by fields and indices alone.
#[derive(Debug, Clone)]
pub(super) struct Plain(Vec<Step>);

/// The alternatives of a path whose first value needs no general evaluation.
pub(super) fn alternatives(expr: &Expr) -> Option<Vec<Plain>> {
    match expr {
        Expr::Union(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(alternatives).collect();
            parts.map(|parts| parts.into_iter().flatten().collect())
        }
        Expr::Chain(steps) => plain(steps).map(|plain| vec![plain]),
        single => plain(std::slice::from_ref(single)).map(|plain| vec![plain]),
    }
}

fn plain(parts: &[Expr]) -> Option<Plain> {
    let mut steps = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            // Further in, `$` leads back to the root, but only where the steps before it match.
            Expr::Root if steps.is_empty() => {}
            Expr::This => {}
            Expr::Fields(names) => match names.as_slice() {
                [name] => steps.push(Step::Field((**name).into())),
                _ => return None,
            },
            Expr::Index(index) => steps.push(Step::Index(*index)),
            _ => return None,
        }
    }
    Some(Plain(steps))
}

impl Plain {
    /// The value at the end of the path, unless it is null.
    pub(super) fn follow<'v>(&self, root: &'v Value) -> Option<Cow<'v, Value>> {
        let mut value = root;
        for (place, step) in self.0.iter().enumerate() {
            value = match (step, value) {
                (Step::Field(name), Value::Map(map)) => map.get(name)?,
                (Step::Index(index), Value::List(items)) => items.get(position(*index, items.len())?)?,
                (Step::Index(index), Value::Str(text)) => {
                    let mut letter = character(text, *index)?;
                    // A single character only has itself at 0 and -1, and no fields.
                    for step in self.0.get(place + 1..).unwrap_or_default() {
                        match step {
                            Step::Index(index @ (0 | -1)) => letter = character(&letter, *index)?,
                            _ => return None,
                        }
                    }
                    return Some(Cow::Owned(Value::Str(letter.into())));
                }
                _ => return None,
            };
        }
        (!value.is_null()).then_some(Cow::Borrowed(value))
    }
}

/// Python's index, which counts from the end when negative.
pub(super) fn position(index: i64, length: usize) -> Option<usize> {
    let place = match usize::try_from(index) {
        Ok(place) => place,
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (place < length).then_some(place)
}

/// The character at `index`, as a text.
pub(super) fn character(text: &str, index: i64) -> Option<String> {
    let found = match usize::try_from(index) {
        Ok(place) => text.chars().nth(place),
        Err(_) => text.chars().rev().nth(usize::try_from(index.unsigned_abs()).ok()?.checked_sub(1)?),
    };
    found.map(String::from)
}

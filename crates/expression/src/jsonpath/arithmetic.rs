//! `+`, `-` and `*` on values, as Python's operators.

use std::rc::Rc;

use model::Value;

use super::MAX_COMPUTED_SIZE;
use super::ast::Operator;
use super::view::View;
use crate::number;

/// The result and its size in bytes or items; `None` where Python raises or the result is too large.
pub(super) fn apply<'v>(operator: Operator, left: &View<'v>, right: &View<'v>) -> Option<(View<'v>, usize)> {
    match operator {
        Operator::Add => {
            if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
                let size = left.len() + right.len();
                return bounded(size)
                    .map(|size| (View::scalar(Value::Str([left, right].concat().into())), size));
            }
            if let (Some(left), Some(right)) = (left.items(), right.items()) {
                let size = bounded(left.len() + right.len())?;
                return Some((View::List(Rc::new(left.iter().chain(right.iter()).collect())), size));
            }
            let sum = number::add(left.value()?, right.value()?)?;
            Some((View::scalar(sum), 1))
        }
        Operator::Subtract => {
            let difference = number::subtract(left.value()?, right.value()?)?;
            Some((View::scalar(difference), 1))
        }
        Operator::Multiply => {
            for (sequence, factor) in [(left, right), (right, left)] {
                if let Some(count) = factor.value().and_then(number::repetitions) {
                    if let Some(text) = sequence.as_str() {
                        let size = bounded(text.len().checked_mul(count)?)?;
                        return Some((View::scalar(Value::Str(text.repeat(count).into())), size));
                    }
                    if let Some(items) = sequence.items() {
                        let size = bounded(items.len().checked_mul(count)?)?;
                        let repeated = (0..count).flat_map(|_| items.iter()).take(size).collect();
                        return Some((View::List(Rc::new(repeated)), size));
                    }
                }
            }
            let product = number::multiply(left.value()?, right.value()?)?;
            Some((View::scalar(product), 1))
        }
    }
}

fn bounded(size: usize) -> Option<usize> {
    (size <= MAX_COMPUTED_SIZE).then_some(size)
}

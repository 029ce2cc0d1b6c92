//! Equality, order and sorting as Python has them.

use std::cmp::Ordering;
use std::collections::HashMap;

use model::{Map, Value};

use super::view::View;
use crate::number;

/// Up to here a map is compared by looking every key up, beyond with an index.
const SMALL_MAP: usize = 32;

/// Python's `==`.
pub(super) fn equal(left: &View<'_>, right: &View<'_>) -> bool {
    if let (Some(left), Some(right)) = (left.value(), right.value()) {
        return equal_values(left, right);
    }
    match (left.items(), right.items()) {
        (Some(left), Some(right)) => {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(left, right)| equal(&left, &right))
        }
        _ => false,
    }
}

fn equal_values(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal_values(left, right))
        }
        (Value::Map(left), Value::Map(right)) => equal_maps(left, right),
        _ => number::compare(left, right) == Some(Ordering::Equal),
    }
}

fn equal_maps(left: &Map, right: &Map) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if left.len() <= SMALL_MAP {
        return left
            .iter()
            .all(|(key, value)| right.get(key).is_some_and(|other| equal_values(value, other)));
    }
    let index: HashMap<&str, &Value> = right.iter().collect();
    left.iter().all(|(key, value)| index.get(key).is_some_and(|other| equal_values(value, other)))
}

/// Python's `<`; `None` where it raises.
pub(super) fn less(left: &View<'_>, right: &View<'_>) -> Option<bool> {
    compare(left, right).map(|ordering| ordering == Some(Ordering::Less))
}

/// Python's `<=`; `None` where it raises.
pub(super) fn less_or_equal(left: &View<'_>, right: &View<'_>) -> Option<bool> {
    compare(left, right).map(|ordering| matches!(ordering, Some(Ordering::Less | Ordering::Equal)))
}

/// An order for sorting: not a number counts as equal to everything; `None` where Python's `<` raises.
pub(super) fn order(left: &View<'_>, right: &View<'_>) -> Option<Ordering> {
    compare(left, right).map(|ordering| ordering.unwrap_or(Ordering::Equal))
}

/// The outer `None` is a raise, the inner one a comparison with not-a-number.
#[allow(clippy::option_option, reason = "two different absences, private to this module")]
fn compare(left: &View<'_>, right: &View<'_>) -> Option<Option<Ordering>> {
    if let (Some(left), Some(right)) = (left.items(), right.items()) {
        for (left, right) in left.iter().zip(right.iter()) {
            if !equal(&left, &right) {
                return compare(&left, &right);
            }
        }
        return Some(Some(left.len().cmp(&right.len())));
    }
    match (left.value()?, right.value()?) {
        (Value::Str(left), Value::Str(right)) => Some(Some(left.cmp(right))),
        (left, right) if number::is_number(left) && number::is_number(right) => {
            Some(number::compare(left, right))
        }
        _ => None,
    }
}

/// Up to here Python's sort inserts, beyond it merges.
const SHORT: usize = 64;

/// A stable sort that terminates whatever the comparison answers.
///
/// The standard library's sort may panic when a comparison contradicts itself, and a sort key that some
/// items lack makes it do so: such items compare as equal to all others. Their order then depends on
/// which items are compared at all, so short lists are sorted in the very steps that Python takes: the
/// first run as it stands, or reversed if it falls; every further item inserted by halving.
pub(super) fn sort<T: Clone>(items: Vec<T>, compare: &mut impl FnMut(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < SHORT {
        return insert_all(items, compare);
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let left = sort(left, compare);
    let right = sort(right, compare);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let from_right = compare(other, one) == Ordering::Less;
        merged.extend(if from_right { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

fn insert_all<T>(items: Vec<T>, compare: &mut impl FnMut(&T, &T) -> Ordering) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::with_capacity(items.len());
    let mut falling = None;
    let mut in_run = true;
    for item in items {
        if in_run && let Some(last) = sorted.last() {
            let falls = compare(&item, last) == Ordering::Less;
            in_run = *falling.get_or_insert(falls) == falls;
            if !in_run && falling == Some(true) {
                sorted.reverse();
            }
        }
        if in_run {
            sorted.push(item);
            continue;
        }
        let (mut low, mut high) = (0, sorted.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match sorted.get(middle) {
                Some(other) if compare(&item, other) == Ordering::Less => high = middle,
                _ => low = middle + 1,
            }
        }
        sorted.insert(low, item);
    }
    if in_run && falling == Some(true) {
        sorted.reverse();
    }
    sorted
}

//! Evaluation of a path.
//!
//! Every `find_*` pushes what a step matches for one datum. A step that would raise upstream pushes
//! nothing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use model::Value;

use super::arithmetic;
use super::ast::{Comparison, Condition, Expr, Operand, Operator, OrderOperator, SortKey, Split};
use super::compare::{self, equal, order};
use super::plain::{character, position};
use super::view::{Datum, Segment, View};
use super::{MAX_COMPUTED_SIZE, MAX_DESCENT, MAX_STEPS};
use crate::number;
use crate::pattern::Substitution;

/// Data in the order in which they were found.
pub(super) type Found<'v> = Vec<Rc<Datum<'v>>>;

/// Evaluates `expr`; the flag tells that a bound cut the evaluation short.
pub(super) fn evaluate<'v>(expr: &Expr, root: &'v Value) -> (Found<'v>, bool) {
    let mut evaluation = Evaluation { steps_left: MAX_STEPS, truncated: false };
    let start = Rc::new(Datum { bare: true, ..Datum::root(View::Ref(root)) });
    let mut found = evaluation.all(expr, &start);
    found.retain(|datum| !datum.nothing);
    (found, evaluation.truncated)
}

/// The bounds of an evaluation.
struct Evaluation {
    steps_left: usize,
    truncated: bool,
}

impl Evaluation {
    /// Takes `cost` steps off the budget; `false` once it is used up.
    fn charge(&mut self, cost: usize) -> bool {
        if let Some(left) = self.steps_left.checked_sub(cost) {
            self.steps_left = left;
            true
        } else {
            self.steps_left = 0;
            self.truncated = true;
            false
        }
    }

    fn all<'v>(&mut self, expr: &Expr, datum: &Rc<Datum<'v>>) -> Found<'v> {
        let mut found = Vec::new();
        self.find(expr, datum, &mut found);
        found
    }

    fn find<'v>(&mut self, expr: &Expr, datum: &Rc<Datum<'v>>, found: &mut Found<'v>) {
        if !self.charge(1) {
            return;
        }
        match expr {
            Expr::Root => found.push(root_of(datum)),
            Expr::This => found.push(touched(datum)),
            Expr::Parent => found.push(match &datum.parent {
                Some(parent) => Rc::clone(parent),
                None => {
                    Rc::new(Datum { bare: true, nothing: true, ..Datum::root(View::scalar(Value::Null)) })
                }
            }),
            Expr::Fields(names) => {
                let Some(map) = datum.view.as_map() else { return };
                let datum = touched(datum);
                for name in names {
                    if let Some(value) = map.get(name) {
                        let segment = Segment::Named(name.clone());
                        found.push(Rc::new(Datum::child(View::Ref(value), segment, &datum)));
                    }
                }
            }
            Expr::AnyField => {
                let Some(map) = datum.view.as_map() else { return };
                let datum = touched(datum);
                if self.charge(map.len()) {
                    found.extend(map.iter().map(|(key, value)| {
                        Rc::new(Datum::child(View::Ref(value), Segment::Key(key), &datum))
                    }));
                }
            }
            Expr::Index(index) => find_index(*index, datum, found),
            Expr::Slice(start, end) => self.find_slice(*start, *end, datum, found),
            Expr::Chain(steps) => self.find_chain(steps, datum, found),
            Expr::Descendants(left, right) => self.find_descendants(left, right, datum, found),
            Expr::Where(left, right) => {
                for candidate in self.all(left, datum) {
                    if self.is_true(right, &candidate) {
                        found.push(candidate);
                    }
                }
            }
            Expr::Union(parts) => {
                for part in parts {
                    self.find(part, datum, found);
                }
            }
            Expr::Intersect => {}
            Expr::Operation(left, operator, right) => {
                self.find_operation(left, *operator, right, datum, found);
            }
            Expr::Filter(conditions) => self.find_filtered(conditions, datum, found),
            Expr::Sort(keys) => {
                if let Some(list) = self.sorted(keys, datum) {
                    found.push(Rc::new(Datum::root(View::List(Rc::new(list)))));
                }
            }
            Expr::Len => {
                if let Some(length) = length(&datum.view) {
                    let length = Value::Int(i64::try_from(length).unwrap_or(i64::MAX));
                    found.push(Rc::new(Datum::root(View::scalar(length))));
                }
            }
            Expr::Split(split) => {
                if let Some(part) = datum.view.as_str().and_then(|text| segment_of(split, text)) {
                    found.push(Rc::new(Datum::root(View::scalar(Value::from(part)))));
                }
            }
            Expr::Sub(substitution) => self.find_substituted(substitution, datum, found),
        }
    }

    fn find_chain<'v>(&mut self, steps: &[Expr], datum: &Rc<Datum<'v>>, found: &mut Found<'v>) {
        match steps {
            [] => found.push(Rc::clone(datum)),
            [last] => self.find(last, datum, found),
            [first, rest @ ..] => {
                for next in self.all(first, datum) {
                    self.find_chain(rest, &next, found);
                }
            }
        }
    }

    fn find_slice<'v>(
        &mut self,
        start: Option<i64>,
        end: Option<i64>,
        datum: &Rc<Datum<'v>>,
        found: &mut Found<'v>,
    ) {
        let Some(items) = datum.view.items() else {
            // A map, an integer or a text counts as a list of itself; on null and floats upstream raises.
            let wraps = match datum.view.value() {
                Some(Value::Null | Value::Float(_)) | None => false,
                Some(_) => !datum.nothing,
            };
            if wraps && !slice_range(start, end, 1).is_empty() {
                let list = Rc::new(Datum {
                    view: View::List(Rc::new(vec![datum.view.clone()])),
                    segment: datum.segment.clone(),
                    parent: datum.parent.clone(),
                    bare: false,
                    nothing: false,
                });
                found.push(Rc::new(Datum::child(datum.view.clone(), Segment::Index(0), &list)));
            }
            return;
        };
        let range = slice_range(start, end, items.len());
        if !self.charge(range.len()) {
            return;
        }
        let datum = touched(datum);
        for index in range {
            if let Some(item) = items.get(index) {
                found.push(Rc::new(Datum::child(item, index_segment(index), &datum)));
            }
        }
    }

    fn find_descendants<'v>(
        &mut self,
        left: &Expr,
        right: &Expr,
        datum: &Rc<Datum<'v>>,
        found: &mut Found<'v>,
    ) {
        let tops = match bare_result(left, datum) {
            Some(datum) => vec![datum],
            None => self.all(left, datum),
        };
        for top in tops {
            if !top.nothing {
                self.descend(right, &top, 0, found);
            }
        }
    }

    fn descend<'v>(&mut self, right: &Expr, datum: &Rc<Datum<'v>>, depth: usize, found: &mut Found<'v>) {
        if depth > MAX_DESCENT {
            self.truncated = true;
            return;
        }
        self.find(right, datum, found);
        if let Some(items) = datum.view.items() {
            for (index, item) in items.iter().enumerate() {
                if self.steps_left == 0 {
                    self.truncated = true;
                    return;
                }
                let child = Rc::new(Datum::child(item, index_segment(index), datum));
                self.descend(right, &child, depth + 1, found);
            }
        } else if let Some(map) = datum.view.as_map() {
            for (key, value) in map.iter() {
                if self.steps_left == 0 {
                    self.truncated = true;
                    return;
                }
                let child = Rc::new(Datum::child(View::Ref(value), Segment::Key(key), datum));
                self.descend(right, &child, depth + 1, found);
            }
        }
    }

    /// Whether a path used as a condition matches.
    fn is_true(&mut self, expr: &Expr, datum: &Rc<Datum<'_>>) -> bool {
        bare_result(expr, datum).is_some() || !self.all(expr, datum).is_empty()
    }

    fn find_filtered<'v>(&mut self, conditions: &[Condition], datum: &Rc<Datum<'v>>, found: &mut Found<'v>) {
        let Some(items) = datum.view.items() else { return };
        let parent = touched(datum);
        for (index, item) in items.iter().enumerate() {
            if !self.charge(1) {
                return;
            }
            // Most filters compare one field: that needs no trail.
            if let (View::Ref(value), [Condition { plain: Some(plain), comparison: Some(comparison), .. }]) =
                (&item, conditions)
            {
                let holds = plain.follow(value).is_some_and(|target| {
                    let target = match target {
                        Cow::Borrowed(value) => View::Ref(value),
                        Cow::Owned(value) => View::scalar(value),
                    };
                    matches!(compares(comparison, &target), Verdict::True)
                });
                if holds {
                    found.push(Rc::new(Datum::child(item, index_segment(index), &parent)));
                }
                continue;
            }
            // Inside a filter, `$` is the item.
            let candidate = Rc::new(Datum::root(item.clone()));
            if conditions.iter().all(|condition| self.holds(condition, &candidate)) {
                found.push(Rc::new(Datum::child(item, index_segment(index), &parent)));
            }
        }
    }

    fn holds(&mut self, condition: &Condition, datum: &Rc<Datum<'_>>) -> bool {
        let Some(comparison) = &condition.comparison else { return self.is_true(&condition.target, datum) };
        let mut any = false;
        for candidate in self.all(&condition.target, datum) {
            if candidate.nothing {
                return false;
            }
            match compares(comparison, &candidate.view) {
                Verdict::True => any = true,
                Verdict::False => {}
                // Upstream raises, and with that the condition has no match at all.
                Verdict::Raises => return false,
            }
        }
        any
    }

    fn find_operation<'v>(
        &mut self,
        left: &Operand,
        operator: Operator,
        right: &Operand,
        datum: &Rc<Datum<'v>>,
        found: &mut Found<'v>,
    ) {
        let views = |evaluation: &mut Self, expr: &Expr| -> Option<Vec<View<'v>>> {
            let data = evaluation.all(expr, datum);
            if data.iter().any(|datum| datum.nothing) {
                return None;
            }
            Some(data.into_iter().map(|datum| datum.view.clone()).collect())
        };
        let pairs: Vec<(View<'v>, View<'v>)> = match (left, right) {
            (Operand::Path(left), Operand::Path(right)) => {
                let Some(left) = views(self, left) else { return };
                let Some(right) = views(self, right) else { return };
                if left.len() != right.len() {
                    return;
                }
                left.into_iter().zip(right).collect()
            }
            (Operand::Path(left), Operand::Literal(right)) => {
                let Some(left) = views(self, left) else { return };
                left.into_iter().map(|left| (left, View::scalar(right.clone()))).collect()
            }
            (Operand::Literal(left), Operand::Path(right)) => {
                let Some(right) = views(self, right) else { return };
                right.into_iter().map(|right| (View::scalar(left.clone()), right)).collect()
            }
            (Operand::Literal(left), Operand::Literal(right)) => {
                vec![(View::scalar(left.clone()), View::scalar(right.clone()))]
            }
        };
        let mut results = Vec::with_capacity(pairs.len());
        for (left, right) in &pairs {
            // A pair that cannot be computed spoils the others too.
            let Some((result, size)) = arithmetic::apply(operator, left, right) else { return };
            /// How many bytes or items of a computed value count as one step.
            const SIZE_PER_STEP: usize = 64;
            if !self.charge(1 + size / SIZE_PER_STEP) {
                return;
            }
            results.push(Rc::new(Datum::root(result)));
        }
        found.extend(results);
    }

    fn find_substituted<'v>(
        &mut self,
        substitution: &Substitution,
        datum: &Rc<Datum<'v>>,
        found: &mut Found<'v>,
    ) {
        let Some(text) = datum.view.as_str() else { return };
        if let Some(result) = substitution.apply(text, MAX_COMPUTED_SIZE)
            && result != text
            && self.charge(1 + result.len() / 64)
        {
            found.push(Rc::new(Datum::root(View::scalar(Value::from(result)))));
        }
    }

    /// The sorted items of a list or keys of a map.
    fn sorted<'v>(&mut self, keys: &[SortKey], datum: &Rc<Datum<'v>>) -> Option<Vec<View<'v>>> {
        if datum.bare {
            return None;
        }
        let items: Vec<View<'v>> = match (datum.view.items(), datum.view.as_map()) {
            (Some(items), _) => items.iter().collect(),
            (None, Some(map)) if keys.is_empty() => {
                map.iter().map(|(key, _)| View::scalar(Value::from(key))).collect()
            }
            _ => return None,
        };
        if !self.charge(items.len()) {
            return None;
        }
        let mut raises = false;
        let sorted = compare::sort(items, &mut |left, right| {
            if raises || !self.charge(1) {
                return Ordering::Equal;
            }
            let result = if keys.is_empty() { order(left, right) } else { self.compare(keys, left, right) };
            result.unwrap_or_else(|| {
                raises = true;
                Ordering::Equal
            })
        });
        (!raises && !self.truncated).then_some(sorted)
    }

    /// Orders two items by the first key in which they differ; `None` where upstream raises.
    fn compare<'v>(&mut self, keys: &[SortKey], left: &View<'v>, right: &View<'v>) -> Option<Ordering> {
        let left = Rc::new(Datum::root(left.clone()));
        let right = Rc::new(Datum::root(right.clone()));
        for key in keys {
            let of_left = self.all(&key.field, &left);
            let of_right = self.all(&key.field, &right);
            // An item without the field, or with several, compares as equal.
            let ([one], [other]) = (of_left.as_slice(), of_right.as_slice()) else { continue };
            if one.nothing || other.nothing {
                return None;
            }
            if equal(&one.view, &other.view) {
                continue;
            }
            let ordering = match order(&one.view, &other.view)? {
                Ordering::Less => Ordering::Less,
                _ => Ordering::Greater,
            };
            return Some(if key.descending { ordering.reverse() } else { ordering });
        }
        Some(Ordering::Equal)
    }
}

/// The outcome of a comparison.
enum Verdict {
    True,
    False,
    Raises,
}

fn compares(comparison: &Comparison, view: &View<'_>) -> Verdict {
    if view.is_null() {
        return Verdict::False;
    }
    let truth = match comparison {
        Comparison::Regex(pattern) => match (pattern, view.as_str()) {
            (Some(pattern), Some(text)) => Some(pattern.is_match(text)),
            _ => None,
        },
        Comparison::Order(operator, constant) => {
            // Before a comparison with an integer, or a boolean, the value is converted by int().
            let converted = match constant {
                Value::Int(_) | Value::BigInt(_) | Value::Bool(_) => match number::to_integer(view.value()) {
                    number::Conversion::Integer(value) => Some(View::scalar(value)),
                    number::Conversion::NotANumber => return Verdict::False,
                    number::Conversion::Raises => return Verdict::Raises,
                },
                _ => None,
            };
            let left = converted.as_ref().unwrap_or(view);
            let right = View::Ref(constant);
            match operator {
                OrderOperator::Equal => Some(equal(left, &right)),
                OrderOperator::NotEqual => Some(!equal(left, &right)),
                OrderOperator::Less => compare::less(left, &right),
                OrderOperator::LessOrEqual => compare::less_or_equal(left, &right),
                OrderOperator::Greater => compare::less(&right, left),
                OrderOperator::GreaterOrEqual => compare::less_or_equal(&right, left),
            }
        }
    };
    match truth {
        Some(true) => Verdict::True,
        Some(false) => Verdict::False,
        None => Verdict::Raises,
    }
}

/// Upstream's sort returns a datum instead of a list of data where it cannot sort. Most callers raise over
/// that; three (both sides of `where` and `..`, and a condition without comparison) go on with it.
fn bare_result<'v>(expr: &Expr, datum: &Rc<Datum<'v>>) -> Option<Rc<Datum<'v>>> {
    let Expr::Sort(keys) = expr else { return None };
    if datum.bare || datum.view.items().is_some() || (datum.view.as_map().is_some() && keys.is_empty()) {
        return None;
    }
    Some(Rc::clone(datum))
}

/// The datum as a step hands it on, no longer bare.
fn touched<'v>(datum: &Rc<Datum<'v>>) -> Rc<Datum<'v>> {
    if datum.bare { Rc::new(Datum::root(datum.view.clone())) } else { Rc::clone(datum) }
}

fn root_of<'v>(datum: &Rc<Datum<'v>>) -> Rc<Datum<'v>> {
    let mut top = datum;
    while let Some(parent) = &top.parent {
        top = parent;
    }
    touched(top)
}

fn index_segment<'v>(index: usize) -> Segment<'v> {
    Segment::Index(i64::try_from(index).unwrap_or(i64::MAX))
}

fn find_index<'v>(index: i64, datum: &Rc<Datum<'v>>, found: &mut Found<'v>) {
    let item = if let Some(items) = datum.view.items() {
        position(index, items.len()).and_then(|place| items.get(place))
    } else {
        let text = datum.view.as_str();
        text.and_then(|text| character(text, index)).map(|letter| View::scalar(Value::from(letter)))
    };
    if let Some(item) = item {
        found.push(Rc::new(Datum::child(item, Segment::Index(index), &touched(datum))));
    }
}

/// Python's slice of a list of `length` items.
fn slice_range(start: Option<i64>, end: Option<i64>, length: usize) -> std::ops::Range<usize> {
    let clamp = |bound: i64| match usize::try_from(bound) {
        Ok(place) => place.min(length),
        Err(_) => length.saturating_sub(usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let start = start.map_or(0, clamp);
    let end = end.map_or(length, clamp);
    start..end.max(start)
}

fn length(view: &View<'_>) -> Option<usize> {
    match (view.items(), view.as_map(), view.as_str()) {
        (Some(items), ..) => Some(items.len()),
        (_, Some(map), _) => Some(map.len()),
        (.., Some(text)) => Some(text.chars().count()),
        _ => None,
    }
}

fn segment_of<'t>(split: &Split, text: &'t str) -> Option<&'t str> {
    match split.most {
        // Python raises where a count does not fit its machine integer.
        Some(most) if i64::try_from(most).is_err() => None,
        None => text.split(split.separator).nth(split.segment),
        Some(most) => text.splitn(most.saturating_add(1), split.separator).nth(split.segment),
    }
}

//! Archive policies.

use archive::policy::expand_methods;
use archive::{ArchivePolicy, Definition, MethodSet};
use metric_index::time;
use model::Value;

use super::{Invalid, Object, list, text, whole};
use crate::failure::Failure;

/// One granularity as it is given.
#[derive(Debug, Default)]
struct Given {
    granularity: Option<i64>,
    points: Option<u64>,
    timespan: Option<i64>,
}

fn span(value: &Value) -> Result<i64, Invalid> {
    time::timespan(value).map_err(|error| Invalid::new(error.to_string()))
}

fn given(value: &Value) -> Result<Given, Invalid> {
    let mut object = Object::of(value)?;
    let granularity = object.optional("granularity", span);
    let points = object.optional("points", |value| whole(value, 1)).map(i64::unsigned_abs);
    let timespan = object.optional("timespan", span);
    object.finish()?;
    Ok(Given { granularity, points, timespan })
}

fn definition(value: &Value) -> Result<Vec<Given>, Invalid> {
    let items = list(value, given)?;
    if items.is_empty() {
        return Err(Invalid::new("length of value must be at least 1"));
    }
    Ok(items)
}

fn complete(given: Vec<Given>) -> Result<Vec<Definition>, Failure> {
    let made = given.into_iter().map(|item| Definition::new(item.granularity, item.points, item.timespan));
    made.collect::<Result<_, _>>().map_err(|error| Failure::invalid(error.to_string()))
}

fn methods(value: &Value, defaults: MethodSet) -> Result<MethodSet, Invalid> {
    let names = list(value, |value| {
        let name = text(value).map_err(|_| Invalid::new("not a valid value"))?;
        let known = expand_methods([name.as_str()], defaults);
        known.map(|_| name).map_err(|_| Invalid::new("not a valid value"))
    })?;
    expand_methods(names.iter().map(String::as_str), defaults).map_err(|_| Invalid::new("not a valid value"))
}

/// A policy to be made.
pub(crate) fn archive_policy(value: &Value, defaults: MethodSet) -> Result<ArchivePolicy, Failure> {
    let mut object = Object::of(value)?;
    let name = object.required("name", text);
    let back_window = object.optional("back_window", |value| whole(value, 0));
    let methods = object.optional("aggregation_methods", |value| methods(value, defaults));
    let items = object.required("definition", definition);
    object.finish()?;
    let definition = complete(items.unwrap_or_default())?;
    let back_window = back_window.unwrap_or_default().unsigned_abs();
    ArchivePolicy::new(name.unwrap_or_default(), back_window, definition, methods.unwrap_or(defaults))
        .map_err(|error| Failure::invalid(error.to_string()))
}

/// What of a policy can be changed.
#[derive(Debug)]
pub(crate) struct ArchivePolicyChange {
    pub(crate) definition: Vec<Definition>,
    pub(crate) back_window: Option<u64>,
}

/// A change of a policy.
pub(crate) fn archive_policy_change(value: &Value) -> Result<ArchivePolicyChange, Failure> {
    let mut object = Object::of(value)?;
    let items = object.required("definition", definition);
    let back_window = object.optional("back_window", |value| whole(value, 0)).map(i64::unsigned_abs);
    object.finish()?;
    Ok(ArchivePolicyChange { definition: complete(items.unwrap_or_default())?, back_window })
}

//! [`Target`]: what a rule is asked about.

use std::borrow::Cow;

use metric_index::{Metric, Resource};
use model::{Map, Value, pytext};

use crate::view;

/// What a rule is asked about. Attributes without a value are none, so that nobody is somebody's owner for want of one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    of: Of<'a>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Of<'a> {
    #[default]
    Nothing,
    Pairs(&'a [(&'a str, &'a str)]),
    Resource(&'a Resource),
    Metric(&'a Metric),
}

impl<'a> Target<'a> {
    /// A thing with these attributes.
    pub const fn of_pairs(pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self { of: Of::Pairs(pairs) }
    }

    /// A resource.
    pub const fn of_resource(resource: &'a Resource) -> Self {
        Self { of: Of::Resource(resource) }
    }

    /// A metric.
    pub const fn of_metric(metric: &'a Metric) -> Self {
        Self { of: Of::Metric(metric) }
    }
}

impl oslo_policy::Target for Target<'_> {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.of {
            Of::Nothing => None,
            Of::Pairs(pairs) => {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Borrowed(*value))
            }
            Of::Resource(resource) => of_resource(resource, name),
            Of::Metric(metric) => of_metric(metric, name),
        }
    }
}

/// The parts of a creator: user and project.
pub(super) fn creator_parts(creator: Option<&str>) -> (Option<&str>, Option<&str>) {
    match creator {
        None => (None, None),
        Some(creator) => match creator.split_once(':') {
            Some((user, project)) => (Some(user), Some(project)),
            None => (Some(creator), None),
        },
    }
}

/// What rules ask about mostly, without showing the whole thing.
fn of_creator<'a>(creator: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let (user, project) = creator_parts(creator);
    match name {
        "created_by_user_id" => user,
        "created_by_project_id" => project,
        _ => creator,
    }
    .map(Cow::Borrowed)
}

fn of_resource<'a>(resource: &'a Resource, name: &str) -> Option<Cow<'a, str>> {
    match name {
        "creator" | "created_by_user_id" | "created_by_project_id" => {
            of_creator(resource.creator.as_deref(), name)
        }
        "project_id" => resource.project_id.as_deref().map(Cow::Borrowed),
        "user_id" => resource.user_id.as_deref().map(Cow::Borrowed),
        "type" => Some(Cow::Borrowed(&resource.resource_type)),
        _ => shown(&view::resource(resource, true), name),
    }
}

fn of_metric<'a>(metric: &'a Metric, name: &str) -> Option<Cow<'a, str>> {
    if let Some(name) = name.strip_prefix("resource.") {
        return of_resource(metric.resource.as_deref()?, name);
    }
    match name {
        "creator" | "created_by_user_id" | "created_by_project_id" => {
            of_creator(metric.creator.as_deref(), name)
        }
        "name" => metric.name.as_deref().map(Cow::Borrowed),
        "unit" => metric.unit.as_deref().map(Cow::Borrowed),
        "archive_policy_name" | "archive_policy.name" => Some(Cow::Borrowed(&metric.archive_policy.name)),
        _ => match view::listed_metric(metric) {
            Value::Map(map) => shown(&map, name),
            _ => None,
        },
    }
}

/// What stands under a name whose dots lead into maps.
fn shown(map: &Map, name: &str) -> Option<Cow<'static, str>> {
    match map.get(name) {
        Some(Value::Null | Value::Map(_)) => None,
        Some(value) => Some(Cow::Owned(pytext::to_str(value))),
        None => {
            let (first, rest) = name.split_once('.')?;
            match map.get(first)? {
                Value::Map(inner) => shown(inner, rest),
                _ => None,
            }
        }
    }
}

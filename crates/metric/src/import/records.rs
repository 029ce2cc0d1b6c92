//! Archive policies, rules, resource types and metrics.

use archive::{ArchivePolicy, Definition, Method, MethodSet};
use metric_index::{ArchivePolicyRule, Attribute, Bound, Error, GENERIC, Kind, NewMetric, parse_uuid, time};
use model::{Map, Value};

use super::{ImportError, ImportedMetric};
use crate::{Metrics, computed_policy, stored_policy};

pub(super) fn unreadable(what: &'static str, shown: &Value) -> ImportError {
    ImportError::Unreadable { what, shown: model::json::to_string(shown) }
}

pub(super) fn refused(what: &'static str, name: &str) -> impl FnOnce(Error) -> ImportError {
    let name = name.to_owned();
    move |source| ImportError::Index { what, name, source }
}

pub(super) fn text<'v>(shown: &'v Value, key: &str) -> Option<&'v str> {
    shown.get(key)?.as_str()
}

pub(super) fn owned(shown: &Value, key: &str) -> Option<String> {
    text(shown, key).map(str::to_owned)
}

impl Metrics {
    /// Takes an archive policy.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_archive_policy(&self, shown: &Value) -> Result<(), ImportError> {
        let what = "archive policy";
        let policy = policy(shown).ok_or_else(|| unreadable(what, shown))?;
        let name = policy.name().to_owned();
        let stored = stored_policy(&policy);
        match self.index.archive_policy(&name).await.map_err(refused(what, &name))? {
            None => self.index.create_archive_policy(&stored).await.map_err(refused(what, &name)),
            Some(present) if present == stored => Ok(()),
            Some(_) => Err(ImportError::Differs { what, name }),
        }
    }

    /// Takes an archive policy rule.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_archive_policy_rule(&self, shown: &Value) -> Result<(), ImportError> {
        let what = "archive policy rule";
        let rule = rule(shown).ok_or_else(|| unreadable(what, shown))?;
        match self.index.archive_policy_rule(&rule.name).await.map_err(refused(what, &rule.name))? {
            None => self.index.create_archive_policy_rule(&rule).await.map_err(refused(what, &rule.name)),
            Some(present) if present == rule => Ok(()),
            Some(_) => Err(ImportError::Differs { what, name: rule.name }),
        }
    }

    /// Takes a resource type.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_resource_type(&self, shown: &Value) -> Result<(), ImportError> {
        let what = "resource type";
        let unreadable = || unreadable(what, shown);
        let name = text(shown, "name").ok_or_else(unreadable)?;
        if name == GENERIC {
            return Ok(());
        }
        let given = shown.get("attributes").and_then(Value::as_map).ok_or_else(unreadable)?;
        let attributes = attributes(given).ok_or_else(unreadable)?;
        match self.index.resource_type(name).await {
            Ok(present) => {
                let mut known = present.attributes;
                let mut wanted = attributes;
                known.sort_by(|one, other| one.name.cmp(&other.name));
                wanted.sort_by(|one, other| one.name.cmp(&other.name));
                if known == wanted {
                    Ok(())
                } else {
                    Err(ImportError::Differs { what, name: name.to_owned() })
                }
            }
            Err(Error::NoSuchResourceType(_)) => {
                let made = self.index.create_resource_type(name, &attributes).await;
                made.map(|_| ()).map_err(refused(what, name))
            }
            Err(error) => Err(refused(what, name)(error)),
        }
    }

    /// Takes a metric, without its aggregates.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_metric(&self, shown: &Value) -> Result<ImportedMetric, ImportError> {
        let what = "metric";
        let unreadable = || unreadable(what, shown);
        let id = text(shown, "id").and_then(parse_uuid).ok_or_else(unreadable)?;
        let policy =
            shown.get("archive_policy").and_then(|policy| text(policy, "name")).ok_or_else(unreadable)?;
        let new = NewMetric {
            id,
            creator: owned(shown, "creator"),
            archive_policy_name: policy.to_owned(),
            name: owned(shown, "name"),
            unit: owned(shown, "unit"),
            resource_id: text(shown, "resource_id").and_then(parse_uuid),
        };
        let name = id.to_string();
        let made = match self.index.create_metric(&new).await {
            Err(Error::NamedMetricAlreadyExists(_)) => {
                let found = self.index.metrics_by_id(&[id]).await.map_err(refused(what, &name))?;
                found.into_iter().next().ok_or_else(|| ImportError::Differs { what, name: name.clone() })?
            }
            made => made.map_err(refused(what, &name))?,
        };
        let is_it = made.archive_policy.name == new.archive_policy_name
            && (&made.name, &made.unit, &made.creator, made.resource_id)
                == (&new.name, &new.unit, &new.creator, new.resource_id);
        if !is_it {
            return Err(ImportError::Differs { what, name });
        }
        let policy = computed_policy(&made.archive_policy).map_err(|_| unreadable())?;
        Ok(ImportedMetric { id, policy })
    }
}

fn policy(shown: &Value) -> Option<ArchivePolicy> {
    let mut definition = Vec::new();
    for item in shown.get("definition")?.as_list()? {
        let granularity = time::timespan(item.get("granularity")?).ok()?;
        let points = match item.get("points")? {
            Value::Int(points) => Some(u64::try_from(*points).ok()?),
            Value::Null => None,
            _ => return None,
        };
        definition.push(Definition::new(Some(granularity), points, None).ok()?);
    }
    let mut methods = MethodSet::EMPTY;
    for name in shown.get("aggregation_methods")?.as_list()? {
        methods.insert(name.as_str()?.parse::<Method>().ok()?);
    }
    let Value::Int(back_window) = shown.get("back_window")? else { return None };
    ArchivePolicy::new(text(shown, "name")?, u64::try_from(*back_window).ok()?, definition, methods).ok()
}

fn rule(shown: &Value) -> Option<ArchivePolicyRule> {
    Some(ArchivePolicyRule {
        name: owned(shown, "name")?,
        archive_policy_name: owned(shown, "archive_policy_name")?,
        metric_pattern: owned(shown, "metric_pattern")?,
    })
}

fn attributes(given: &Map) -> Option<Vec<Attribute>> {
    let attributes = given.iter().map(|(name, shown)| {
        let length = |key: &str, default: u32| match shown.get(key) {
            Some(Value::Int(length)) => u32::try_from(*length).ok(),
            None | Some(Value::Null) => Some(default),
            Some(_) => None,
        };
        let bound = |key: &str| match shown.get(key) {
            Some(Value::Int(bound)) => Some(Bound::Integer(*bound)),
            Some(Value::Float(bound)) => Some(Bound::Real(*bound)),
            _ => None,
        };
        let kind = match text(shown, "type")? {
            "string" => {
                Kind::String { min_length: length("min_length", 0)?, max_length: length("max_length", 256)? }
            }
            "uuid" => Kind::Uuid,
            "number" => Kind::Number { min: bound("min"), max: bound("max") },
            "bool" => Kind::Bool,
            "datetime" => Kind::Datetime,
            _ => return None,
        };
        let Some(Value::Bool(required)) = shown.get("required") else { return None };
        Attribute::new(name, kind, *required).ok()
    });
    attributes.collect()
}

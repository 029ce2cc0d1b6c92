//! What Gnocchi needs before the first record: the resource types, as Ceilometer's `ceilometer-upgrade` makes them, and the
//! archive policies of the resource definitions, so that the agents' credentials need not be allowed to create them.
//!
//! Each is looked at first, and only what is missing is created or changed: a second run changes nothing.

mod types;

use model::{Map, Value, json};

use super::client::{Client, Failure, JSON_PATCH, path};
use types::{Change, ResourceTypes};

/// The oldest Gnocchi that can change resource types.
const OLDEST: (u64, u64, u64) = (4, 2, 0);

/// Why an upgrade stopped. What it had done by then stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Gnocchi could not be reached, or could not answer.
    #[error("{message}")]
    Unavailable {
        /// The label of the cause, as in metrics.
        cause: &'static str,
        /// Who, and what happened.
        message: String,
    },
    /// Gnocchi refuses a request.
    #[error("{what}: {words}")]
    Refused {
        /// What was to be done.
        what: String,
        /// What Gnocchi says.
        words: String,
    },
    /// It is another version.
    #[error("Gnocchi {found} is not one that this can be done with: it must be 4.2.0 or a later 4.x")]
    Version {
        /// What it says.
        found: String,
    },
}

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A type is created.
    Create {
        /// Its name.
        name: String,
        /// Its attributes, in order.
        attributes: Vec<String>,
    },
    /// Attributes are added to a type, or changed.
    Update {
        /// Its name.
        name: String,
        /// The attributes, in order.
        attributes: Vec<String>,
    },
    /// An archive policy is created.
    CreatePolicy {
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (verb, name, attributes) = match self {
            Self::Create { name, attributes } => ("create", name, attributes),
            Self::Update { name, attributes } => ("update", name, attributes),
            Self::CreatePolicy { name } => return write!(f, "create the archive policy {name}"),
        };
        write!(f, "{verb} the resource type {name}")?;
        if attributes.is_empty() { Ok(()) } else { write!(f, ": {}", attributes.join(", ")) }
    }
}

/// Brings Gnocchi's resource types up to date and creates those of `archive_policies` (bodies of Gnocchi's
/// `POST /v1/archive_policy`) that are not there; calls `report` after each step that was done. A policy that is there stays
/// as it is, whatever it says.
///
/// With `dry_run` nothing is changed, and `report` is called for what would be done. What would follow from an earlier
/// step is taken into account.
///
/// # Errors
/// [`UpgradeError`].
pub async fn upgrade(
    client: &Client,
    archive_policies: &[Value],
    dry_run: bool,
    report: &mut (dyn FnMut(&Step) + Send),
) -> Result<(), UpgradeError> {
    check_version(client).await?;
    let wanted = ResourceTypes::builtin();
    let mut upgrade = Upgrade { client, dry_run, report, imagined: Map::new() };
    for (name, attributes) in &wanted.types {
        upgrade.create(name, attributes).await?;
    }
    for change in &wanted.changes {
        match change {
            Change::Create { name, attributes } => upgrade.create(name, attributes).await?,
            Change::Update { name, attributes, fill } => upgrade.update(name, attributes, fill).await?,
        }
    }
    for policy in archive_policies {
        upgrade.create_policy(policy).await?;
    }
    Ok(())
}

struct Upgrade<'u> {
    client: &'u Client,
    dry_run: bool,
    report: &'u mut (dyn FnMut(&Step) + Send),
    /// Of types that a dry run has looked at: the attributes that they would have.
    imagined: Map,
}

impl Upgrade<'_> {
    async fn create(&mut self, name: &str, attributes: &Map) -> Result<(), UpgradeError> {
        if self.attributes_of(name).await?.is_some() {
            return Ok(());
        }
        let step = Step::Create { name: name.to_owned(), attributes: names(attributes) };
        if self.dry_run {
            self.imagined.insert(name, attributes.clone());
        } else {
            let body: Map = [("name", Value::from(name)), ("attributes", attributes.clone().into())]
                .into_iter()
                .collect();
            let mut text = Vec::new();
            json::write_compact(&body.into(), &mut text);
            match self.client.post("/v1/resource_type/", text).await {
                Ok(_) => {}
                // Somebody else was quicker.
                Err(Failure::Refused(rejection)) if rejection.status == 409 => return Ok(()),
                Err(failure) => return Err(failed(&step, failure)),
            }
        }
        (self.report)(&step);
        Ok(())
    }

    async fn update(&mut self, name: &str, attributes: &Map, fill: &Map) -> Result<(), UpgradeError> {
        let there = self.attributes_of(name).await?.unwrap_or_default();
        let missing: Map = attributes
            .iter()
            .filter(|(attribute, wanted)| !there.get(attribute).is_some_and(|found| is_equal(found, wanted)))
            .map(|(attribute, wanted)| (attribute, wanted.clone()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let step = Step::Update { name: name.to_owned(), attributes: names(&missing) };
        if self.dry_run {
            let mut then = there;
            for (attribute, wanted) in missing.iter() {
                then.insert(attribute, wanted.clone());
            }
            self.imagined.insert(name, then);
        } else {
            let mut text = Vec::new();
            json::write_compact(&patch(&missing, fill), &mut text);
            let patched = self.client.patch(&path(&["resource_type", name]), JSON_PATCH, text).await;
            patched.map_err(|failure| failed(&step, failure))?;
        }
        (self.report)(&step);
        Ok(())
    }

    async fn create_policy(&mut self, policy: &Value) -> Result<(), UpgradeError> {
        // One without a name is Gnocchi's to refuse.
        let name = policy.get("name").and_then(Value::as_str).unwrap_or_default();
        let step = Step::CreatePolicy { name: name.to_owned() };
        if !name.is_empty() {
            match self.client.get(&path(&["archive_policy", name])).await {
                Ok(_) => return Ok(()),
                Err(Failure::Refused(rejection)) if rejection.status == 404 => {}
                Err(failure) => {
                    return Err(failed(&format_args!("look at the archive policy {name}"), failure));
                }
            }
        }
        if !self.dry_run {
            let mut text = Vec::new();
            json::write_compact(policy, &mut text);
            match self.client.post("/v1/archive_policy/", text).await {
                Ok(_) => {}
                // An agent was quicker.
                Err(Failure::Refused(rejection)) if rejection.status == 409 => return Ok(()),
                Err(failure) => return Err(failed(&step, failure)),
            }
        }
        (self.report)(&step);
        Ok(())
    }

    /// The attributes of a type, if it is there.
    async fn attributes_of(&self, name: &str) -> Result<Option<Map>, UpgradeError> {
        if let Some(imagined) = self.imagined.get(name) {
            return Ok(imagined.as_map().cloned());
        }
        match self.client.get(&path(&["resource_type", name])).await {
            Ok(found) => {
                Ok(Some(found.get("attributes").and_then(Value::as_map).cloned().unwrap_or_default()))
            }
            Err(Failure::Refused(rejection)) if rejection.status == 404 => Ok(None),
            Err(failure) => Err(failed(&format_args!("look at the resource type {name}"), failure)),
        }
    }
}

fn failed(what: &dyn std::fmt::Display, failure: Failure) -> UpgradeError {
    match failure {
        Failure::Later(later) => UpgradeError::Unavailable { cause: later.cause, message: later.message },
        Failure::Refused(rejection) => {
            UpgradeError::Refused { what: what.to_string(), words: rejection.words() }
        }
    }
}

async fn check_version(client: &Client) -> Result<(), UpgradeError> {
    let root = client.get("/").await.map_err(|failure| failed(&"ask Gnocchi for its version", failure))?;
    let found = root.get("build").and_then(Value::as_str).unwrap_or_default();
    if is_compatible(found) { Ok(()) } else { Err(UpgradeError::Version { found: format!("{found:?}") }) }
}

/// Whether a version is the oldest one or a later one with the same first number.
fn is_compatible(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    let Some(Some(major)) = numbers.next() else { return false };
    let mut next = || numbers.next().flatten().unwrap_or_default();
    let found = (major, next(), next());
    major == OLDEST.0 && found >= OLDEST
}

/// The body of a change: a JSON patch that adds attributes. Gnocchi takes one that is there as its new form.
fn patch(attributes: &Map, fill: &Map) -> Value {
    let operations = attributes.iter().map(|(name, wanted)| {
        let mut value = wanted.as_map().cloned().unwrap_or_default();
        if let Some(filling) = fill.get(name) {
            let options: Map = [("fill", filling.clone())].into_iter().collect();
            value.insert("options", options);
        }
        let operation: Map = [
            ("op", Value::from("add")),
            ("path", Value::from(format!("/attributes/{name}"))),
            ("value", value.into()),
        ]
        .into_iter()
        .collect();
        Value::from(operation)
    });
    Value::List(operations.collect())
}

/// Whether an attribute is as it should be, in whatever order Gnocchi says so.
fn is_equal(found: &Value, wanted: &Value) -> bool {
    let (Some(found), Some(wanted)) = (found.as_map(), wanted.as_map()) else { return false };
    found.len() == wanted.len() && wanted.iter().all(|(name, value)| found.get(name) == Some(value))
}

fn names(attributes: &Map) -> Vec<String> {
    attributes.iter().map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_same_line_will_do() {
        for (version, expected) in [
            ("4.2.0", true),
            ("4.7.1", true),
            ("4.10.0.dev3", true),
            ("4.3", true),
            ("4.1.9", false),
            ("5.0.0", false),
            ("3.9", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(is_compatible(version), expected, "{version:?}");
        }
    }

    #[test]
    fn a_change_is_a_patch_that_adds() {
        let attributes: Map =
            [("a", json::parse(r#"{"type": "uuid", "required": true}"#).unwrap())].into_iter().collect();
        let fill: Map = [("a", "")].into_iter().collect();
        assert_eq!(
            json::to_compact_string(&patch(&attributes, &fill)),
            r#"[{"op":"add","path":"/attributes/a","value":{"type":"uuid","required":true,"options":{"fill":""}}}]"#
        );
    }
}

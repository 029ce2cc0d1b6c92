//! The containers of an account.

use model::pytext::integer_of;
use model::{Map, Metadata, Subject, Text, Value, json};
use openstack::{Method, Response, Url};

use super::{CONTAINER_COUNT, Swift, number, strange};
use crate::central::accounts::Account;
use crate::{Cycle, Meter, PollError, Reading};

/// Pages of one account at most: far more than any has, so that a service that goes round in circles ends.
const PAGES_MAX: usize = 10_000;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Containers(Vec<Container>);

/// One of them.
#[derive(Debug)]
pub(super) struct Container {
    name: Text,
    /// How many objects are in it.
    pub(super) objects: Value,
    /// How many bytes they have.
    pub(super) bytes: Value,
    metadata: Metadata,
}

impl Account for Containers {
    type Store = Swift;

    async fn ask(
        swift: &Swift,
        cycle: &Cycle,
        address: &Url,
        project: &str,
    ) -> Result<Option<Self>, PollError> {
        let mut containers = Self::default();
        let mut marker: Option<Text> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("format", "json")];
            query.extend(marker.as_deref().map(|marker| ("marker", marker)));
            let answer = swift.account(cycle, Method::GET, (address, project), &query).await?;
            let Some(answer) = answer else { return Ok(None) };
            let is_last = containers.take(&answer).map_err(|what| strange(project, &what))?;
            let next = containers.0.last().map(|container| container.name.clone());
            if is_last || next == marker {
                return Ok(Some(containers));
            }
            marker = next;
        }
        Err(strange(project, "more pages than any account has"))
    }
}

impl Containers {
    /// Takes a page. Returns whether there is none after it: it is empty, or with it the account's containers are complete.
    fn take(&mut self, answer: &Response) -> Result<bool, String> {
        let text = std::str::from_utf8(&answer.body).map_err(|_| "it is not UTF-8".to_owned())?;
        if text.is_empty() {
            return Ok(true);
        }
        let Ok(Value::List(page)) = json::parse(text) else {
            return Err(format!("it is no JSON list: {}", answer.excerpt()));
        };
        let is_empty = page.is_empty();
        for entry in page {
            let container = Container::of(&entry).ok_or_else(|| {
                format!(
                    "an entry has no name, or no count and bytes that are numbers: {}",
                    json::to_string(&entry)
                )
            })?;
            self.0.push(container);
        }
        let all = number(&answer.headers, CONTAINER_COUNT);
        let all =
            all.and_then(|all| if let Value::Int(all) = all { usize::try_from(all).ok() } else { None });
        Ok(is_empty || all.is_some_and(|all| self.0.len() >= all))
    }

    /// A reading for each of them.
    pub(super) fn readings(
        &self,
        meter: &Meter,
        project: &str,
        volume: fn(&Container) -> &Value,
    ) -> Vec<Reading> {
        let reading = |container: &Container| {
            let subject = Subject {
                project_id: project.into(),
                resource_metadata: container.metadata.clone(),
                ..Subject::new(format!("{project}/{}", container.name))
            };
            Reading::of(meter, subject, volume(container).clone())
        };
        self.0.iter().map(reading).collect()
    }
}

impl Container {
    fn of(entry: &Value) -> Option<Self> {
        let Value::Str(name) = entry.get("name")? else { return None };
        let policy = entry.get("storage_policy").cloned().unwrap_or_default();
        let metadata: Map = [("storage_policy", policy)].into_iter().collect();
        Some(Self {
            name: name.clone(),
            objects: integer_of(entry.get("count")?).ok()?,
            bytes: integer_of(entry.get("bytes")?).ok()?,
            metadata: metadata.into(),
        })
    }
}

//! Resources with their history.

use metric_index::{
    AttributeValue, Error, Filter, NewResource, ResourceChange, ResourceQuery, ResourceType, parse_uuid, time,
};
use model::{Timestamp, Value};
use uuid::Uuid;

use super::ImportError;
use super::records::{owned, refused, text, unreadable};
use crate::Metrics;

const WHAT: &str = "resource";

/// A resource as it was from a time on.
struct Revision {
    id: Uuid,
    resource_type: String,
    creator: Option<String>,
    user_id: Option<String>,
    project_id: Option<String>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    original_resource_id: String,
    begin: Timestamp,
    attributes: Vec<(String, AttributeValue)>,
}

impl Metrics {
    /// Takes a resource: all of its revisions, the oldest first, the last one as it is now. Those that are there already
    /// are passed over.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import_resource(&self, revisions: &[Value]) -> Result<(), ImportError> {
        let Some(first) = revisions.first() else { return Ok(()) };
        let kind = text(first, "type").ok_or_else(|| unreadable(WHAT, first))?;
        let kind = self.index.resource_type(kind).await.map_err(refused(WHAT, kind))?;
        let mut read = Vec::with_capacity(revisions.len());
        for shown in revisions {
            read.push(revision(shown, &kind, self.now()).ok_or_else(|| unreadable(WHAT, shown))?);
        }
        let Some(first) = read.first() else { return Ok(()) };
        let id = first.id;
        let name = id.to_string();
        let filter = Some(Filter::equal("id", name.as_str()));
        let query = ResourceQuery { filter, history: true, ..ResourceQuery::of(&*kind.name) };
        let present = self.index.resources(&query).await.map_err(refused(WHAT, &name))?.len();
        for (place, revision) in read.into_iter().enumerate().skip(present) {
            let index = self.index.at(revision.begin);
            let done = if place == 0 {
                index.create_resource(&revision.into_new()).await.map(|_| true)
            } else {
                index
                    .update_resource(&kind.name, id, &revision.into_change())
                    .await
                    .map(|changed| changed.revised)
            };
            match done {
                Ok(true) => {}
                Ok(false) => return Err(ImportError::Differs { what: "history of resource", name }),
                Err(error) => return Err(refused(WHAT, &name)(error)),
            }
        }
        Ok(())
    }

    /// How many revisions of resources there are, what they are now included.
    ///
    /// # Errors
    /// The index cannot be used.
    pub async fn count_revisions(&self) -> Result<u64, Error> {
        let stock = self.index.stock().await?;
        Ok(stock.resources + stock.revisions)
    }
}

fn revision(shown: &Value, kind: &ResourceType, now: Timestamp) -> Option<Revision> {
    let moment = |key: &str| time::timestamp(shown.get(key)?, now).ok();
    let ended_at = match shown.get("ended_at") {
        None | Some(Value::Null) => None,
        Some(_) => Some(moment("ended_at")?),
    };
    let mut attributes = Vec::with_capacity(kind.attributes.len());
    for attribute in &kind.attributes {
        let value = match shown.get(&attribute.name) {
            None | Some(Value::Null) => AttributeValue::Null,
            Some(value) => attribute.kind.accept(value, now).ok()?,
        };
        attributes.push((attribute.name.clone(), value));
    }
    Some(Revision {
        id: text(shown, "id").and_then(parse_uuid)?,
        resource_type: kind.name.clone(),
        creator: owned(shown, "creator"),
        user_id: owned(shown, "user_id"),
        project_id: owned(shown, "project_id"),
        started_at: moment("started_at")?,
        ended_at,
        original_resource_id: owned(shown, "original_resource_id")?,
        begin: moment("revision_start")?,
        attributes,
    })
}

impl Revision {
    fn into_new(self) -> NewResource {
        NewResource {
            creator: self.creator,
            user_id: self.user_id,
            project_id: self.project_id,
            started_at: Some(self.started_at),
            ended_at: self.ended_at,
            original_resource_id: Some(self.original_resource_id),
            attributes: self.attributes,
            ..NewResource::new(self.resource_type, self.id)
        }
    }

    fn into_change(self) -> ResourceChange {
        ResourceChange {
            started_at: Some(self.started_at),
            ended_at: Some(self.ended_at),
            user_id: Some(self.user_id),
            project_id: Some(self.project_id),
            attributes: self.attributes,
            ..ResourceChange::default()
        }
    }
}

//! [`Dynamic`]: a definition at work.

use std::pin::Pin;
use std::sync::Arc;

use definitions::DynamicPollster;
use definitions::dynamic::{Captured, ExtraField, Request};
use model::{Map, Subject, Text, Value};
use openstack::Url;

use super::ask::{AskError, Asker, Target};
use super::discovery::SECRET;
use crate::{Cycle, PollError, Polling, Pollster, Reading, Readings, Resource};

/// A dynamic pollster.
#[derive(Debug)]
pub(super) struct Dynamic {
    definition: Arc<DynamicPollster>,
    asker: Asker,
}

/// A sample in the making.
#[derive(Debug)]
struct Produced {
    name: Text,
    value: Value,
    user_id: Value,
    project_id: Value,
    resource_id: Value,
    metadata: Map,
}

/// What has become of the parts of a run.
#[derive(Debug, Default)]
struct Run {
    produced: Vec<Produced>,
    /// The first field of extra metadata that failed; the samples go without it.
    failure: Option<AskError>,
}

impl Dynamic {
    pub(super) fn new(definition: Arc<DynamicPollster>, asker: Asker) -> Self {
        Self { definition, asker }
    }

    async fn resource(&self, resource: &Resource, readings: &Readings) -> Result<Option<AskError>, AskError> {
        let definition = &*self.definition;
        let target = self.target(resource).await?;
        let entries = self.asker.entries(definition, &target, None, None).await?;
        let mut failure = None;
        for entry in entries {
            let mut run = Run::default();
            let done = self.entry(definition, entry, &mut run).await;
            for produced in run.produced {
                let subject = Subject {
                    user_id: produced.user_id,
                    project_id: produced.project_id,
                    resource_metadata: produced.metadata.into(),
                    ..Subject::new(produced.resource_id)
                };
                let reading = Reading {
                    name: produced.name,
                    kind: definition.kind,
                    unit: definition.unit.clone(),
                    volume: produced.value,
                    subject: subject.into(),
                    monotonic_time: None,
                };
                readings.give(reading).await?;
            }
            failure = failure.or(run.failure);
            done?;
            tokio::task::yield_now().await;
        }
        Ok(failure)
    }

    /// What a resource is to this pollster.
    async fn target(&self, resource: &Resource) -> Result<Target, AskError> {
        match (&self.definition.request, resource) {
            (Request::Command(_), _) => Ok(Target::Nothing),
            (Request::OpenStack { .. }, Resource::Text(text)) => match Url::parse(text) {
                Ok(url) => Ok(Target::Endpoint(url)),
                Err(_) => Err(AskError::Resource(resource.clone(), "an endpoint's address is needed")),
            },
            (Request::External { .. }, Resource::Text(text)) => Ok(Target::Credentials(text.to_string())),
            (Request::External { parameters, .. }, other) => match other.object(SECRET) {
                Some(secret) => self.credentials(parameters, &secret.id).await,
                None => Err(AskError::Resource(
                    resource.clone(),
                    "credentials, or a secret that holds them, are needed",
                )),
            },
            _ => Err(AskError::Resource(resource.clone(), "an endpoint's address is needed")),
        }
    }

    /// The credentials for another API: of the definition itself, or of Barbican.
    async fn credentials(&self, parameters: &str, secret: &str) -> Result<Target, AskError> {
        if !parameters.is_empty() || secret.is_empty() {
            return Ok(Target::Nothing);
        }
        self.asker.secret(secret).await.map(Target::Credentials)
    }

    /// The samples of an entry. What came before an error is in `run` as well.
    fn entry<'a>(
        &'a self,
        definition: &'a DynamicPollster,
        mut entry: Map,
        run: &'a mut Run,
    ) -> Pin<Box<dyn Future<Output = Result<(), AskError>> + Send + 'a>> {
        // A field of extra metadata may have such fields itself.
        Box::pin(async move {
            let mut measured = Vec::new();
            let done = definition.measure(&mut entry, &mut measured);
            for one in measured {
                if let Some(unmapped) = &one.unmapped {
                    tracing::debug!(pollster = definition.name, value = ?unmapped, "not in value_mapping: the default is used");
                }
                entry.insert("value", one.value.clone());
                let mut metadata = definition.metadata(&mut entry)?;
                entry.insert("metadata", metadata.clone());
                let captured = self.extra(definition, &entry, run).await;
                for (key, value) in captured.all.iter() {
                    if metadata.get(key).is_some() {
                        tracing::debug!(
                            pollster = definition.name,
                            key,
                            "extra metadata that is there already is left out"
                        );
                    } else {
                        metadata.insert(key, value.clone());
                    }
                }
                let own = |key: &str| entry.get(key).cloned().unwrap_or_default();
                run.produced.push(Produced {
                    name: one.name,
                    value: one.value,
                    user_id: own("user_id"),
                    project_id: own("project_id"),
                    resource_id: own("id"),
                    metadata,
                });
            }
            Ok(done?)
        })
    }

    /// What other requests say of the sample. A field that fails is left out and noted.
    async fn extra(&self, definition: &DynamicPollster, sample: &Map, run: &mut Run) -> Captured {
        let mut captured = Captured::default();
        for field in &definition.extra {
            if field.is_skipped(sample) {
                continue;
            }
            let base = [
                Value::Map(sample.clone()),
                Value::Map(captured.all.clone()),
                Value::Map(captured.by_name.clone()),
            ];
            if let Err(error) = self.field(field, &base, &mut captured, run).await {
                tracing::warn!(
                    pollster = definition.name,
                    field = field.pollster.name,
                    "a sample goes without this field of its metadata: {error}"
                );
                run.failure.get_or_insert(error);
            }
        }
        captured
    }

    async fn field(
        &self,
        field: &ExtraField,
        base: &[Value; 3],
        captured: &mut Captured,
        run: &mut Run,
    ) -> Result<(), AskError> {
        let pollster = &field.pollster;
        let targets = match &pollster.request {
            Request::OpenStack { endpoint_type, .. } => {
                let endpoints = self.asker.endpoints(endpoint_type).await?;
                endpoints.into_iter().map(Target::Endpoint).collect()
            }
            Request::External { parameters, secret, .. } => vec![self.credentials(parameters, secret).await?],
            Request::Command(_) => vec![Target::Nothing],
        };
        for target in targets {
            let entries = self.asker.entries(pollster, &target, Some(base), Some(field.cache)).await?;
            for entry in entries {
                let mut inner = Run::default();
                let done = self.entry(pollster, entry, &mut inner).await;
                for produced in inner.produced {
                    captured.add(&produced.name, &produced.value, &produced.metadata);
                }
                if let Some(failure) = inner.failure {
                    run.failure.get_or_insert(failure);
                }
                done?;
            }
        }
        Ok(())
    }
}

impl Pollster for Dynamic {
    fn poll<'a>(
        &'a self,
        _cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let mut failure: Option<AskError> = None;
            for resource in resources {
                match self.resource(resource, readings).await {
                    Ok(None) => {}
                    Err(AskError::Stopped(stopped)) => return Err(stopped.into()),
                    // The others are none the worse for it.
                    Ok(Some(error)) | Err(error) => {
                        tracing::debug!(pollster = self.definition.name, %resource, "{error}");
                        failure.get_or_insert(error);
                    }
                }
            }
            failure.map_or(Ok(()), |failure| Err(PollError::from(failure)))
        })
    }
}

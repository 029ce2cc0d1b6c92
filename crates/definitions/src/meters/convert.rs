//! From a notification to samples.

use std::borrow::Cow;
use std::sync::Arc;

use model::{IsoTime, Map, Metadata, Notification, Sample, SampleId, Subject, Value, sample_id};

use super::compile::kind_of;
use super::{Attribute, MAX_LOOKUP_SAMPLES, MeterDefinition, PROJECT_FALLBACK, USER_FALLBACK};
use crate::error::shown;
use crate::{Cause, ConversionError, SampleSettings};

/// What the definitions need of one notification; worked out at most once, and only when asked for.
pub(crate) struct Context<'n> {
    notification: &'n Notification,
    settings: &'n SampleSettings,
    /// The payload with event type and publisher, shared by all samples without metadata of their own.
    default_metadata: Option<Metadata>,
    /// The notification's own time as a sample prints it.
    default_timestamp: Option<Result<Value, Cause>>,
    message_id: Option<String>,
}

/// The attributes of a sample that is being made.
pub(crate) struct Draft<'v> {
    pub(crate) name: Cow<'v, Value>,
    pub(crate) kind: Cow<'v, Value>,
    pub(crate) unit: Cow<'v, Value>,
    pub(crate) volume: Cow<'v, Value>,
    pub(crate) timestamp: Cow<'v, Value>,
    pub(crate) user_id: Cow<'v, Value>,
    pub(crate) project_id: Cow<'v, Value>,
    pub(crate) resource_id: Cow<'v, Value>,
    /// `None` for the default metadata.
    pub(crate) metadata: Option<Metadata>,
}

impl<'n> Context<'n> {
    pub(crate) const fn new(notification: &'n Notification, settings: &'n SampleSettings) -> Self {
        Self { notification, settings, default_metadata: None, default_timestamp: None, message_id: None }
    }

    /// Who sent the notification.
    pub(crate) fn publisher_id(&self) -> &'n Value {
        self.notification.publisher_id()
    }

    fn default_metadata(&mut self) -> Metadata {
        let notification = self.notification;
        let made = self.default_metadata.get_or_insert_with(|| {
            let mut metadata = notification.payload().as_map().cloned().unwrap_or_default();
            metadata.insert("event_type", notification.event_type());
            metadata.insert("host", notification.publisher_id().clone());
            metadata.into()
        });
        made.clone()
    }

    fn timestamp(&mut self, own: &Value) -> Result<Value, Cause> {
        if own.is_truthy() {
            return printed_time(own);
        }
        let notification = self.notification;
        self.default_timestamp.get_or_insert_with(|| printed_time(notification.timestamp())).clone()
    }

    /// The id of the `index`th sample of `definition`.
    pub(crate) fn sample_id(&mut self, definition: &str, index: usize) -> SampleId {
        let notification = self.notification;
        let message_id = self.message_id.get_or_insert_with(|| notification.message_id_text());
        sample_id(message_id, definition, index)
    }

    /// The value of the fallback path `ctxt.FIRST|ctxt.LAST`, which upstream gives to users and projects.
    ///
    /// Because `|` binds tighter than `.`, it means `ctxt.(FIRST|ctxt).LAST`. Contexts of real services never have
    /// that, but a drop-in must not find more, or less, than upstream.
    fn fallback(&self, (firsts, last): ([&str; 2], &str)) -> Cow<'n, Value> {
        let ctxt = self.notification.root().get("ctxt");
        let value = firsts.into_iter().filter_map(|key| ctxt?.get(key)?.get(last));
        value.into_iter().find(|value| !value.is_null()).map_or(NULL, Cow::Borrowed)
    }

    /// Makes the sample, as `Sample.from_notification` does.
    pub(crate) fn finish(
        &mut self,
        definition: &str,
        index: usize,
        draft: Draft<'_>,
    ) -> Result<Sample, Cause> {
        let Value::Str(name) = &*draft.name else { return Err(Cause::Name { value: shown(&draft.name) }) };
        let kind = kind_of(&draft.kind).ok_or_else(|| Cause::Kind { value: shown(&draft.kind) })?;
        Ok(Sample {
            name: name.clone(),
            kind,
            unit: draft.unit.into_owned(),
            volume: draft.volume.into_owned(),
            subject: Subject {
                user_id: draft.user_id.into_owned(),
                user_name: Value::Null,
                project_id: draft.project_id.into_owned(),
                project_name: Value::Null,
                resource_id: draft.resource_id.into_owned(),
                resource_metadata: draft.metadata.unwrap_or_else(|| self.default_metadata()),
            }
            .into(),
            timestamp: self.timestamp(&draft.timestamp)?,
            source: self.settings.sample_source.as_str().into(),
            id: self.sample_id(definition, index),
            monotonic_time: None,
        })
    }
}

const NULL: Cow<'static, Value> = Cow::Owned(Value::Null);

fn printed_time(value: &Value) -> Result<Value, Cause> {
    let time = value.as_str().and_then(|text| IsoTime::parse(text).ok());
    time.map(|time| time.to_iso().into()).ok_or_else(|| Cause::Timestamp { value: shown(value) })
}

impl MeterDefinition {
    /// Appends the samples of one notification.
    pub(super) fn apply(
        &self,
        context: &mut Context<'_>,
        samples: &mut Vec<Sample>,
        failures: &mut Vec<ConversionError>,
    ) {
        let mut fail = |cause| failures.push(ConversionError { definition: Arc::clone(&self.name), cause });
        if self.lookup.is_empty() {
            match context.finish(&self.name, 0, self.single(context)) {
                Ok(sample) => samples.push(sample),
                Err(cause) => fail(cause),
            }
            return;
        }
        match self.several(context) {
            Ok(drafts) => {
                for (index, draft) in drafts.into_iter().enumerate() {
                    match context.finish(&self.name, index, draft) {
                        Ok(sample) => samples.push(sample),
                        Err(cause) => fail(cause),
                    }
                }
            }
            Err(cause) => fail(cause),
        }
    }

    /// The metadata that the definition asks for; `None` if nothing was found.
    fn own_metadata(&self, context: &Context<'_>) -> Option<Metadata> {
        let root = context.notification.root();
        let mut metadata = Map::with_capacity(self.metadata.len() + 1);
        for (key, field) in &self.metadata {
            if let Some(value) = field.first(root).filter(|value| value.is_truthy()) {
                metadata.insert(key.clone(), value.into_owned());
            }
        }
        let user = self.user_metadata.as_ref().and_then(|field| field.first(root));
        // Anything but a map cannot be filtered; upstream fails on it and gets the notification again for ever.
        if let Some(user) = user.as_ref().and_then(|user| user.as_map()) {
            let kept = context.settings.user_metadata(user, &metadata);
            if !kept.is_empty() {
                metadata.insert("user_metadata", kept);
            }
        }
        (!metadata.is_empty()).then(|| metadata.into())
    }

    /// The attributes' values before the notification is looked into.
    fn default<'v>(&'v self, attribute: Attribute, context: &Context<'v>) -> Cow<'v, Value> {
        match attribute {
            Attribute::Name => Cow::Borrowed(&self.default_name),
            Attribute::Type => Cow::Borrowed(&self.default_type),
            Attribute::Unit => Cow::Borrowed(&self.default_unit),
            Attribute::UserId => context.fallback(USER_FALLBACK),
            Attribute::ProjectId => context.fallback(PROJECT_FALLBACK),
            Attribute::Volume | Attribute::Timestamp | Attribute::ResourceId => NULL,
        }
    }

    /// The one sample of a definition without lookup: each attribute's first value.
    fn single<'v>(&'v self, context: &Context<'v>) -> Draft<'v> {
        let root = context.notification.root();
        let value = |attribute| {
            let found = self.attribute(attribute).and_then(|field| field.first(root));
            found.unwrap_or_else(|| self.default(attribute, context))
        };
        Draft {
            name: value(Attribute::Name),
            kind: value(Attribute::Type),
            unit: value(Attribute::Unit),
            volume: value(Attribute::Volume),
            timestamp: value(Attribute::Timestamp),
            user_id: value(Attribute::UserId),
            project_id: value(Attribute::ProjectId),
            resource_id: value(Attribute::ResourceId),
            metadata: self.own_metadata(context),
        }
    }

    /// The samples of a definition with lookup: as many as names are found, and of every other attribute as many
    /// values, or one for all unless the attribute is looked up itself.
    fn several<'v>(&'v self, context: &Context<'v>) -> Result<Vec<Draft<'v>>, Cause> {
        let root = context.notification.root();
        let looked_up = |key: &str| self.lookup.iter().any(|attribute| &**attribute == key);
        let mut columns = Attribute::ALL.map(|attribute| {
            let found = self.attribute(attribute).map(|field| field.all(root));
            match found {
                Some(found)
                    if attribute == Attribute::Name || looked_up(attribute.key()) || !found.is_empty() =>
                {
                    found
                }
                _ => vec![self.default(attribute, context)],
            }
        });
        let count = columns[Attribute::Name as usize].len();
        if count > MAX_LOOKUP_SAMPLES {
            return Err(Cause::TooMany { found: count, limit: MAX_LOOKUP_SAMPLES });
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        // Metadata is one value, and so is the message, which definitions can name here although they cannot set it.
        let others = ["message", "metadata"].map(|key| (key, 1));
        let counts = Attribute::ALL
            .into_iter()
            .zip(&columns)
            .map(|(attribute, column)| (attribute.key(), column.len()));
        for (key, found) in counts.chain(others) {
            if found != count && (found != 1 || looked_up(key)) {
                return Err(Cause::Lookup { attribute: key, found, expected: count });
            }
        }
        let metadata = self.own_metadata(context);
        let mut drafts = Vec::with_capacity(count);
        for place in 0..count {
            let mut value = |attribute: Attribute| {
                let column = &mut columns[attribute as usize];
                let place = if column.len() == count { place } else { 0 };
                column.get(place).cloned().unwrap_or(NULL)
            };
            drafts.push(Draft {
                name: value(Attribute::Name),
                kind: value(Attribute::Type),
                unit: value(Attribute::Unit),
                volume: value(Attribute::Volume),
                timestamp: value(Attribute::Timestamp),
                user_id: value(Attribute::UserId),
                project_id: value(Attribute::ProjectId),
                resource_id: value(Attribute::ResourceId),
                metadata: metadata.clone(),
            });
        }
        Ok(drafts)
    }
}

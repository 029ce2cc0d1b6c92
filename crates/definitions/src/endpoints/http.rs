//! `http.request` and `http.response`: one sample per request that a service's middleware reports.

use std::borrow::Cow;

use model::{Notification, Sample, Value};

use super::{SampleEndpoint, begins_like};
use crate::meters::{Context, Draft};
use crate::{Cause, ConversionError, SampleSettings};

/// Counts requests or responses, by user, project and service.
#[derive(Debug)]
pub struct HttpEndpoint {
    event_type: &'static str,
}

impl HttpEndpoint {
    /// For `http.request`.
    #[must_use]
    pub const fn request() -> Self {
        Self { event_type: "http.request" }
    }

    /// For `http.response`.
    #[must_use]
    pub const fn response() -> Self {
        Self { event_type: "http.response" }
    }
}

fn sample(notification: &Notification, settings: &SampleSettings) -> Result<Sample, Cause> {
    let event_type = notification.event_type().ok_or(Cause::EventType)?;
    let unit = event_type.split('.').nth(1).ok_or(Cause::Field { field: "second word in its event type" })?;
    let request = notification.payload().get("request").filter(|request| request.as_map().is_some());
    let request = request.ok_or(Cause::Field { field: "payload.request" })?;
    let header = |name: &str| Cow::Borrowed(request.get(name).unwrap_or(&Value::Null));
    let draft = Draft {
        name: Cow::Owned(event_type.into()),
        kind: Cow::Owned("delta".into()),
        unit: Cow::Owned(unit.into()),
        volume: Cow::Owned(Value::Int(1)),
        timestamp: Cow::Owned(Value::Null),
        user_id: header("HTTP_X_USER_ID"),
        project_id: header("HTTP_X_PROJECT_ID"),
        resource_id: header("HTTP_X_SERVICE_NAME"),
        metadata: None,
    };
    Context::new(notification, settings).finish(event_type, 0, draft)
}

impl SampleEndpoint for HttpEndpoint {
    fn name(&self) -> &'static str {
        self.event_type
    }

    fn wants(&self, event_type: &str) -> bool {
        begins_like(self.event_type, event_type)
    }

    fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        match sample(notification, settings) {
            Ok(sample) => {
                samples.push(sample);
                Vec::new()
            }
            Err(cause) => vec![ConversionError { definition: self.event_type.into(), cause }],
        }
    }
}

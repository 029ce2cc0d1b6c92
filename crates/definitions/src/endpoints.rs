//! What makes samples of notifications: the endpoints of Ceilometer's namespace `ceilometer.sample.endpoint`.

mod explain;
mod http;
mod ironic;
mod telemetry;

use std::ops::Range;

use model::{Notification, Priority, Sample};

pub use explain::{Conversion, Converter};
pub use http::HttpEndpoint;
pub use ironic::SensorEndpoint;
pub use telemetry::TelemetryEndpoint;

use crate::{ConversionError, MeterDefinitions, Needs, SampleSettings};

/// A converter from a notification to samples.
pub trait SampleEndpoint: std::fmt::Debug + Send + Sync {
    /// Its name, for logs and counters.
    fn name(&self) -> &'static str;

    /// Whether it wants notifications of that type.
    fn wants(&self, event_type: &str) -> bool;

    /// What it looks at of notifications of that type.
    fn needs(&self, _event_type: &str) -> Needs {
        Needs::everything()
    }

    /// The meter definitions, if it is made of them; for explanations.
    fn definitions(&self) -> Option<&MeterDefinitions> {
        None
    }

    /// Appends the samples of a notification that it wants, and returns what failed.
    fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError>;

    /// As [`convert`](Self::convert), and tells which samples want the names of their user and project looked up.
    fn convert_naming(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
        _unnamed: &mut Vec<Range<usize>>,
    ) -> Vec<ConversionError> {
        self.convert(notification, settings, samples)
    }
}

impl SampleEndpoint for MeterDefinitions {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn wants(&self, event_type: &str) -> bool {
        MeterDefinitions::wants(self, event_type)
    }

    fn needs(&self, event_type: &str) -> Needs {
        MeterDefinitions::needs(self, event_type)
    }

    fn definitions(&self) -> Option<&MeterDefinitions> {
        Some(self)
    }

    fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        MeterDefinitions::convert(self, notification, settings, samples)
    }

    fn convert_naming(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
        unnamed: &mut Vec<Range<usize>>,
    ) -> Vec<ConversionError> {
        MeterDefinitions::convert_naming(self, notification, settings, samples, unnamed)
    }
}

/// All endpoints, in upstream's order.
#[derive(Debug)]
pub struct SampleEndpoints {
    endpoints: Vec<Box<dyn SampleEndpoint>>,
}

impl SampleEndpoints {
    /// The endpoints written in code, and the definitions. Polled samples are taken as they come.
    #[must_use]
    pub fn new(meters: MeterDefinitions) -> Self {
        Self::with_telemetry(TelemetryEndpoint::trusting(), meters)
    }

    /// The same, but a polled sample must be signed with `secret` (`[nephoscope] verify_signatures`).
    #[must_use]
    pub fn verifying(meters: MeterDefinitions, secret: String) -> Self {
        Self::with_telemetry(TelemetryEndpoint::verifying(secret), meters)
    }

    fn with_telemetry(telemetry: TelemetryEndpoint, meters: MeterDefinitions) -> Self {
        Self {
            endpoints: vec![
                Box::new(HttpEndpoint::request()),
                Box::new(HttpEndpoint::response()),
                Box::new(SensorEndpoint::temperature()),
                Box::new(SensorEndpoint::voltage()),
                Box::new(SensorEndpoint::current()),
                Box::new(SensorEndpoint::fan()),
                Box::new(telemetry),
                Box::new(meters),
            ],
        }
    }

    /// Adds one more.
    pub fn push(&mut self, endpoint: Box<dyn SampleEndpoint>) {
        self.endpoints.push(endpoint);
    }

    /// The endpoints in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &dyn SampleEndpoint> {
        self.endpoints.iter().map(|endpoint| &**endpoint)
    }

    /// Whether notifications of that priority become samples.
    #[must_use]
    pub const fn accepts(priority: Priority) -> bool {
        matches!(priority, Priority::Info | Priority::Sample)
    }

    /// Whether any endpoint wants notifications of that type.
    #[must_use]
    pub fn wants(&self, event_type: &str) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.wants(event_type))
    }

    /// What [`convert`](Self::convert) looks at of notifications of that type.
    #[must_use]
    pub fn needs(&self, event_type: &str) -> Needs {
        let mut needs = Needs::nothing();
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.wants(event_type)) {
            needs.extend(&endpoint.needs(event_type));
        }
        needs
    }

    /// Appends the samples that all endpoints make of a notification, and returns what failed.
    ///
    /// A notification without an event type goes to the definitions, which report it.
    pub fn convert(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
    ) -> Vec<ConversionError> {
        self.convert_naming(notification, settings, samples, &mut Vec::new())
    }

    /// As [`convert`](Self::convert), and adds to `unnamed` which samples want the names of their user and project:
    /// floor 0 asks nobody, so it is for the caller to look them up.
    pub fn convert_naming(
        &self,
        notification: &Notification,
        settings: &SampleSettings,
        samples: &mut Vec<Sample>,
        unnamed: &mut Vec<Range<usize>>,
    ) -> Vec<ConversionError> {
        let mut failures = Vec::new();
        for endpoint in &self.endpoints {
            if notification.event_type().is_none_or(|event_type| endpoint.wants(event_type)) {
                failures.append(&mut endpoint.convert_naming(notification, settings, samples, unnamed));
            }
        }
        failures
    }
}

/// Whether `event_type` begins like `pattern`, whose dots stand for any character: what upstream's filters, which are
/// regular expressions, make of a dotted name.
fn begins_like(pattern: &str, event_type: &str) -> bool {
    let mut characters = event_type.chars();
    pattern.chars().all(|wanted| {
        characters.next().is_some_and(|found| wanted == found || (wanted == '.' && found != '\n'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METERS: &str = "
metric:
  - {name: plain, event_type: a.b, type: gauge, unit: u, volume: 1, resource_id: $.payload.id}
  - {name: '$.payload.l[*].name', event_type: a.b, type: gauge, unit: u, volume: '$.payload.l[*].v',
     resource_id: $.payload.id, lookup: [name, volume]}
";

    fn notification(payload: &str) -> Notification {
        let payload = model::json::parse(payload).unwrap();
        let (timestamp, message_id) = ("2026-11-26 02:00:00".into(), "m".into());
        let parts = model::Parts {
            event_type: "a.b".into(),
            payload,
            timestamp,
            message_id,
            ..model::Parts::default()
        };
        Notification::from_parts(parts, Priority::Info)
    }

    #[test]
    fn samples_of_a_lookup_want_names_and_others_do_not() {
        let (meters, problems) =
            MeterDefinitions::load(&[crate::Source { path: "meters.yaml", text: METERS }]);
        assert_eq!(problems, []);
        let endpoints = SampleEndpoints::new(meters);
        for (payload, expected) in [
            (r#"{"id": "r", "l": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]}"#, vec!["x", "y"]),
            (r#"{"id": "r", "l": []}"#, vec![]),
        ] {
            let (mut samples, mut unnamed) = (Vec::new(), Vec::new());
            let notification = notification(payload);
            let settings = SampleSettings::default();
            let failures = endpoints.convert_naming(&notification, &settings, &mut samples, &mut unnamed);
            assert_eq!(failures.len(), 0, "{failures:?}");
            let names: Vec<&str> = unnamed.into_iter().flatten().map(|place| &*samples[place].name).collect();
            assert_eq!(names, expected);
            let mut same = Vec::new();
            endpoints.convert(&notification, &settings, &mut same);
            assert_eq!(same, samples);
        }
    }

    #[test]
    fn filters_are_regular_expressions_for_the_beginning() {
        for (event_type, wanted) in [
            ("http.request", true),
            ("http.requests", true),
            ("httpérequest", true),
            ("http.reques", false),
            ("http\nrequest", false),
            ("xhttp.request", false),
        ] {
            assert_eq!(begins_like("http.request", event_type), wanted, "{event_type}");
        }
    }
}

//! Aodh: how often each alarm was evaluated to which state.
//!
//! `GET /v2/metrics?all_projects=true`, which Aodh answers where `[DEFAULT] enable_evaluation_results_metrics` is set.

use std::sync::Arc;

use model::{Map, MeterKind, Subject, Value, json, pytext};
use openstack::{Error, StatusCode};

use super::remote::Remote;
use crate::rest;
use crate::{
    Cycle, Discovering, Discovery, DiscoveryError, MakeError, Meter, Object, PollError, Polling, Pollster,
    Reading, Readings, Resource, Tools,
};

/// The service, for [`Pollster::service`].
const SERVICE: &str = "alarm";
const DISCOVERY: &str = "alarm";
const KIND: &str = "alarm metrics";
/// Aodh's answer is one resource; this is its id.
const ID: &str = "all";
/// Where it has the counts of evaluations.
const RESULTS: &str = "evaluation_results";

/// `alarm.evaluation_result`: how often an alarm was evaluated to a state.
pub(super) const EVALUATION_RESULT: Meter =
    Meter { name: "alarm.evaluation_result", kind: MeterKind::Gauge, unit: "evaluation_result_count" };

/// The discovery `alarm`.
#[derive(Debug)]
struct Metrics {
    aodh: Remote,
    with_python: bool,
}

/// Makes the discovery.
pub(super) fn discovery(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    let aodh = Remote::new(tools, &tools.central.service_types.aodh)?;
    Ok(Box::new(Metrics { aodh, with_python: tools.central.with_python }))
}

impl Discovery for Metrics {
    fn discover<'a>(&'a self, cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let Some(endpoint) = self.aodh.endpoint().await? else { return Ok(Vec::new()) };
            let url = rest::below(&rest::versioned(endpoint, "v2"), "metrics");
            let request = self.aodh.get(cycle, &url).query("all_projects", "true");
            let answer = match request.send().await?.success() {
                Err(Error::Refused { status: StatusCode::FORBIDDEN, message, .. }) => {
                    tracing::error!("Aodh counts no evaluations, or not for these credentials: {message}");
                    return Ok(Vec::new());
                }
                answer => answer?,
            };
            let document = std::str::from_utf8(&answer.body).ok().and_then(|text| json::parse(text).ok());
            let Some(Value::Map(attributes)) = document else {
                let message = format!("metrics: the answer is no JSON object: {}", answer.excerpt());
                return Err(DiscoveryError::Answer { message });
            };
            let python_text = self.with_python.then(|| pytext::to_repr(&attributes.clone().into()).into());
            Ok(vec![Resource::Object(Arc::new(Object {
                kind: KIND,
                id: ID.into(),
                attributes,
                python_text,
            }))])
        })
    }
}

#[derive(Debug)]
struct EvaluationResult;

/// Makes the pollster `alarm.evaluation_result`.
#[expect(clippy::unnecessary_wraps, reason = "the form of a line in the table")]
pub(super) fn evaluation_result(_tools: &Tools) -> Result<Box<dyn Pollster>, MakeError> {
    Ok(Box::new(EvaluationResult))
}

impl Pollster for EvaluationResult {
    fn service(&self) -> Option<&str> {
        Some(SERVICE)
    }

    fn poll<'a>(
        &'a self,
        _cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            for resource in resources {
                let metrics = resource.object(KIND).ok_or_else(|| PollError::Kind {
                    resource: resource.to_string(),
                    meter: EVALUATION_RESULT.name,
                    kind: KIND,
                    discovery: DISCOVERY,
                })?;
                let results = metrics.attributes.get(RESULTS).and_then(Value::as_list).unwrap_or_default();
                let mut odd = 0;
                for result in results {
                    let (some, others) = counts(result);
                    odd += others;
                    for reading in some {
                        readings.give(reading).await?;
                    }
                }
                if odd > 0 {
                    tracing::warn!(odd, "counts of evaluations without an alarm or a number are left out");
                }
            }
            Ok(())
        })
    }
}

/// The readings of an alarm, one for each state, and how many there would be besides, were they understood.
fn counts(result: &Value) -> (Vec<Reading>, usize) {
    let Some(alarm) = result.get("alarm_id").filter(|alarm| !alarm.is_null()) else { return (Vec::new(), 1) };
    let project = result.get("project_id").cloned().unwrap_or_default();
    let Some(counters) = result.get("state_counters").and_then(Value::as_map) else { return (Vec::new(), 1) };
    let readings: Vec<_> = counters
        .iter()
        .filter_map(|(state, count)| {
            let metadata: Map = [("alarm_state", state)].into_iter().collect();
            let subject = Subject {
                project_id: project.clone(),
                resource_metadata: metadata.into(),
                ..Subject::new(alarm.clone())
            };
            Some(Reading::of(&EVALUATION_RESULT, subject, pytext::integer_of(count).ok()?))
        })
        .collect();
    let odd = counters.len() - readings.len();
    (readings, odd)
}

#[cfg(test)]
mod tests {
    use super::super::testing::poll;
    use super::*;

    fn metrics(text: &str) -> Resource {
        let Value::Map(attributes) = json::parse(text).unwrap() else { unreachable!() };
        Resource::Object(Arc::new(Object { kind: KIND, id: ID.into(), attributes, python_text: None }))
    }

    #[tokio::test]
    async fn an_alarm_has_a_reading_for_each_state() {
        let document = metrics(
            r#"{"evaluation_results": [
                {"alarm_id": "a1", "project_id": "p1", "state_counters": {"insufficient data": 0, "ok": 20, "alarm": "3"}},
                {"alarm_id": "a2", "project_id": null, "state_counters": {"ok": 2.9}},
                {"alarm_id": "a3", "project_id": "p3", "state_counters": {}}]}"#,
        );
        let (readings, polled) = poll(&EvaluationResult, &[document]).await;
        assert!(polled.is_ok(), "{polled:?}");
        let texts: Vec<_> = readings
            .iter()
            .map(|reading| {
                assert_eq!(reading.unit, Value::from("evaluation_result_count"));
                let parts =
                    [&reading.resource_id, &reading.project_id, &reading.volume, &*reading.resource_metadata];
                parts.map(json::to_string).join(" ")
            })
            .collect();
        assert_eq!(
            texts,
            [
                r#""a1" "p1" 0 {"alarm_state": "insufficient data"}"#,
                r#""a1" "p1" 20 {"alarm_state": "ok"}"#,
                r#""a1" "p1" 3 {"alarm_state": "alarm"}"#,
                r#""a2" null 2 {"alarm_state": "ok"}"#,
            ]
        );
    }

    #[tokio::test]
    async fn what_is_not_understood_costs_nothing_else() {
        let document = metrics(
            r#"{"evaluation_results": [{"project_id": "p1", "state_counters": {"ok": 1}}, {"alarm_id": "a1"}, 5,
                {"alarm_id": "a2", "state_counters": {"ok": null, "alarm": 1}}]}"#,
        );
        let (readings, polled) = poll(&EvaluationResult, &[document]).await;
        assert!(polled.is_ok(), "{polled:?}");
        let [reading] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((reading.resource_id.as_str(), &reading.project_id), (Some("a2"), &Value::Null));
        for empty in ["{}", r#"{"evaluation_results": []}"#] {
            let (readings, polled) = poll(&EvaluationResult, &[metrics(empty)]).await;
            assert!(readings.is_empty() && polled.is_ok());
        }
        let (_, polled) = poll(&EvaluationResult, &[Resource::text("a1")]).await;
        assert_eq!(polled.unwrap_err().cause(), "resource");
    }
}

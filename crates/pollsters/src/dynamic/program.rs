//! [`Program`]: a pollster that is a program of the site, and prints samples as JSON.

use std::sync::Arc;

use definitions::dynamic::ProgramPollster;
use model::{Map, MeterKind, Subject, Text, Value, json};
use observability::clock::Clock;

use super::command::{self, CommandError, Environment, Output, TIMEOUT};
use crate::{Cycle, PollError, Polling, Pollster, Reading, Readings, Resource};

/// The most that a program may print, in bytes.
const OUTPUT_MAX: usize = 64 << 20;
/// Characters of what a program says that a message shows.
const SHOWN: usize = 200;

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    definition: Arc<ProgramPollster>,
    environment: Environment,
    clock: Clock,
}

impl Program {
    /// `environment` is the agent's, of which it has a part.
    pub(super) fn new(definition: Arc<ProgramPollster>, environment: &Environment, clock: Clock) -> Self {
        let environment = environment.of_program(&definition.environment);
        Self { definition, environment, clock }
    }

    async fn run(&self, resources: &[Resource]) -> Result<Output, CommandError> {
        let ProgramPollster { program, arguments, timeout, .. } = &*self.definition;
        let bounds = (timeout.unwrap_or(TIMEOUT), OUTPUT_MAX);
        let input = self.input(resources);
        command::program((program, arguments), &self.environment, input, bounds, &self.clock).await
    }

    /// What the program is told: its name, and what is to be polled.
    fn input(&self, resources: &[Resource]) -> Vec<u8> {
        let described = resources.iter().map(|resource| {
            let mut map = Map::from_iter([("kind", resource.kind()), ("id", resource.id())]);
            if let Some(object) = resource.any_object() {
                map.insert("attributes", object.into_owned().attributes);
            }
            Value::Map(map)
        });
        let resources = Value::List(described.collect());
        let all =
            Map::from_iter([("pollster", self.definition.name.as_str().into()), ("resources", resources)]);
        let mut text = json::to_string(&all.into()).into_bytes();
        text.push(b'\n');
        text
    }

    /// A sample that it printed, or what is wrong with it.
    fn reading(&self, sample: &Value) -> Result<Reading, String> {
        let definition = &*self.definition;
        let Value::Map(sample) = sample else { return Err("it is no object".to_owned()) };
        let given = |key: &str| sample.get(key).filter(|value| !value.is_null());
        let name = match given("name") {
            None => Text::from(definition.name.as_str()),
            Some(Value::Str(name)) if is_below(name, &definition.name) => name.clone(),
            Some(other) => {
                let wanted = format!("{:?} or begin with it and a dot", definition.name);
                return Err(format!("name is {}; it must be {wanted}", shown(other)));
            }
        };
        let kind = match (given("type"), definition.kind) {
            (None, Some(kind)) => kind,
            (None, None) => return Err("type is missing, and the definition has no sample_type".to_owned()),
            (Some(given), _) => given
                .as_str()
                .and_then(MeterKind::from_name)
                .ok_or_else(|| format!("type is {}; it must be gauge, delta or cumulative", shown(given)))?,
        };
        let unit = match (given("unit"), &definition.unit) {
            (Some(Value::Str(unit)), _) | (None, Some(unit)) => unit.clone(),
            (Some(other), _) => return Err(format!("unit is {}, not a text", shown(other))),
            (None, None) => return Err("unit is missing, and the definition has none".to_owned()),
        };
        let volume = match given("volume") {
            Some(volume @ (Value::Int(_) | Value::BigInt(_) | Value::Float(_))) if volume.is_finite() => {
                volume
            }
            Some(other) => return Err(format!("volume is {}, not a number", shown(other))),
            None => return Err("volume is missing".to_owned()),
        };
        let text = |key: &str| match given(key) {
            None | Some(Value::Str(_)) => Ok(given(key).cloned().unwrap_or_default()),
            Some(other) => Err(format!("{key} is {}, not a text", shown(other))),
        };
        let resource_id = text("resource_id")?;
        if !resource_id.is_truthy() {
            return Err("resource_id is missing".to_owned());
        }
        let metadata = match given("metadata") {
            None => Map::new().into(),
            Some(metadata @ Value::Map(_)) => metadata.clone(),
            Some(other) => return Err(format!("metadata is {}, not an object", shown(other))),
        };
        Ok(Reading {
            name,
            kind,
            unit: unit.into(),
            volume: volume.clone(),
            subject: Subject {
                user_id: text("user_id")?,
                project_id: text("project_id")?,
                resource_metadata: metadata.into(),
                ..Subject::new(resource_id)
            }
            .into(),
            monotonic_time: None,
        })
    }
}

/// Whether `name` is that of the pollster, or one below it.
fn is_below(name: &str, pollster: &str) -> bool {
    name.strip_prefix(pollster).is_some_and(|rest| rest.is_empty() || rest.len() > 1 && rest.starts_with('.'))
}

fn shown(value: &Value) -> String {
    excerpt(&json::to_string(value))
}

fn excerpt(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The samples of an output: an array, one object, or an object in each line.
fn samples(text: &str) -> Vec<Result<Value, String>> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    match json::parse(text) {
        Ok(Value::List(samples)) => samples.into_iter().map(Ok).collect(),
        Ok(sample) => vec![Ok(sample)],
        Err(error) if text.starts_with('[') => vec![Err(format!("the array is no JSON: {error}"))],
        Err(_) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines
                .map(|line| {
                    json::parse(line).map_err(|error| format!("it is no JSON: {error}: {:?}", excerpt(line)))
                })
                .collect()
        }
    }
}

impl Pollster for Program {
    fn poll<'a>(
        &'a self,
        _cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(async move {
            let failed = |cause, message| PollError::Failed { cause, message };
            let output = self.run(resources).await.map_err(|error| failed("command", error.to_string()))?;
            let samples = samples(&output.text);
            let (mut wrong, all) = (Vec::new(), samples.len());
            for (number, sample) in samples.into_iter().enumerate() {
                match sample.and_then(|sample| self.reading(&sample)) {
                    Ok(reading) => readings.give(reading).await?,
                    Err(error) => wrong.push(format!("sample {}: {error}", number + 1)),
                }
            }
            let program = &self.definition.program;
            if let Some(failure) = output.failure {
                let said = output.said.trim();
                let message = format!("{program} ended with {failure}: {:?}", excerpt(said));
                return Err(failed("command", message));
            }
            if let Some(first) = wrong.first() {
                let message = format!("{} of {all} samples of {program} are left out: {first}", wrong.len());
                return Err(failed("protocol", message));
            }
            if !output.said.is_empty() {
                tracing::debug!(
                    pollster = self.definition.name,
                    "the program says {:?}",
                    excerpt(output.said.trim())
                );
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Object;

    fn program(script: &str) -> Program {
        let definition = definitions::DynamicPollsters::load(
            &[definitions::Source {
                path: "p.yaml",
                text: &format!(
                    "- name: site.raid\n  program: [/bin/sh, -c, {}]\n  sample_type: gauge\n  unit: disk\n  timeout: 20\n",
                    json::to_string(&script.into())
                ),
            }],
            &["central"],
        );
        assert_eq!(definition.1, []);
        let environment = Environment::new([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        Program::new(Arc::clone(&definition.0.programs[0]), &environment, Clock::machine())
    }

    async fn poll(script: &str) -> (Vec<Reading>, Result<(), String>) {
        let program = program(script);
        let (readings, mut receiver) = Readings::channel();
        let cycle = Cycle::new(Clock::machine());
        let attributes = Map::from_iter([("size", 5)]);
        let object = Resource::Object(Arc::new(Object {
            kind: "disk",
            id: "d1".into(),
            attributes,
            python_text: None,
        }));
        let resources = [Resource::text("node-1"), object];
        let polling = async {
            let polled = program.poll(&cycle, &resources, &readings).await;
            drop(readings);
            polled.map_err(|error| format!("{}: {error}", error.cause()))
        };
        let taking = async {
            let mut taken = Vec::new();
            while let Some(reading) = receiver.recv().await {
                taken.push(reading);
            }
            taken
        };
        let both = async { tokio::join!(taking, polling) };
        tokio::time::timeout(Duration::from_mins(1), both).await.unwrap()
    }

    #[tokio::test]
    async fn a_program_reads_resources_and_prints_samples_in_any_of_three_forms() {
        let line = r#"{"resource_id": "a", "volume": 1.5, "name": "site.raid.x", "type": "delta", "unit": "B", "user_id": null, "project_id": "p", "metadata": {"k": [1]}, "more": 1}"#;
        for script in [
            format!("echo '[{line}, {{\"resource_id\": \"b\", \"volume\": 2}}]'"),
            format!("echo '{line}'; echo; echo '{{\"resource_id\": \"b\", \"volume\": 2}}'"),
        ] {
            let (readings, ended) = poll(&script).await;
            assert_eq!(ended, Ok(()), "{script}");
            let [first, second] = &readings[..] else { panic!("{readings:?}") };
            assert_eq!(
                (first.name.as_str(), first.kind, &first.unit),
                ("site.raid.x", MeterKind::Delta, &"B".into())
            );
            assert_eq!((&first.volume, &first.user_id), (&Value::Float(1.5), &Value::Null));
            assert_eq!(json::to_string(&first.resource_metadata), r#"{"k": [1]}"#);
            assert_eq!((second.name.as_str(), second.kind), ("site.raid", MeterKind::Gauge));
            assert_eq!((&second.unit, &second.resource_id), (&"disk".into(), &"b".into()));
        }
        let (readings, ended) =
            poll(r#"read -r in; echo "{\"resource_id\": \"x\", \"volume\": 1, \"metadata\": $in}""#).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(
            json::to_string(&readings[0].resource_metadata),
            r#"{"pollster": "site.raid", "resources": [{"kind": "text", "id": "node-1"}, {"kind": "disk", "id": "d1", "attributes": {"size": 5}}]}"#
        );
        assert_eq!(poll("true").await, (Vec::new(), Ok(())));
    }

    #[tokio::test]
    async fn what_is_wrong_is_left_out_and_said() {
        let good = r#"{"resource_id": "a", "volume": 1}"#;
        for (wrong, expected) in [
            ("5", "it is no object"),
            ("{", "it is no JSON: "),
            (r#"{"volume": 1}"#, "resource_id is missing"),
            (r#"{"resource_id": "a"}"#, "volume is missing"),
            (r#"{"resource_id": "a", "volume": "1"}"#, "volume is \"1\", not a number"),
            (r#"{"resource_id": "a", "volume": NaN}"#, "volume is NaN, not a number"),
            (r#"{"resource_id": "a", "volume": true}"#, "volume is true, not a number"),
            (r#"{"resource_id": 5, "volume": 1}"#, "resource_id is 5, not a text"),
            (
                r#"{"resource_id": "a", "volume": 1, "name": "cpu"}"#,
                "name is \"cpu\"; it must be \"site.raid\" or begin",
            ),
            (r#"{"resource_id": "a", "volume": 1, "name": "site.raids"}"#, "name is \"site.raids\"; it must"),
            (r#"{"resource_id": "a", "volume": 1, "type": "x"}"#, "type is \"x\"; it must be gauge"),
            (r#"{"resource_id": "a", "volume": 1, "unit": 1}"#, "unit is 1, not a text"),
            (r#"{"resource_id": "a", "volume": 1, "metadata": []}"#, "metadata is [], not an object"),
        ] {
            let (readings, ended) = poll(&format!("echo '{wrong}'; echo '{good}'")).await;
            let beginning = format!("protocol: 1 of 2 samples of /bin/sh are left out: sample 1: {expected}");
            assert!(ended.as_ref().is_err_and(|error| error.starts_with(&beginning)), "{wrong}: {ended:?}");
            assert_eq!(readings.len(), 1, "{wrong}");
        }
        let (readings, ended) = poll(&format!("echo '{good}'; echo no disk >&2; exit 2")).await;
        assert_eq!(readings.len(), 1);
        assert_eq!(ended, Err("command: /bin/sh ended with exit status: 2: \"no disk\"".to_owned()));
        let (_, ended) = poll("echo '[1'").await;
        assert!(ended.unwrap_err().contains("sample 1: the array is no JSON"), "an array that is cut off");
    }
}

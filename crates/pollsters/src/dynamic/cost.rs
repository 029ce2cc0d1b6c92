//! Dynamic pollsters as lists show them: what each measures, and what it costs in requests.

use definitions::dynamic::{ProgramPollster, Request};
use definitions::{DynamicPollster, DynamicPollsters};
use model::pytext::to_str;

use super::authentication::Scheme;
use super::unknown_scheme;

/// A dynamic pollster's line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicLine {
    /// Its name, which is its meter's; the last part may be a placeholder.
    pub name: String,
    /// `gauge`, `delta` or `cumulative`; empty where a program's samples say it.
    pub kind: &'static str,
    /// The unit; empty where a program's samples say it.
    pub unit: String,
    /// The discovery that finds what it asks.
    pub discovery: String,
    /// What it asks in a cycle, in words.
    pub reading: String,
}

/// A line for each definition that can be polled, in order.
#[must_use]
pub fn lines(definitions: &DynamicPollsters) -> Vec<DynamicLine> {
    let able = definitions.pollsters.iter().filter(|definition| unknown_scheme(definition).is_none());
    let pollsters = able.map(|definition| DynamicLine {
        name: definition.name.clone(),
        kind: definition.kind.as_str(),
        unit: to_str(&definition.unit),
        discovery: definition.discovery(),
        reading: reading(definition),
    });
    let programs = definitions.programs.iter().map(|program| of_program(program));
    pollsters.chain(programs).collect()
}

fn of_program(program: &ProgramPollster) -> DynamicLine {
    DynamicLine {
        name: program.name.clone(),
        kind: program.kind.map(model::MeterKind::as_str).unwrap_or_default(),
        unit: program.unit.as_ref().map(ToString::to_string).unwrap_or_default(),
        discovery: "local_node".to_owned(),
        reading: "1 program".to_owned(),
    }
}

/// What a pollster and the fields of its metadata ask for.
fn reading(definition: &DynamicPollster) -> String {
    let mut text = own(definition);
    let mut fields = Vec::new();
    of_fields(definition, &mut fields);
    if !fields.is_empty() {
        text.push_str(", and for each sample ");
        text.push_str(&fields.join(", "));
    }
    text
}

fn of_fields(definition: &DynamicPollster, texts: &mut Vec<String>) {
    for field in &definition.extra {
        let kept = if field.cache.is_zero() {
            String::new()
        } else {
            format!(" (kept for {} s)", field.cache.as_secs_f64())
        };
        texts.push(format!("{} for {}{kept}", own(&field.pollster), field.pollster.name));
        of_fields(&field.pollster, texts);
    }
}

/// What a definition asks for by itself.
fn own(definition: &DynamicPollster) -> String {
    let page = if definition.has_pages() { " a page" } else { "" };
    match &definition.request {
        Request::OpenStack { .. } if definition.has_pages() => "1 an endpoint and page".to_owned(),
        Request::OpenStack { .. } => "1 an endpoint".to_owned(),
        Request::External { module, object, parameters, secret, .. } => {
            let is_digest = Scheme::named(module, object) == Some(Scheme::Digest);
            let challenge = if is_digest { ", and 1 for a challenge" } else { "" };
            let secret = if parameters.is_empty() && !secret.is_empty() { "1 for the secret, " } else { "" };
            format!("{secret}1{page}{challenge}")
        }
        Request::Command(_) => format!("1 command{page}"),
    }
}

#[cfg(test)]
mod tests {
    use definitions::Source;

    use super::*;

    #[test]
    fn each_definition_says_what_it_asks_for() {
        let text = "
- {name: plain, sample_type: gauge, unit: u, value_attribute: v, endpoint_type: t, url_path: x}
- name: fields
  sample_type: delta
  unit: 5
  value_attribute: v
  endpoint_type: t
  url_path: x
  next_sample_url_attribute: next
  extra_metadata_fields_cache_seconds: 0
  extra_metadata_fields:
  - name: outer
    endpoint_type: identity
    url_path: y
    extra_metadata_fields: {name: inner, host_command: z, extra_metadata_fields_cache_seconds: 1.5}
- &external
  name: digest
  sample_type: cumulative
  unit: u
  value_attribute: v
  url_path: 'http://h/'
  module: requests.auth
  authentication_object: HTTPDigestAuth
  barbican_secret_id: s1
  next_sample_url_attribute: next
- {<<: *external, name: 's3.{kind}', value_attribute: '[list].v', module: awsauth, authentication_object: S3Auth, authentication_parameters: 'a,b'}
- {name: command, sample_type: gauge, unit: u, value_attribute: v, host_command: ls}
- {name: program, program: /bin/true, unit: m}
";
        let (definitions, problems) =
            DynamicPollsters::load(&[Source { path: "d.yaml", text }], &["central"]);
        assert_eq!(problems, []);
        let shown: Vec<String> = lines(&definitions)
            .into_iter()
            .map(|DynamicLine { name, kind, unit, discovery, reading }| {
                format!("{name} {kind} {unit} {discovery}: {reading}")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "plain gauge u endpoint:t: 1 an endpoint",
                "fields delta 5 endpoint:t: 1 an endpoint and page, and for each sample 1 an endpoint for outer, \
                 1 command for inner (kept for 1.5 s)",
                "digest cumulative u barbican:s1: 1 for the secret, 1 a page, and 1 for a challenge",
                "s3.{kind} cumulative u barbican:s1: 1 a page",
                "command gauge u local_node: 1 command",
                "program  m local_node: 1 program",
            ]
        );
    }
}

//! `nephoscope explain`: what becomes of notifications, and why, without a broker and without publishing anything.
//!
//! Everything comes from `notification::Explainer`, which runs the agent's own code; here are only the reading of
//! files and the two ways of writing it down.

mod gnocchi;
mod input;
mod json;
mod text;

use notification::{AgentOptions, Explained, Explainer, Explanation, SampleFate};
use oslo_config::options::notification as options;
use oslo_messaging::Delivery;
use oslo_messaging::envelope::{self, Version};
use pipeline::config::PipelineConfig;

use self::gnocchi::Target;
use self::input::Message;
use crate::cli::{Invocation, Request};
use crate::settings::Definitions;
use crate::surroundings::Surroundings;
use crate::{Ending, check, complain, say, settings};

/// Where a message came from.
struct Origin {
    /// From 1.
    number: usize,
    /// `envelope 2.0`, `message 1.0`, `notification`, or `unknown` for what cannot be read.
    form: &'static str,
    bytes: Option<usize>,
    exchange: String,
    routing_key: String,
}

/// A message with everything that can be said about it.
struct Report<'a> {
    origin: Origin,
    explanation: Explanation<'a>,
    targets: &'a [Target],
    sample_pipelines: Option<&'a PipelineConfig>,
    event_pipelines: Option<&'a PipelineConfig>,
    /// Whether every definition that was asked is listed.
    all: bool,
}

/// A sample in a report.
struct Numbered<'r, 'a> {
    /// From 1, in the order in which samples are published.
    number: usize,
    sample: &'r model::Sample,
    fate: &'r SampleFate<'a>,
}

/// The samples of a notification, numbered, by the place of the converter that made them.
fn numbered<'r, 'a>(explained: &'r Explained<'a>) -> Vec<Vec<Numbered<'r, 'a>>> {
    let mut count = 0;
    let conversions = explained.samples.asked().into_iter().flatten();
    conversions
        .map(|made| {
            let samples = made.conversion.samples.iter().zip(&made.fates);
            let samples = samples.map(|(sample, fate)| {
                count += 1;
                Numbered { number: count, sample, fate }
            });
            samples.collect()
        })
        .collect()
}

/// What the broker is told in the end.
fn fate(explanation: &Explanation<'_>) -> &'static str {
    match explanation {
        Explanation::Rejected { .. } => "discarded: it can never be read",
        Explanation::Notification(explained) if explained.is_given_back => {
            "given back to the broker, and delivered again after a wait, because its event failed and \
             ack_on_event_error is off"
        }
        Explanation::Notification(explained) if is_published(explained) => {
            "acknowledged when every publisher has accepted"
        }
        Explanation::UnknownPriority { .. } | Explanation::Notification(_) => {
            "acknowledged, and nothing comes of it"
        }
    }
}

fn is_published(explained: &Explained<'_>) -> bool {
    explained.published_samples() > 0 || explained.is_event_published()
}

/// Explains every notification of the file. The exit status is 0 if any of them reaches a publisher, else 1.
pub(crate) fn explain(invocation: &Invocation, surroundings: &Surroundings, request: &Request) -> Ending {
    let messages = match input::read(&request.file, &request.priority) {
        Ok(messages) => messages,
        Err(error) => return Ending::Usage(error),
    };
    let loaded = match settings::load(invocation, surroundings) {
        Ok(loaded) => loaded,
        Err(error) => return Ending::Configuration(error.to_string()),
    };
    let config = loaded.config;
    let (definitions, mut problems) = settings::load_definitions(&config);
    let Some(definitions) = definitions else {
        return Ending::Configuration(check::describe_fatal(&problems));
    };
    let Definitions { samples, events, .. } = &definitions;
    let sample_pipelines = samples.as_ref().map(|(_, _, pipelines)| pipelines);
    let event_pipelines = events.as_ref().map(|(_, pipelines)| pipelines);
    let targets = match gnocchi::targets(&config, sample_pipelines.into_iter().chain(event_pipelines)) {
        Ok((targets, mut found)) => {
            problems.append(&mut found);
            targets
        }
        Err(problems) => return Ending::Configuration(check::describe_fatal(&problems)),
    };
    for warning in &loaded.warnings {
        complain(format_args!("warning: {warning}"));
    }
    for problem in &problems {
        complain(format_args!("warning: {problem}"));
    }
    let explainer = Explainer {
        samples: samples.as_ref().map(|(endpoints, settings, pipelines)| (endpoints, settings, pipelines)),
        events: events.as_ref().map(|(events, pipelines)| (events, pipelines)),
        options: AgentOptions { ack_on_event_error: config.get(&options::ACK_ON_EVENT_ERROR) },
    };
    let mut has_come = false;
    for (place, message) in messages.into_iter().enumerate() {
        let (origin, explanation) = explained(&explainer, message, place + 1);
        if let Explanation::Notification(explained) = &explanation {
            has_come |= is_published(explained);
        }
        let report = Report {
            origin,
            explanation,
            targets: &targets,
            sample_pipelines,
            event_pipelines,
            all: request.all,
        };
        if request.json {
            say(format_args!("{}", model::json::to_string(&json::report(&report))));
        } else {
            say(format_args!("{}", text::report(&report)));
        }
    }
    if has_come { Ending::Done } else { Ending::Failed(anyhow::anyhow!("nothing reaches a publisher")) }
}

fn explained<'a>(explainer: &Explainer<'a>, message: Message, number: usize) -> (Origin, Explanation<'a>) {
    match message {
        Message::Delivery(delivery) => {
            let explanation = explainer.delivery(&delivery);
            let form = match envelope::open(&delivery).map(|document| document.version()) {
                Ok(_) if matches!(explanation, Explanation::Rejected { .. }) => "unknown",
                Ok(Version::V2) => "envelope 2.0",
                Ok(Version::V1) => "message 1.0",
                Err(_) => "unknown",
            };
            let Delivery { exchange, routing_key, body, .. } = delivery;
            (Origin { number, form, bytes: Some(body.len()), exchange, routing_key }, explanation)
        }
        Message::Bare(parts, priority) => {
            let explanation = match Message::bare(*parts, &priority) {
                Ok(notification) => Explanation::Notification(Box::new(explainer.notification(notification))),
                Err(name) => Explanation::UnknownPriority { name },
            };
            let (exchange, routing_key) = (String::new(), String::new());
            (Origin { number, form: "notification", bytes: None, exchange, routing_key }, explanation)
        }
    }
}

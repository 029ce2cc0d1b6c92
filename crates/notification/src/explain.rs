//! [`Explainer`]: what becomes of one notification, and why, by the code that the agent runs, without publishing.

use std::sync::Arc;

use definitions::{Conversion, EventDefinitions, EventExplanation, Needs, SampleEndpoints, SampleSettings};
use model::Notification;
use oslo_messaging::Delivery;
use pipeline::config::{Pipeline, PipelineConfig};
use pipeline::{Decision, Drop, volume_problem};

use crate::agent::AgentOptions;
use crate::decode::{Decoded, decode};

/// Everything that decides about a notification; `None` for a kind of pipeline that is not enabled.
#[derive(Debug, Clone, Copy)]
pub struct Explainer<'a> {
    /// What makes samples, and `pipeline.yaml`.
    pub samples: Option<(&'a SampleEndpoints, &'a SampleSettings, &'a PipelineConfig)>,
    /// What makes events, and `event_pipeline.yaml`.
    pub events: Option<(&'a EventDefinitions, &'a PipelineConfig)>,
    /// The operator's choices.
    pub options: AgentOptions,
}

/// What the agent does with a message.
#[derive(Debug)]
pub enum Explanation<'a> {
    /// It cannot be read, and is discarded.
    Rejected {
        /// The label under which it is counted.
        cause: &'static str,
        /// What is wrong with it.
        error: String,
    },
    /// Its priority is none of oslo.messaging's seven; it is acknowledged.
    UnknownPriority {
        /// The priority, shortened.
        name: String,
    },
    /// A notification.
    Notification(Box<Explained<'a>>),
}

/// What the agent does with a notification.
#[derive(Debug)]
pub struct Explained<'a> {
    /// As the definitions see it.
    pub notification: Notification,
    /// Its samples.
    pub samples: Part<Vec<ExplainedConversion<'a>>>,
    /// Its event.
    pub event: Part<ExplainedEvent<'a>>,
    /// Whether a failed event gives the notification back to the broker.
    pub is_given_back: bool,
}

/// One of the two kinds of pipeline.
#[derive(Debug)]
pub enum Part<T> {
    /// Not enabled (`[notification] pipelines`).
    Disabled,
    /// Notifications of this priority are not for it.
    Priority,
    /// What comes of it.
    Asked(T),
}

impl<T> Part<T> {
    /// What comes of it, if it was asked.
    #[must_use]
    pub const fn asked(&self) -> Option<&T> {
        match self {
            Self::Asked(asked) => Some(asked),
            Self::Disabled | Self::Priority => None,
        }
    }
}

/// What one converter makes, and what becomes of it.
#[derive(Debug)]
pub struct ExplainedConversion<'a> {
    /// The samples, or why there are none.
    pub conversion: Conversion<'a>,
    /// What becomes of each sample.
    pub fates: Vec<SampleFate<'a>>,
}

/// What becomes of a sample.
#[derive(Debug)]
pub enum SampleFate<'a> {
    /// No pipeline can carry it.
    Dropped(Drop),
    /// Every pipeline is asked.
    Routed(Vec<Route<'a>>),
}

impl SampleFate<'_> {
    /// Whether a publisher gets it.
    #[must_use]
    pub fn is_published(&self) -> bool {
        match self {
            Self::Dropped(_) => false,
            Self::Routed(routes) => routes.iter().any(Route::is_taken),
        }
    }
}

/// What the event definitions make, and what becomes of it.
#[derive(Debug)]
pub struct ExplainedEvent<'a> {
    /// The event, or why there is none.
    pub explanation: EventExplanation<'a>,
    /// Every pipeline is asked; empty if there is no event.
    pub routes: Vec<Route<'a>>,
}

/// What one pipeline says to a record.
#[derive(Debug)]
pub struct Route<'a> {
    /// The source, its sink, and the sink's publishers.
    pub pipeline: Pipeline<'a>,
    /// Whether the source takes it, and by which entry.
    pub decision: Decision<'a>,
}

impl Route<'_> {
    /// Whether the pipeline takes it.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        self.decision.is_taken()
    }
}

fn routes<'a>(pipelines: &'a PipelineConfig, name: &str) -> Vec<Route<'a>> {
    let asked = pipelines.pipelines();
    asked.map(|pipeline| Route { decision: pipeline.filter.decide(name), pipeline }).collect()
}

impl Explained<'_> {
    /// How many samples reach a publisher.
    #[must_use]
    pub fn published_samples(&self) -> usize {
        let conversions = self.samples.asked().into_iter().flatten();
        conversions.flat_map(|made| &made.fates).filter(|fate| fate.is_published()).count()
    }

    /// Whether its event reaches a publisher.
    #[must_use]
    pub fn is_event_published(&self) -> bool {
        self.event.asked().is_some_and(|event| event.routes.iter().any(Route::is_taken))
    }
}

impl<'a> Explainer<'a> {
    /// What the agent does with a message of the bus.
    #[must_use]
    pub fn delivery(&self, delivery: &Delivery) -> Explanation<'a> {
        // The agent passes over payloads that nobody wants, and finds them wrong all the same; here they are read, to
        // tell why nobody wants them.
        let everything = Arc::new(Some(Needs::everything()));
        match decode(delivery, |_, _| Arc::clone(&everything)) {
            Ok(Decoded::Wanted(notification)) => {
                Explanation::Notification(Box::new(self.notification(notification)))
            }
            Ok(Decoded::UnknownPriority(name)) => Explanation::UnknownPriority { name },
            // Cannot be: everything is wanted.
            Ok(Decoded::Unwanted) => Explanation::UnknownPriority { name: String::new() },
            Err(error) => Explanation::Rejected { cause: error.cause(), error: error.to_string() },
        }
    }

    /// What the agent does with a notification that has been read.
    #[must_use]
    pub fn notification(&self, notification: Notification) -> Explained<'a> {
        let samples = match self.samples {
            None => Part::Disabled,
            Some(_) if !SampleEndpoints::accepts(notification.priority()) => Part::Priority,
            Some((endpoints, settings, pipelines)) => {
                let conversions = endpoints.explain(&notification, settings).into_iter();
                Part::Asked(conversions.map(|conversion| with_fates(conversion, pipelines)).collect())
            }
        };
        let event = match self.events {
            None => Part::Disabled,
            Some(_) if !EventDefinitions::accepts(notification.priority()) => Part::Priority,
            Some((definitions, pipelines)) => {
                let explanation = definitions.explain(&notification);
                let made = explanation.outcome.as_ref().ok().and_then(Option::as_ref);
                let routes = made.map(|event| routes(pipelines, &event.event_type)).unwrap_or_default();
                Part::Asked(ExplainedEvent { explanation, routes })
            }
        };
        let has_failed = event.asked().is_some_and(|event| event.explanation.outcome.is_err());
        let is_given_back = has_failed && !self.options.ack_on_event_error;
        Explained { notification, samples, event, is_given_back }
    }
}

fn with_fates<'a>(conversion: Conversion<'a>, pipelines: &'a PipelineConfig) -> ExplainedConversion<'a> {
    let fate = |sample| match volume_problem(sample) {
        Some(cause) => SampleFate::Dropped(cause),
        None => SampleFate::Routed(routes(pipelines, &sample.name)),
    };
    ExplainedConversion { fates: conversion.samples.iter().map(fate).collect(), conversion }
}

#[cfg(test)]
mod tests;

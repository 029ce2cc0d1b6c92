//! The built-in definitions over notifications of real services.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use nephoscope_definitions::{
    EventDefinitions, EventSettings, MeterDefinitions, ResourceDefinitions, ResourceSettings,
    SampleEndpoints, SampleSettings, Severity, builtin,
};

#[path = "support/corpus.rs"]
mod corpus;

#[test]
fn built_in_files_have_no_problems() {
    let (meters, problems) = MeterDefinitions::load(&[builtin::METERS]);
    assert_eq!(problems, []);
    assert_eq!(meters.iter().len(), 38);
    let (events, problems) = EventDefinitions::load(builtin::EVENTS, &EventSettings::default());
    assert_eq!(problems, []);
    // The catch-all is the one that no file has.
    assert_eq!(events.iter().len(), 47 + 1);
    let (resources, problems) = ResourceDefinitions::load(builtin::RESOURCES, &ResourceSettings::default());
    assert_eq!(problems, []);
    assert_eq!((resources.iter().len(), resources.archive_policies().len()), (19, 4));
    assert!(Severity::Warning < Severity::Error && Severity::Error < Severity::Fatal);
}

#[test]
fn every_notification_gives_an_event_and_most_give_samples() {
    let meters = SampleEndpoints::new(MeterDefinitions::builtin());
    let events = EventDefinitions::builtin(&EventSettings::default());
    let messages = corpus::messages();
    let mut samples = Vec::new();
    for (message, priority) in &messages {
        let notification = corpus::notification(message, *priority);
        let failures = meters.convert(&notification, &SampleSettings::default(), &mut samples);
        assert_eq!(failures, []);
        let event = events.convert(&notification).unwrap().unwrap();
        assert_eq!(Some(&*event.event_type), notification.event_type());
    }
    assert!(samples.len() > messages.len() / 2, "{} samples", samples.len());
    // Made of message, definition and place, so the same notifications give the same ids.
    let ids: std::collections::HashSet<_> = samples.iter().map(|sample| &sample.id).collect();
    assert_eq!(ids.len(), samples.len());
}

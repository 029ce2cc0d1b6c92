//! `[publisher_notifier]`

use crate::option::build_names::was;
use crate::option::text;

const TOPIC: &str = "the topic belongs into the publisher's URL";

options! { "publisher_notifier";
    /// Topic that the notifier publisher sends samples to, unless its URL names one.
    METERING_TOPIC: Str = text("metering_topic", "metering").leaving(TOPIC);
    /// Topic that the notifier publisher sends events to, unless its URL names one.
    EVENT_TOPIC: Str = text("event_topic", "event").leaving(TOPIC);
    /// Notification driver of the notifier publisher and of the polling agent.
    TELEMETRY_DRIVER: Str = text("telemetry_driver", "messagingv2").formerly(&[was("metering_driver")]);
}

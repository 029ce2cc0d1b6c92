//! `[oslo_messaging_notifications]`

use super::messaging::REFUSED_TRANSPORTS;
use crate::option::{integer, list, multi, nullable_text};

options! { "oslo_messaging_notifications";
    /// How this program's own notifications are sent, unless a publisher says otherwise.
    DRIVER: List = multi("driver", &[]).later("the notifier publisher");
    /// Message bus of notifications, if it is not that of `[DEFAULT] transport_url`.
    TRANSPORT_URL: OptStr = nullable_text("transport_url").secret().refuses(REFUSED_TRANSPORTS);
    /// Topics that notifications are sent to and consumed from; a queue `<topic>.<priority>` each.
    TOPICS: List = list("topics", &["notifications"]);
    /// Attempts to send a notification after the first that failed; 0: none, -1: without end.
    RETRY: Int = integer("retry", -1).later("the notifier publisher");
}

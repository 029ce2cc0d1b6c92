//! `[event]`

use crate::option::{boolean, multi, text};

options! { "event";
    /// File that says which traits events get from notifications.
    DEFINITIONS_CFG_FILE: Str = text("definitions_cfg_file", "event_definitions.yaml");
    /// Whether notifications without a definition are dropped. Otherwise they become events with the
    /// traits that all events have.
    DROP_UNMATCHED_NOTIFICATIONS: Bool = boolean("drop_unmatched_notifications", false);
    /// Priorities, `info` and `error`, of the notifications that are kept whole in their event.
    STORE_RAW: List = multi("store_raw", &[]);
}

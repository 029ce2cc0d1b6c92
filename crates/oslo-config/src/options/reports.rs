//! `[oslo_reports]`

use crate::option::{integer, nullable_text};

const ROLE: &str = "the report on a signal";

options! { "oslo_reports";
    /// Directory that reports are written to. Unset: standard error.
    LOG_DIR: OptStr = nullable_text("log_dir").later(ROLE);
    /// File whose change asks for a report.
    FILE_EVENT_HANDLER: OptStr = nullable_text("file_event_handler").later(ROLE);
    /// Seconds between two looks at that file.
    FILE_EVENT_HANDLER_INTERVAL: Int = integer("file_event_handler_interval", 1).later(ROLE);
}

//! `[DEFAULT]`: options of oslo.config and cotyledon.

use crate::option::{boolean, integer, list};

options! { "DEFAULT";
    /// Groups that describe further sources of configuration, such as a file on a web server.
    CONFIG_SOURCE: List = list("config_source", &[])
        .no_effect("only files, the environment and the command line are read");
    /// Whether every option is logged at start, at level debug; secrets are hidden.
    LOG_OPTIONS: Bool = boolean("log_options", true).no_effect("see `nephoscope config show`");
    /// Seconds to finish work in hand when told to stop; 0: no limit.
    GRACEFUL_SHUTDOWN_TIMEOUT: Int = integer("graceful_shutdown_timeout", 60);
}

/// `[oslo_concurrency]`
pub mod concurrency {
    use crate::option::{boolean, nullable_text};

    const WHY: &str = "no lock files are used";

    options! { "oslo_concurrency";
        /// Whether locks between processes are left out.
        DISABLE_PROCESS_LOCKING: Bool = boolean("disable_process_locking", false).no_effect(WHY);
        /// Directory of lock files.
        LOCK_PATH: OptStr = nullable_text("lock_path").no_effect(WHY);
    }
}

//! `[DEFAULT]`: options of oslo.log.

use crate::option::build_names::was;
use crate::option::{boolean, integer, list, nullable_text, text};

const PYTHON: &str = "it concerns Python's logging";

options! { "DEFAULT";
    /// Whether debug messages are logged as well.
    DEBUG: Bool = boolean("debug", false);
    /// Python logging configuration file, which upstream reads instead of all other logging options.
    LOG_CONFIG_APPEND: OptStr = nullable_text("log_config_append").formerly(&[was("log-config"), was("log_config")])
        .no_effect("Python logging configuration files cannot be read; use the other logging options");
    /// Form of the time in log lines, in the letters of `strftime`.
    LOG_DATE_FORMAT: Str = text("log_date_format", "%Y-%m-%d %H:%M:%S");
    /// File to log to. Unset, and no `log_dir` either: standard error.
    LOG_FILE: OptStr = nullable_text("log_file").formerly(&[was("logfile")]);
    /// Directory of `log_file`; without one, the file is named after the program.
    LOG_DIR: OptStr = nullable_text("log_dir").formerly(&[was("logdir")]);
    /// Whether to log to syslog.
    USE_SYSLOG: Bool = boolean("use_syslog", false);
    /// Whether to log to systemd's journal.
    USE_JOURNAL: Bool = boolean("use_journal", false);
    /// Facility of syslog messages.
    SYSLOG_LOG_FACILITY: Str = text("syslog_log_facility", "LOG_USER");
    /// Whether log lines are JSON.
    USE_JSON: Bool = boolean("use_json", false);
    /// Whether to log to standard error even if a file is set.
    USE_STDERR: Bool = boolean("use_stderr", false);
    /// Whether levels are coloured on a terminal.
    LOG_COLOR: Bool = boolean("log_color", false);
    /// How many units of `log_rotate_interval_type` a log file is written to.
    LOG_ROTATE_INTERVAL: Int = integer("log_rotate_interval", 1);
    /// Unit of `log_rotate_interval`.
    LOG_ROTATE_INTERVAL_TYPE: Str = text("log_rotate_interval_type", "days")
        .choices_any_case(&["Seconds", "Minutes", "Hours", "Days", "Weekday", "Midnight"]);
    /// Rotated log files that are kept.
    MAX_LOGFILE_COUNT: Int = integer("max_logfile_count", 30);
    /// Megabytes after which a log file is rotated.
    MAX_LOGFILE_SIZE_MB: Int = integer("max_logfile_size_mb", 200);
    /// Whether log files are rotated, and by what.
    LOG_ROTATION_TYPE: Str = text("log_rotation_type", "none").choices_any_case(&["interval", "size", "none"]);
    /// Form of log lines that belong to a request, in the words of Python's logging.
    LOGGING_CONTEXT_FORMAT_STRING: Str = text("logging_context_format_string",
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(global_request_id)s %(request_id)s %(user_identity)s] %(instance)s%(message)s");
    /// Form of log lines that belong to no request.
    LOGGING_DEFAULT_FORMAT_STRING: Str = text("logging_default_format_string",
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s");
    /// What is added to log lines of the level debug.
    LOGGING_DEBUG_FORMAT_SUFFIX: Str = text("logging_debug_format_suffix", "%(funcName)s %(pathname)s:%(lineno)d");
    /// Form of the beginning of each line of a traceback.
    LOGGING_EXCEPTION_PREFIX: Str = text("logging_exception_prefix",
        "%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s").no_effect("there are no tracebacks");
    /// Form of the identity in log lines that belong to a request.
    LOGGING_USER_IDENTITY_FORMAT: Str = text("logging_user_identity_format",
        "%(user)s %(project)s %(domain)s %(system_scope)s %(user_domain)s %(project_domain)s")
        .no_effect("no log line belongs to a user");
    /// Levels of single loggers, `logger=LEVEL`.
    DEFAULT_LOG_LEVELS: List = list("default_log_levels", &[
        "amqp=WARN", "boto=WARN", "sqlalchemy=WARN", "suds=INFO", "oslo.messaging=INFO", "oslo_messaging=INFO",
        "iso8601=WARN", "requests.packages.urllib3.connectionpool=WARN", "urllib3.connectionpool=WARN",
        "websocket=WARN", "requests.packages.urllib3.util.retry=WARN", "urllib3.util.retry=WARN",
        "keystonemiddleware=WARN", "routes.middleware=WARN", "stevedore=WARN", "taskflow=WARN",
        "keystoneauth=WARN", "oslo.cache=INFO", "oslo_policy=INFO", "dogpile.core.dogpile=INFO", "futurist=INFO",
        "openstack=INFO",
    ]);
    /// Whether errors are sent as notifications.
    PUBLISH_ERRORS: Bool = boolean("publish_errors", false).no_effect("errors are counted in /metrics instead");
    /// Form of an instance in a log line.
    INSTANCE_FORMAT: Str = text("instance_format", "[instance: %(uuid)s] ").no_effect(PYTHON);
    /// Form of an instance's id in a log line.
    INSTANCE_UUID_FORMAT: Str = text("instance_uuid_format", "[instance: %(uuid)s] ").no_effect(PYTHON);
    /// Seconds over which log lines are counted for `rate_limit_burst`; 0: no limit.
    RATE_LIMIT_INTERVAL: Int = integer("rate_limit_interval", 0);
    /// Log lines in that time at most.
    RATE_LIMIT_BURST: Int = integer("rate_limit_burst", 0);
    /// Level from which log lines are not limited.
    RATE_LIMIT_EXCEPT_LEVEL: Str = text("rate_limit_except_level", "CRITICAL")
        .choices(&["CRITICAL", "ERROR", "INFO", "WARNING", "DEBUG", ""]);
    /// Whether the use of something deprecated ends the program.
    FATAL_DEPRECATIONS: Bool = boolean("fatal_deprecations", false).no_effect("see `nephoscope check --strict`");
}

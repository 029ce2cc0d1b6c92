//! oslo.log's options, as the observability crate takes them.

use std::path::Path;
use std::time::Duration;

use observability::logs::{
    CallSiteLimit, Facility, LogError, LogFormat, LogOptions, OverallLimit, Rotation, RotationInterval,
    log_file_path,
};
use oslo_config::Config;
use oslo_config::options::{logging, nephoscope};

use crate::surroundings::Surroundings;

/// What to log, and where to.
pub(crate) fn log_options(
    config: &Config,
    program: &str,
    around: &Surroundings,
) -> Result<LogOptions, LogError> {
    let format = match config.get(&nephoscope::LOG_FORMAT) {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        "journald" => LogFormat::Journald,
        _ if config.get(&logging::USE_JSON) => LogFormat::Json,
        _ => LogFormat::Auto,
    };
    Ok(LogOptions {
        program: program.to_owned(),
        debug: config.get(&logging::DEBUG),
        default_levels: config.get(&logging::DEFAULT_LOG_LEVELS).to_vec(),
        format,
        file: log_file_path(
            config.get(&logging::LOG_FILE).map(Path::new),
            config.get(&logging::LOG_DIR).map(Path::new),
            program,
        ),
        use_stderr: config.get(&logging::USE_STDERR),
        use_journal: config.get(&logging::USE_JOURNAL),
        use_syslog: config.get(&logging::USE_SYSLOG),
        facility: Facility::parse(config.get(&logging::SYSLOG_LOG_FACILITY))?,
        journal_stream: around.journal_stream.clone(),
        rotation: rotation(config),
        max_files: usize::try_from(config.get(&logging::MAX_LOGFILE_COUNT)).unwrap_or(0),
        date_format: config.get(&logging::LOG_DATE_FORMAT).to_owned(),
        line: config.get(&logging::LOGGING_DEFAULT_FORMAT_STRING).to_owned(),
        context_line: config.get(&logging::LOGGING_CONTEXT_FORMAT_STRING).to_owned(),
        debug_suffix: config.get(&logging::LOGGING_DEBUG_FORMAT_SUFFIX).to_owned(),
        color: config.get(&logging::LOG_COLOR),
        overall_limit: overall_limit(config),
        call_site_limit: Some(CallSiteLimit::default()),
        ..LogOptions::default()
    })
}

fn rotation(config: &Config) -> Rotation {
    let configured = config.get(&logging::LOG_ROTATE_INTERVAL);
    let every = u32::try_from(configured).unwrap_or(1).max(1);
    match config.get(&logging::LOG_ROTATION_TYPE).to_ascii_lowercase().as_str() {
        "size" => {
            let megabytes = u64::try_from(config.get(&logging::MAX_LOGFILE_SIZE_MB)).unwrap_or(0);
            Rotation::Size(megabytes.saturating_mul(1 << 20))
        }
        "interval" => {
            let kind = config.get(&logging::LOG_ROTATE_INTERVAL_TYPE).to_ascii_lowercase();
            Rotation::Interval(match kind.as_str() {
                "seconds" => RotationInterval::Seconds(every),
                "minutes" => RotationInterval::Minutes(every),
                "hours" => RotationInterval::Hours(every),
                "weekday" => RotationInterval::Weekday(u8::try_from(configured.clamp(0, 6)).unwrap_or(0)),
                "midnight" => RotationInterval::Midnight,
                _ => RotationInterval::Days(every),
            })
        }
        _ => Rotation::None,
    }
}

fn overall_limit(config: &Config) -> Option<OverallLimit> {
    let interval =
        u64::try_from(config.get(&logging::RATE_LIMIT_INTERVAL)).ok().filter(|seconds| *seconds > 0)?;
    let burst = u64::try_from(config.get(&logging::RATE_LIMIT_BURST)).ok().filter(|burst| *burst > 0)?;
    let except_level = config.get(&logging::RATE_LIMIT_EXCEPT_LEVEL).to_owned();
    Some(OverallLimit { interval: Duration::from_secs(interval), burst, except_level })
}

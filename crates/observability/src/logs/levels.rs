//! Which events pass: `debug`, `default_log_levels`, and the names that Python's loggers have here.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Python loggers of the upstream programs and their libraries, and the targets that do the same work here. A name
/// covers everything below it, on both sides.
const COUNTERPARTS: [(&str, &[&str]); 16] = [
    ("ceilometer.publisher", &["nephoscope_publishers"]),
    ("ceilometer.pipeline", &["nephoscope_pipeline", "nephoscope_notification", "nephoscope_definitions"]),
    ("ceilometer.notification", &["nephoscope_notification"]),
    ("ceilometer.messaging", &["nephoscope_oslo_messaging"]),
    ("ceilometer", &["nephoscope"]),
    ("oslo_messaging", &["nephoscope_oslo_messaging"]),
    ("oslo.messaging", &["nephoscope_oslo_messaging"]),
    ("oslo_config", &["nephoscope_oslo_config"]),
    ("oslo.config", &["nephoscope_oslo_config"]),
    ("oslo_policy", &["nephoscope_oslo_policy"]),
    ("cotyledon", &["nephoscope_observability"]),
    ("amqp", &["lapin", "amq_protocol"]),
    ("keystoneauth", &["nephoscope_openstack"]),
    ("urllib3", &["hyper", "hyper_util", "reqwest", "h2"]),
    ("requests", &["hyper", "hyper_util", "reqwest", "h2"]),
    ("sqlalchemy", &["nephoscope_sql", "tokio_postgres", "rusqlite"]),
];

/// Libraries below us speak at these levels unless an option says otherwise, also with `debug`.
const LIBRARIES: [(&str, LevelFilter); 9] = [
    // It reports each closed socket as an error; our own lines say what happened, and what is done about it.
    ("lapin", LevelFilter::OFF),
    ("amq_protocol", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("hyper_util", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("mio", LevelFilter::WARN),
    ("tokio_util", LevelFilter::WARN),
];

/// An element of `default_log_levels` that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// No `=` in it.
    #[error("{0:?} is not of the form logger=LEVEL")]
    Pair(String),
    /// The level is none of Python's.
    #[error(
        "in {pair:?}: {level:?} is no level; write CRITICAL, ERROR, WARNING, INFO, DEBUG, TRACE or a number"
    )]
    Level {
        /// The whole element.
        pair: String,
        /// Its right-hand side.
        level: String,
    },
}

/// The filter that `debug` and `default_log_levels` mean. Names that have no counterpart here are accepted without
/// effect, as in Python, where any name is a logger.
pub(super) fn targets(debug: bool, default_levels: &[String]) -> Result<Targets, LevelError> {
    let base = if debug { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let mut targets = Targets::new().with_default(base);
    for (target, level) in LIBRARIES {
        targets = targets.with_target(target, level);
    }
    for pair in default_levels.iter().filter(|pair| !pair.trim().is_empty()) {
        let (name, level) = pair.split_once('=').ok_or_else(|| LevelError::Pair(pair.clone()))?;
        let level = parse_level(level.trim())
            .ok_or_else(|| LevelError::Level { pair: pair.clone(), level: level.trim().to_owned() })?;
        let name = name.trim();
        if name.is_empty() || name == "root" {
            targets = targets.with_default(level);
        }
        for target in own_targets(name) {
            targets = targets.with_target(target, level);
        }
    }
    Ok(targets)
}

/// Python's level names and numbers. There is nothing above `ERROR` here, so `CRITICAL` keeps errors.
fn parse_level(level: &str) -> Option<LevelFilter> {
    if let Ok(number) = level.parse::<i64>() {
        return Some(match number {
            ..10 => LevelFilter::TRACE,
            10..20 => LevelFilter::DEBUG,
            20..30 => LevelFilter::INFO,
            30..40 => LevelFilter::WARN,
            40.. => LevelFilter::ERROR,
        });
    }
    Some(match level.to_ascii_uppercase().as_str() {
        "CRITICAL" | "FATAL" | "ERROR" => LevelFilter::ERROR,
        "WARNING" | "WARN" => LevelFilter::WARN,
        "INFO" | "AUDIT" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        "TRACE" | "NOTSET" => LevelFilter::TRACE,
        _ => return None,
    })
}

/// The targets that a logger's name stands for.
fn own_targets(name: &str) -> Vec<String> {
    if name == "nephoscope" || name.starts_with("nephoscope.") || name.starts_with("nephoscope_") {
        return vec![target_of_name(name)];
    }
    let covers = |logger: &str| {
        // `oslo.messaging._drivers=DEBUG` means our driver as a whole: its modules are not Python's.
        name == logger || name.strip_prefix(logger).is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some((_, targets)) = COUNTERPARTS.iter().find(|(logger, _)| covers(logger)) {
        return targets.iter().map(|target| (*target).to_owned()).collect();
    }
    // A library's own name, such as `lapin` or `hyper::proto`.
    let is_library = LIBRARIES.iter().any(|(library, _)| name.split(['.', ':']).next() == Some(library));
    if is_library { vec![name.replace('.', "::")] } else { Vec::new() }
}

/// `nephoscope.oslo_messaging.listener`, as shown in a line, back to `nephoscope_oslo_messaging::listener`.
fn target_of_name(name: &str) -> String {
    let name = name.replace("::", ".");
    let name =
        name.strip_prefix("nephoscope.").map_or_else(|| name.clone(), |rest| format!("nephoscope_{rest}"));
    name.replace('.', "::")
}

/// A target as the logger's name in a line: `nephoscope_oslo_messaging::listener` is
/// `nephoscope.oslo_messaging.listener`.
pub(super) fn name_of_target(target: &str) -> String {
    let dotted = target.replace("::", ".");
    match dotted.strip_prefix("nephoscope_") {
        Some(rest) => format!("nephoscope.{rest}"),
        None => dotted,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn with(debug: bool, pairs: &[&str]) -> Targets {
        targets(debug, &pairs.iter().map(|pair| (*pair).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn names_of_both_worlds_set_levels() {
        let listener = "nephoscope_oslo_messaging::listener";
        for (pairs, target, level, passes) in [
            (&[][..], listener, Level::INFO, true),
            (&[], listener, Level::DEBUG, false),
            (&["oslo_messaging=DEBUG"], listener, Level::DEBUG, true),
            (&["oslo.messaging._drivers.impl_rabbit=ERROR"], listener, Level::WARN, false),
            (&["nephoscope.oslo_messaging.listener=DEBUG"], listener, Level::DEBUG, true),
            (&["nephoscope_oslo_messaging::connection=DEBUG"], listener, Level::DEBUG, false),
            (&["ceilometer=WARN"], "nephoscope::run", Level::INFO, false),
            (&["ceilometer=WARN"], "nephoscope_pipeline", Level::INFO, false),
            (&["amqp=10"], "lapin::channel", Level::DEBUG, true),
            (&["lapin=info"], "lapin::channel", Level::INFO, true),
            (&["boto=WARN", "suds=CRITICAL", ""], listener, Level::INFO, true),
            (&["root=ERROR"], "anything", Level::WARN, false),
        ] {
            assert_eq!(with(false, pairs).would_enable(target, &level), passes, "{pairs:?} {target} {level}");
        }
        assert!(with(true, &[]).would_enable("nephoscope::run", &Level::DEBUG));
        assert!(!with(true, &[]).would_enable("hyper::proto", &Level::DEBUG), "libraries stay quiet");
    }

    #[test]
    fn what_is_no_pair_is_refused_with_its_value() {
        let error = targets(false, &["amqp".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "\"amqp\" is not of the form logger=LEVEL");
        let error = targets(false, &["amqp=LOUD".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("in \"amqp=LOUD\": \"LOUD\" is no level; write"), "{error}");
    }

    #[test]
    fn a_target_survives_the_way_through_its_name() {
        for target in ["nephoscope_oslo_messaging::listener", "nephoscope_http", "lapin::channel"] {
            let name = name_of_target(target);
            let back = own_targets(&name);
            assert_eq!(back, [target], "{name}");
        }
    }
}

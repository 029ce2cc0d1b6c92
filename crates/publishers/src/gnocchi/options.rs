//! The options in a `gnocchi://` URL.

use std::time::Duration;

use pipeline::{BuildError, PublisherUrl};

/// The definitions that are read unless the URL names others.
pub const DEFAULT_DEFINITIONS: &str = "gnocchi_resources.yaml";
/// `timeout` unless the URL has one.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(6_050);
/// `give_up_after` unless the URL has one.
const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_mins(2);
/// The longest time in a URL; a clock cannot be moved by as much as a URL can say.
const LONGEST: Duration = Duration::from_hours(1);
/// What `enable_filter_project` may say for yes; anything else is no, as for oslo's `bool_from_string`.
const YES: [&str; 6] = ["1", "t", "true", "on", "y", "yes"];

/// What a `gnocchi://` URL says. Its host is ignored: the endpoint is the catalogue's, or that of `[gnocchi]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GnocchiOptions {
    /// The project whose samples are left out, because they are Gnocchi's own; `None` leaves out nothing.
    pub filter: Option<FilterProject>,
    /// The file with the resource definitions, as written.
    pub definitions_file: String,
    /// The archive policy of every metric.
    pub archive_policy: Option<String>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long a record that Gnocchi alone fails at (5xx) is tried while it takes others; our own option.
    pub give_up_after: Duration,
}

/// A project by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterProject {
    /// The project's name.
    pub project: String,
    /// Its domain's name.
    pub domain: String,
}

impl GnocchiOptions {
    /// Reads a `gnocchi://` URL as Ceilometer does: of a repeated option the last value, an empty value is none.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when `timeout` or `give_up_after` is no number of seconds.
    pub fn from_url(url: &PublisherUrl) -> Result<Self, BuildError> {
        let query = url.query();
        let last = |wanted: &str| {
            let mut given = query.iter().filter(|(name, value)| name == wanted && !value.is_empty());
            given.next_back().map(|(_, value)| value.clone())
        };
        let filters = last("enable_filter_project").is_none_or(|value| is_yes(&value));
        let filter = filters.then(|| FilterProject {
            project: last("filter_project").unwrap_or_else(|| "service".into()),
            domain: last("filter_domain").unwrap_or_else(|| "Default".into()),
        });
        let time = |name: &str, default: Duration| {
            let Some(value) = last(name) else { return Ok(default) };
            seconds(&value).ok_or_else(|| BuildError::Configuration {
                message: format!("{name}={value:?} is not a number of seconds above zero"),
                hint: format!("write seconds, for example {name}={}", default.as_secs_f64()),
            })
        };
        let timeout = time("timeout", DEFAULT_TIMEOUT)?;
        let give_up_after = time("give_up_after", DEFAULT_GIVE_UP_AFTER)?;
        Ok(Self {
            filter,
            definitions_file: last("resources_definition_file").unwrap_or_else(|| DEFAULT_DEFINITIONS.into()),
            archive_policy: last("archive_policy"),
            timeout,
            give_up_after,
        })
    }
}

fn is_yes(value: &str) -> bool {
    let value = value.trim().to_lowercase();
    YES.contains(&value.as_str())
}

fn seconds(value: &str) -> Option<Duration> {
    let seconds: f64 = value.trim().parse().ok()?;
    let is_usable = seconds.is_finite() && seconds > 0.0;
    is_usable.then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<GnocchiOptions, String> {
        GnocchiOptions::from_url(&PublisherUrl::new(url)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_as_ceilometer_reads_them() {
        let plain = read("gnocchi").unwrap();
        assert_eq!(plain.filter, Some(FilterProject { project: "service".into(), domain: "Default".into() }));
        assert_eq!((plain.definitions_file.as_str(), plain.archive_policy), (DEFAULT_DEFINITIONS, None));
        assert_eq!((plain.timeout, plain.give_up_after), (DEFAULT_TIMEOUT, DEFAULT_GIVE_UP_AFTER));
        let full = "gnocchi://host?filter_project=a&filter_project=b&filter_domain=d&archive_policy=low&timeout=2.5&give_up_after=30&\
                    resources_definition_file=/x.yaml";
        let full = read(full).unwrap();
        assert_eq!(full.filter, Some(FilterProject { project: "b".into(), domain: "d".into() }));
        assert_eq!(
            (full.definitions_file.as_str(), full.archive_policy.as_deref()),
            ("/x.yaml", Some("low"))
        );
        assert_eq!(full.timeout, Duration::from_millis(2_500));
        assert_eq!(full.give_up_after, Duration::from_secs(30));
        for (value, filters) in
            [("false", false), ("no", false), ("what", false), ("True", true), (" yes ", true), ("", true)]
        {
            let options = read(&format!("gnocchi://?enable_filter_project={value}")).unwrap();
            assert_eq!(options.filter.is_some(), filters, "{value}");
        }
    }

    #[test]
    fn a_timeout_that_is_none_is_an_error() {
        for value in ["soon", "0", "-1", "nan", "inf"] {
            let error = read(&format!("gnocchi://?timeout={value}")).unwrap_err();
            assert!(error.starts_with(&format!("timeout={value:?} is not a number of seconds")), "{error}");
            let error = read(&format!("gnocchi://?give_up_after={value}")).unwrap_err();
            assert!(error.ends_with("write seconds, for example give_up_after=120"), "{error}");
        }
        assert_eq!(read("gnocchi://?timeout=1e300").unwrap().timeout, LONGEST);
    }
}

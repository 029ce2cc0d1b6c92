//! The options in a `file://` URL.

use std::path::PathBuf;

use pipeline::{BuildError, PublisherUrl};

/// How a record becomes a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text of a Python `dict`, Ceilometer's default.
    Python,
    /// JSON, with the option `json`.
    Json,
}

/// When the file is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A record that would bring the file to this size, in bytes, goes to a new file.
    pub max_bytes: u64,
    /// Files set aside that are kept, as `path.1` (the newest) to `path.N`.
    pub backup_count: u32,
}

/// What a `file://` URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// The file.
    pub path: PathBuf,
    /// One line's format.
    pub format: Format,
    /// `None`: the file grows without bound.
    pub rotation: Option<Rotation>,
}

impl FileOptions {
    /// Reads a `file://` URL as Ceilometer does: the path as it stands, of a repeated option the first
    /// value, rotation only when both numbers are given and above zero.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when there is no path, or a number is none. Ceilometer logs this and
    /// then drops every record; here it is an error.
    pub fn from_url(url: &PublisherUrl) -> Result<Self, BuildError> {
        if url.path().is_empty() {
            return Err(BuildError::Configuration {
                message: "a file publisher needs a path".into(),
                hint:
                    "write three slashes and an absolute path, for example file:///var/log/samples.json?json"
                        .into(),
            });
        }
        let query = url.query();
        let first =
            |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let rotation = match (first("max_bytes"), first("backup_count")) {
            (Some(max_bytes), Some(backup_count)) => {
                let max_bytes = number("max_bytes", max_bytes)?;
                let backup_count = number("backup_count", backup_count)?;
                let backup_count = u32::try_from(backup_count).unwrap_or(u32::MAX);
                (max_bytes > 0 && backup_count > 0).then_some(Rotation { max_bytes, backup_count })
            }
            _ => None,
        };
        let format = if first("json").is_some() { Format::Json } else { Format::Python };
        Ok(Self { path: PathBuf::from(url.path()), format, rotation })
    }
}

fn number(option: &str, value: &str) -> Result<u64, BuildError> {
    value.trim().parse().map_err(|_| BuildError::Configuration {
        message: format!("{option}={value:?} is not a whole number of zero or more"),
        hint: format!("write digits only, for example {option}=10000000"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<FileOptions, String> {
        FileOptions::from_url(&PublisherUrl::new(url)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_as_ceilometer_reads_them() {
        let rotation = |max_bytes, backup_count| Some(Rotation { max_bytes, backup_count });
        for (url, path, format, expected) in [
            ("file:///a/b", "/a/b", Format::Python, None),
            ("file:///a%20b?json", "/a%20b", Format::Json, None),
            ("file://ignored/a?json=no", "/a", Format::Json, None),
            ("file:///a?max_bytes=10", "/a", Format::Python, None),
            ("file:///a?max_bytes=10&backup_count=0", "/a", Format::Python, None),
            ("file:///a?max_bytes=10&backup_count=2&max_bytes=99", "/a", Format::Python, rotation(10, 2)),
        ] {
            let options = read(url).unwrap();
            assert_eq!(
                (options.path.to_str().unwrap(), options.format, options.rotation),
                (path, format, expected)
            );
        }
    }

    #[test]
    fn what_ceilometer_would_only_log_is_an_error() {
        assert_eq!(
            read("file://").unwrap_err(),
            "a file publisher needs a path; write three slashes and an absolute path, for example \
             file:///var/log/samples.json?json"
        );
        assert_eq!(
            read("file:///a?max_bytes=1k&backup_count=2").unwrap_err(),
            "max_bytes=\"1k\" is not a whole number of zero or more; write digits only, for example max_bytes=10000000"
        );
    }
}

//! Differences between Ceilometer's samples and ours: those that are meant, and those that are found.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

/// One that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The sample's name.
    meter: String,
    /// Its resource; `*`: any.
    resource: String,
    /// `missing`: Ceilometer has no such sample; `extra`: we have none; else a path in the sample.
    what: String,
    /// What Ceilometer has there, if that matters.
    theirs: Option<Value>,
    /// What we have there, if that matters.
    ours: Option<Value>,
    /// Why it is meant.
    why: String,
    #[serde(skip)]
    is_used: bool,
}

/// All that are meant.
pub(crate) struct Differences(Vec<Expected>);

/// Samples by meter and resource.
type Samples = BTreeMap<(String, String, usize), Value>;

impl Differences {
    /// Every file of the directory.
    pub(crate) fn read() -> Self {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/central/differences");
        let mut all: Vec<Expected> = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let read: Vec<Expected> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(read.iter().all(|one| !one.why.is_empty()), "{}: why?", path.display());
            all.extend(read);
        }
        Self(all)
    }

    /// Writes what differs and is not meant.
    pub(crate) fn compare(&mut self, ours: &Samples, theirs: &Samples, report: &mut String) {
        for (key, own) in ours {
            match theirs.get(key) {
                None if self.is_meant(key, "missing", None, Some(own)) => {}
                None => {
                    let _ = writeln!(report, "{key:?}: Ceilometer has no such sample: {own}");
                }
                Some(original) => self.compare_values(key, "", own, original, report),
            }
        }
        for (key, original) in theirs.iter().filter(|(key, _)| !ours.contains_key(*key)) {
            if !self.is_meant(key, "extra", Some(original), None) {
                let _ = writeln!(report, "{key:?}: we have no such sample: {original}");
            }
        }
    }

    fn compare_values(
        &mut self,
        key: &(String, String, usize),
        path: &str,
        ours: &Value,
        theirs: &Value,
        report: &mut String,
    ) {
        if let (Value::Object(own), Value::Object(original)) = (ours, theirs) {
            for name in own.keys().chain(original.keys().filter(|name| !own.contains_key(*name))) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (own.get(name), original.get(name)) {
                    (Some(own), Some(original)) => self.compare_values(key, &path, own, original, report),
                    (own, original) if self.is_meant(key, &path, original, own) => {}
                    (own, original) => {
                        let _ = writeln!(report, "{key:?} {path}: {own:?}, Ceilometer: {original:?}");
                    }
                }
            }
            return;
        }
        if ours != theirs && !self.is_meant(key, path, Some(theirs), Some(ours)) {
            let _ = writeln!(report, "{key:?} {path}: {ours}, Ceilometer: {theirs}");
        }
    }

    fn is_meant(
        &mut self,
        (meter, resource, _): &(String, String, usize),
        what: &str,
        theirs: Option<&Value>,
        ours: Option<&Value>,
    ) -> bool {
        let agrees = |expected: Option<&Value>, found: Option<&Value>| {
            expected.is_none_or(|expected| found.is_none_or(|found| found == expected))
        };
        let mut is_meant = false;
        for one in &mut self.0 {
            let is_it = one.meter == *meter
                && (one.resource == "*" || one.resource == *resource)
                && one.what == what
                && agrees(one.theirs.as_ref(), theirs)
                && agrees(one.ours.as_ref(), ours);
            one.is_used |= is_it;
            is_meant |= is_it;
        }
        is_meant
    }

    /// Writes those that are meant and were not found.
    pub(crate) fn unused(&self, report: &mut String) {
        for one in self.0.iter().filter(|one| !one.is_used) {
            let _ = writeln!(report, "not a difference: {} of {}: {}", one.what, one.meter, one.resource);
        }
    }
}

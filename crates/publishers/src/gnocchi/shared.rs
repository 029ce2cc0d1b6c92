//! [`Shared`]: what agents have told Gnocchi of resources, by way of the cache of `[cache]`.
//!
//! Keys and values are Ceilometer's: a resource's id, and a hash of the attributes that were sent last. An entry is emptied
//! before a request that changes its resource, so that it never says more than Gnocchi knows. What the cache does not say,
//! because it is down or has forgotten it, is sent again.

use std::fmt::Write as _;

use blake2::{Blake2b512, Digest as _};
use model::{Map, Value, json};
use openstack::Cache;

use super::metrics::{CacheFailure, GnocchiMetrics};

/// An entry for each resource.
#[derive(Debug)]
pub(super) struct Shared {
    cache: Cache,
}

impl Shared {
    pub(super) fn new(cache: Cache) -> Self {
        Self { cache }
    }

    /// The hash that stands there for a resource.
    pub(super) async fn said(&self, id: &str, metrics: &GnocchiMetrics) -> Option<String> {
        match self.cache.get(id).await {
            Ok(said) => said,
            Err(error) => {
                metrics.cache_failures.increment(CacheFailure::Get);
                tracing::debug!(cause = error.cause(), "the cache of attributes failed: {error}");
                None
            }
        }
    }

    /// Writes a hash for a resource; an empty one equals no other.
    pub(super) async fn say(&self, id: &str, hash: &str, metrics: &GnocchiMetrics) {
        if let Err(error) = self.cache.set(id, hash).await {
            metrics.cache_failures.increment(CacheFailure::Set);
            tracing::debug!(cause = error.cause(), "the cache of attributes failed: {error}");
        }
    }
}

/// Ceilometer's hash of attributes: BLAKE2b of their JSON with sorted keys, without blanks, in ASCII.
pub(super) fn hash(attributes: &Map) -> String {
    let mut text = Vec::new();
    // A metric of a resource is no attribute.
    write_sorted(attributes.iter().filter(|(name, _)| *name != "metrics"), &mut text);
    let digest = Blake2b512::digest(&text);
    digest.iter().fold(String::with_capacity(2 * digest.len()), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn write_sorted<'m>(entries: impl Iterator<Item = (&'m str, &'m Value)>, out: &mut Vec<u8>) {
    let mut sorted: Vec<_> = entries.collect();
    // UTF-8 sorts as its characters do, and Python sorts by them.
    sorted.sort_by_key(|(name, _)| *name);
    out.push(b'{');
    for (place, (name, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        json::write_string(name, out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Map(map) => write_sorted(map.iter(), out),
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        plain => json::write(plain, out),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    const SCRIPT: &str = "import json, sys
from ceilometer.publisher.gnocchi import GnocchiPublisher
for line in sys.stdin:
    print(GnocchiPublisher._hash_resource(json.loads(line)))
";

    #[test]
    fn a_known_hash() {
        let attributes: Map =
            [("display_name", "d"), ("flavor_id", "f"), ("project_id", "pr")].into_iter().collect();
        assert_eq!(
            hash(&attributes),
            "5996765e045c3489ce118572cf516e0d2c1f72bc4789efe417089d0d3c12b31588f17e164731b9327cd9117c2bfaa70a38e4bd33bbcb802a3f\
             2096a049374bcc"
        );
    }

    #[test]
    fn hashes_are_ceilometers() {
        let cases = [
            r"{}",
            r#"{"project_id": "p", "host": "a"}"#,
            r#"{"b": null, "a": true, "B": 1.50, "ä": "é \" \\ \u0001 \ud83d\ude00", "metrics": {"cpu": 1}}"#,
            r#"{"z": {"y": [1, {"d": 2, "c": 1e300}], "x": []}, "a": 36893488147419103232, "e": {}}"#,
        ];
        let mut python = Command::new(testkit::venv_python().unwrap())
            .args(["-B", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(format!("{}\n", cases.join("\n")).as_bytes()).unwrap();
        let output = python.wait_with_output().unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        let ours = cases.map(|case| {
            let Value::Map(map) = json::parse(case).unwrap() else { panic!("{case}") };
            hash(&map)
        });
        assert_eq!(ours.to_vec(), expected.lines().collect::<Vec<_>>());
    }
}

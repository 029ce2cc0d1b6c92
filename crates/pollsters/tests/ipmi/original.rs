//! Ceilometer's own pollsters, run by `oracle.py`.

use serde_json::Value;

/// What the originals answer to each request.
pub(crate) fn original(requests: &[Value]) -> Vec<Value> {
    testkit::ask_python(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ipmi/oracle.py"), requests).unwrap()
}

/// Bytes as a text of a character each, as requests have them.
pub(crate) fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

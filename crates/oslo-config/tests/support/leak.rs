//! Options are declared in statics; those of a test live as long.

use serde_json::Value as Json;

pub(crate) fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

pub(crate) fn leaked_list(items: &[Json]) -> &'static [&'static str] {
    let items: Vec<&'static str> = items.iter().map(|item| leak(item.as_str().expect("text"))).collect();
    items.leak()
}

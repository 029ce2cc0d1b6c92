//! [`FieldTrace`]: what a field found in a notification, for explanations.

use std::borrow::Cow;

use model::Value;

use super::{Field, Getter};
use crate::error::shown;

/// What the field of a definition found.
#[derive(Debug, Clone)]
pub struct FieldTrace {
    /// The definition's key, such as `volume` or `metadata.host`.
    pub key: String,
    /// The field as the definition has it.
    pub written: String,
    /// How many values its paths found, nulls included; 0 for a constant.
    pub found: usize,
    /// Whether a plugin works on what was found.
    pub has_plugin: bool,
    /// What it gives: one value at most, unless the definition has a lookup.
    pub values: Vec<Value>,
    /// Whether what it gives is not used, because an empty text, a zero or the like counts as missing here.
    pub is_unused: bool,
}

impl FieldTrace {
    /// Why it gives nothing.
    #[must_use]
    pub fn nothing(&self) -> Option<String> {
        let Self { written, found, has_plugin, values, is_unused, .. } = self;
        if let [value, ..] = values.as_slice() {
            return is_unused.then(|| format!("{} at {written}, which counts as missing", shown(value)));
        }
        Some(match (found, has_plugin) {
            (0, _) => format!("nothing at {written}"),
            (_, false) => format!("null at {written}"),
            (1, true) => format!("1 value at {written}, of which the plugin makes nothing"),
            (_, true) => format!("{found} values at {written}, of which the plugin makes nothing"),
        })
    }
}

impl Field {
    /// What it finds: its first value, as a definition without lookup uses it, or `all`.
    pub(crate) fn trace(&self, key: impl Into<String>, root: &Value, all: bool) -> FieldTrace {
        let found = match &self.getter {
            Getter::Constant(_) => 0,
            Getter::Paths(paths) => paths.iter().map(|path| path.find(root).into_values().count()).sum(),
        };
        let values = if all { self.all(root) } else { self.first(root).into_iter().collect() };
        FieldTrace {
            key: key.into(),
            written: self.to_string(),
            found,
            has_plugin: self.plugin.is_some(),
            is_unused: false,
            values: values.into_iter().map(Cow::into_owned).collect(),
        }
    }
}

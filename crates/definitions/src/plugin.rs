//! Plugins: what a definition may do with the values that its paths found.

mod bitfield;
mod map;
mod split;

use std::borrow::Cow;
use std::fmt;

use model::{IsoTime, Value};
use yaml::Node;

use crate::problem::Fault;

pub(crate) use bitfield::Bitfield;
pub(crate) use map::Mapping;
pub(crate) use split::Split;

/// The values that the paths found, with their full paths; none is null.
pub(crate) type Found<'v> = [(String, Cow<'v, Value>)];

/// A plugin with its parameters.
#[derive(Debug)]
pub(crate) enum Plugin {
    /// Takes one segment of a text.
    Split(Split),
    /// Sets bits of a number.
    Bitfield(Bitfield),
    /// The seconds between two times.
    Timedelta,
    /// Replaces values by others.
    Map(Mapping),
}

impl Plugin {
    /// Compiles the value of `plugin`: a name, or a map of `name` and `parameters`.
    pub(crate) fn compile(field: &str, node: &Node) -> Result<Self, Fault> {
        let (name, parameters) = match (node.as_str(), node.get("name")) {
            (Some(_), _) => (node, None),
            (None, Some(name)) => (name, node.get("parameters").filter(|parameters| !parameters.is_null())),
            (None, None) => {
                return Err(Fault::new(node, format!("the plugin of {field} has no name"))
                    .hint("write `plugin: timedelta`, or a map with `name` and `parameters`"));
            }
        };
        if let Some(parameters) = parameters
            && parameters.as_map().is_none()
        {
            return Err(Fault::new(
                parameters,
                format!("the parameters of a plugin are {}", parameters.type_name()),
            )
            .hint("write a map"));
        }
        match name.as_str() {
            Some("split") => Split::compile(parameters).map(Self::Split),
            Some("bitfield") => Bitfield::compile(parameters).map(Self::Bitfield),
            Some("timedelta") => Ok(Self::Timedelta),
            Some("map") => Mapping::compile(name, parameters).map(Self::Map),
            _ => Err(Fault::new(name, format!("no plugin for {field} is called {}", quoted(name)))
                .hint("there are split, bitfield, timedelta and map")),
        }
    }

    /// Whether it gives one value for each value found, as lookups need.
    pub(crate) const fn gives_all(&self) -> bool {
        matches!(self, Self::Split(_))
    }

    /// The first value that it makes, if that is not null.
    pub(crate) fn first(&self, found: &Found<'_>) -> Option<Value> {
        self.all(found).into_iter().next()
    }

    /// The values that it makes, without nulls.
    pub(crate) fn all(&self, found: &Found<'_>) -> Vec<Value> {
        match self {
            Self::Split(split) => found.iter().filter_map(|(_, value)| split.apply(value)).collect(),
            Self::Bitfield(bitfield) => vec![Value::Int(bitfield.apply(found))],
            Self::Timedelta => timedelta(found).map(Value::Float).into_iter().collect(),
            Self::Map(mapping) => {
                found.iter().map(|(_, value)| mapping.apply(value)).filter(|value| !value.is_null()).collect()
            }
        }
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(split) => write!(f, "{split:?}"),
            Self::Bitfield(bitfield) => write!(f, "{bitfield:?}"),
            Self::Timedelta => f.write_str("Timedelta"),
            Self::Map(mapping) => write!(f, "{mapping:?}"),
        }
    }
}

/// The seconds between exactly two times, whichever comes first.
fn timedelta(found: &Found<'_>) -> Option<f64> {
    let [(_, start), (_, end)] = found else { return None };
    let start = IsoTime::parse(start.as_str()?).ok()?;
    let end = IsoTime::parse(end.as_str()?).ok()?;
    Some(start.seconds_until(end).abs())
}

/// A node for a message: a text in quotes, anything else by its kind.
pub(crate) fn quoted(node: &Node) -> String {
    node.as_str().map_or_else(|| node.type_name().to_owned(), |text| format!("{text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(text: &str) -> Result<Plugin, Fault> {
        Plugin::compile("x", &yaml::parse(text).unwrap())
    }

    fn found(values: &[(&str, Value)]) -> Vec<(String, Cow<'static, Value>)> {
        values.iter().map(|(path, value)| ((*path).to_owned(), Cow::Owned(value.clone()))).collect()
    }

    #[test]
    fn seconds_between_two_times() {
        let plugin = plugin("timedelta").unwrap();
        for (values, expected) in [
            (vec!["2026-07-21T13:56:00", "2026-07-21 13:56:10.5"], Some(Value::Float(10.5))),
            (vec!["2026-07-21T13:56:10Z", "2026-07-21T13:56:00+00:00"], Some(Value::Float(10.0))),
            (vec!["2026-07-21T13:56:10Z"], None),
            (vec!["2026-07-21", "soon"], None),
        ] {
            let values: Vec<_> = values.into_iter().map(|value| ("p", Value::from(value))).collect();
            assert_eq!(plugin.first(&found(&values)), expected);
        }
        assert_eq!(plugin.first(&found(&[("a", Value::Int(1)), ("b", Value::Int(2))])), None);
    }

    #[test]
    fn segments() {
        for (parameters, value, expected) in [
            ("{}", Value::from("a.b.c"), Some("a")),
            ("{segment: 1}", "a.b.c".into(), Some("b")),
            ("{segment: 1, max_split: 1}", "a.b.c".into(), Some("b.c")),
            ("{segment: -1}", "a.b.c".into(), Some("c")),
            ("{segment: 3}", "a.b.c".into(), None),
            ("{separator: null, segment: 1}", "  a \t b c".into(), Some("b")),
            ("{separator: null, max_split: 1, segment: 1}", " a  b c ".into(), Some("b c ")),
            ("{separator: ', '}", "[1, 2]".into(), Some("[1")),
            ("{segment: 1}", Value::Float(1.5), Some("5")),
            ("{max_split: 0, segment: 0}", "a.b".into(), Some("a.b")),
            ("{separator: null, max_split: 0}", " a b ".into(), Some("a b ")),
        ] {
            let plugin = plugin(&format!("{{name: split, parameters: {parameters}}}")).unwrap();
            assert_eq!(plugin.first(&found(&[("p", value)])), expected.map(Value::from), "{parameters}");
        }
    }

    #[test]
    fn bits() {
        let plugin = plugin(
            "{name: bitfield, parameters: {initial_bitfield: 1, flags: [{path: payload.a, bit: 1}, \
             {path: payload.b, bit: '2', value: 5}, {path: payload.b, bit: 3, value: no}]}}",
        )
        .unwrap();
        for (values, expected) in [
            (vec![], 1),
            (vec![("payload.a", Value::from("x"))], 3),
            (vec![("payload.b", Value::Float(5.0))], 5),
            (vec![("payload.b", Value::Int(5)), ("payload.b", Value::Int(0))], 9),
        ] {
            assert_eq!(plugin.first(&found(&values)), Some(Value::Int(expected)));
        }
    }

    #[test]
    fn replaced_values() {
        let plugin = plugin(
            "{name: map, parameters: {values: {Active: 1, 2: two, 3: null}, default: none, case_sensitive: no}}",
        )
        .unwrap();
        for (value, expected) in [
            (Value::from("ACTIVE"), Some(Value::Int(1))),
            (Value::Float(2.0), Some("two".into())),
            (Value::Int(3), None),
            (Value::from("2"), Some("none".into())),
            (Value::List(vec![]), Some("none".into())),
        ] {
            assert_eq!(plugin.first(&found(&[("p", value)])), expected);
        }
    }

    #[test]
    fn wrong_parameters_are_faults() {
        for text in [
            "{parameters: {}}",
            "[split]",
            "shout",
            "{name: split, parameters: [1]}",
            "{name: split, parameters: {separator: ''}}",
            "{name: split, parameters: {separator: 5}}",
            "{name: split, parameters: {segment: x}}",
            "{name: split, parameters: {max_split: x}}",
            "{name: bitfield, parameters: {flags: {}}}",
            "{name: bitfield, parameters: {flags: [{bit: 1}]}}",
            "{name: bitfield, parameters: {flags: [{path: a}]}}",
            "{name: bitfield, parameters: {flags: [{path: a, bit: 63}]}}",
            "{name: bitfield, parameters: {flags: [{path: a, bit: -1}]}}",
            "{name: bitfield, parameters: {initial_bitfield: x}}",
            "map",
            "{name: map, parameters: {values: {}}}",
            "{name: map, parameters: {values: [1]}}",
        ] {
            assert!(plugin(text).is_err(), "{text}");
        }
    }
}

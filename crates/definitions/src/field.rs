//! [`Field`]: one value of a definition, as a constant or as paths into the notification, with an optional plugin.

mod trace;

use std::borrow::Cow;
use std::fmt;

use expression::JsonPath;
use model::Value;
use yaml::{Kind, Node};

pub use trace::FieldTrace;

use crate::Needs;
use crate::plugin::Plugin;
use crate::problem::Fault;

/// A compiled value of a definition.
#[derive(Debug)]
pub struct Field {
    getter: Getter,
    plugin: Option<Plugin>,
}

#[derive(Debug)]
enum Getter {
    /// An integer (or boolean) of the file, or a text that stands for itself.
    Constant(Value),
    /// Paths in order; upstream joins them with `|`, which finds the same values in the same order.
    Paths(Vec<JsonPath>),
}

/// What to do with a text that is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal {
    /// Refuse it.
    Refused,
    /// It stands for itself, unless it begins like a path from the root (`$`). Upstream refuses it, so that units
    /// such as `B/s` or `%` cannot be written there.
    Accepted,
}

impl Field {
    /// Compiles the value of the definition's key `name`.
    pub(crate) fn compile(name: &str, node: &Node, literal: Literal) -> Result<Self, Fault> {
        let (fields, plugin) = if node.as_map().is_some() {
            let Some(fields) = node.get("fields") else {
                return Err(Fault::new(node, format!("{name} is a map without `fields`"))
                    .hint("write a path, or a map with the key `fields` and perhaps `plugin`"));
            };
            let plugin = node.get("plugin").map(|plugin| Plugin::compile(name, plugin)).transpose()?;
            (fields, plugin)
        } else {
            (node, None)
        };
        Ok(Self { getter: Getter::compile(name, fields, literal)?, plugin })
    }

    /// The plugin, if there is one.
    pub(crate) const fn plugin(&self) -> Option<&Plugin> {
        self.plugin.as_ref()
    }

    /// Adds what the value is looked for in.
    pub(crate) fn needs(&self, needs: &mut Needs) {
        if let Getter::Paths(paths) = &self.getter
            && !paths.iter().all(|path| path.reach(&mut |first, second| needs.add(first, second)))
        {
            *needs = Needs::everything();
        }
    }

    /// The first value that is not null.
    pub(crate) fn first<'v>(&'v self, root: &'v Value) -> Option<Cow<'v, Value>> {
        match (&self.getter, &self.plugin) {
            (Getter::Constant(value), _) => Some(Cow::Borrowed(value)).filter(|value| !value.is_null()),
            (Getter::Paths(paths), None) => paths.iter().find_map(|path| path.first_non_null(root)),
            (Getter::Paths(paths), Some(plugin)) => plugin.first(&found(paths, root)).map(Cow::Owned),
        }
    }

    /// All values, nulls included unless a plugin looks at them.
    ///
    /// A constant is one value; upstream fails on it.
    pub(crate) fn all<'v>(&'v self, root: &'v Value) -> Vec<Cow<'v, Value>> {
        match (&self.getter, &self.plugin) {
            (Getter::Constant(value), _) => vec![Cow::Borrowed(value)],
            (Getter::Paths(paths), None) => {
                paths.iter().flat_map(|path| path.find(root).into_values()).collect()
            }
            (Getter::Paths(paths), Some(plugin)) => {
                plugin.all(&found(paths, root)).into_iter().map(Cow::Owned).collect()
            }
        }
    }
}

/// The non-null values with their paths, for a plugin.
fn found<'v>(paths: &[JsonPath], root: &'v Value) -> Vec<(String, Cow<'v, Value>)> {
    let mut found = Vec::new();
    for path in paths {
        for item in path.find(root) {
            if !item.value.is_null() {
                found.push((item.path(), item.value));
            }
        }
    }
    found
}

impl Getter {
    fn compile(name: &str, fields: &Node, literal: Literal) -> Result<Self, Fault> {
        if let Some(items) = fields.as_seq() {
            match items {
                [] => {
                    return Err(
                        Fault::new(fields, format!("{name} is an empty list")).hint("list at least one path")
                    );
                }
                [only] if only.as_seq().is_none() => return Self::compile_one(name, only, Literal::Refused),
                _ => {}
            }
            let paths = items.iter().map(|item| path(name, item)).collect::<Result<_, _>>()?;
            return Ok(Self::Paths(paths));
        }
        Self::compile_one(name, fields, literal)
    }

    fn compile_one(name: &str, node: &Node, literal: Literal) -> Result<Self, Fault> {
        match &node.kind {
            Kind::Int(number) => Ok(Self::Constant(Value::Int(*number))),
            Kind::BigInt(digits) => Ok(Self::Constant(Value::BigInt(digits.as_str().into()))),
            Kind::Bool(truth) => Ok(Self::Constant(Value::Bool(*truth))),
            Kind::Str(text) if literal == Literal::Accepted && !text.starts_with('$') => Ok(path(name, node)
                .map_or_else(|_| Self::Constant(text.as_str().into()), |path| Self::Paths(vec![path]))),
            _ => Ok(Self::Paths(vec![path(name, node)?])),
        }
    }
}

fn path(name: &str, node: &Node) -> Result<JsonPath, Fault> {
    let Some(text) = node.as_str() else {
        return Err(Fault::new(node, format!("{name} is {} where a path should be", node.type_name()))
            .hint("write a path such as `$.payload.size`"));
    };
    JsonPath::parse(text).map_err(|error| {
        Fault::new(node, format!("{name}: {}, column {} of the path {text:?}", error.problem, error.column))
            .hint(
                "see the definition languages in the documentation; quote names that have special characters",
            )
    })
}

impl fmt::Display for Field {
    /// The value as it may stand in a definition file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.getter {
            Getter::Constant(value) => write!(f, "{value:?}")?,
            Getter::Paths(paths) => {
                for (place, path) in paths.iter().enumerate() {
                    write!(f, "{}{}", if place > 0 { " or " } else { "" }, path.as_str())?;
                }
            }
        }
        match &self.plugin {
            Some(plugin) => write!(f, " through {plugin}"),
            None => Ok(()),
        }
    }
}

/// A YAML value as data: dates become texts, keys that are no texts become their Python text.
pub(crate) fn to_value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(truth) => Value::Bool(*truth),
        Kind::Int(number) => Value::Int(*number),
        Kind::BigInt(digits) => Value::BigInt(digits.as_str().into()),
        Kind::Float(number) => Value::Float(*number),
        Kind::Str(text) => text.as_str().into(),
        Kind::Timestamp(time) => time.to_string().into(),
        Kind::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Kind::Seq(items) | Kind::Set(items) => Value::List(items.iter().map(to_value).collect()),
        Kind::Map(entries) | Kind::Pairs(entries) => {
            entries.iter().map(|(key, value)| (key_text(key), to_value(value))).collect::<model::Map>().into()
        }
    }
}

/// The text of a map's key.
pub(crate) fn key_text(key: &Node) -> String {
    model::pytext::to_str(&to_value(key))
}

//! From the nodes of a file to [`ResourceDefinitions`].

use std::sync::Arc;

use expression::Glob;
use yaml::{Kind, Node};

use super::sample::METADATA;
use super::{
    AssociatedType, Attribute, DEFAULT_ARCHIVE_POLICY, Metric, Operation, ResourceDefinition,
    ResourceDefinitions, ResourceSettings,
};
use crate::field::{Literal, key_text, to_value};
use crate::plugin::quoted;
use crate::problem::Fault;
use crate::{Field, Place, Severity};

/// What is wrong or doubtful beside what makes the whole file useless.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<(Severity, Fault)>);

impl Faults {
    fn push(&mut self, severity: Severity, fault: Fault) {
        self.0.push((severity, fault));
    }
}

/// Compiles the file into `loaded`; an error makes it useless.
pub(super) fn file(
    root: &Node,
    path: &Arc<str>,
    settings: &ResourceSettings,
    loaded: &mut ResourceDefinitions,
    faults: &mut Faults,
) -> Result<(), Fault> {
    if root.as_map().is_none() {
        return Err(Fault::new(root, format!("the file holds {}", root.type_name())).hint(
            "write a map with `resources`, and perhaps `archive_policies` and `archive_policy_default`",
        ));
    }
    let default = match root.get("archive_policy_default") {
        None => Some(DEFAULT_ARCHIVE_POLICY.into()),
        Some(node) => policy_name(node)?,
    };
    let policies = Policies { default, forced: settings.archive_policy.as_deref().map(Arc::from) };
    for node in list(root, "archive_policies")? {
        if node.get("name").and_then(Node::as_str).is_some() {
            loaded.archive_policies.push(to_value(node));
        } else {
            let fault = Fault::new(node, "an archive policy has no name")
                .hint("write a map with name, aggregation_methods, back_window and definition");
            faults.push(Severity::Error, fault);
        }
    }
    for node in list(root, "resources")? {
        match definition(node, path, &policies, faults) {
            Ok(definition) => loaded.definitions.push(definition),
            Err(fault) => faults.push(Severity::Error, fault),
        }
    }
    for (place, definition) in loaded.definitions.iter().enumerate() {
        for (metric, entry) in definition.metrics.iter().enumerate() {
            let earlier = loaded.by_metric.insert(Arc::clone(&entry.name), (place, metric));
            if let Some(earlier) = earlier.and_then(|(place, _)| loaded.definitions.get(place)) {
                let (name, winner) = (&entry.name, &definition.resource_type);
                let message =
                    format!("the metric {name} belongs to {winner} in line {}", definition.place.line);
                let fault =
                    Fault::at(&earlier.place, message).hint("of several types the last one has a metric");
                faults.push(Severity::Warning, fault);
            }
        }
    }
    Ok(())
}

/// The list under `key`, which may be absent.
fn list<'n>(root: &'n Node, key: &str) -> Result<&'n [Node], Fault> {
    let Some(node) = root.get(key) else { return Ok(&[]) };
    node.as_seq().ok_or_else(|| {
        Fault::new(node, format!("{key} is {}", node.type_name()))
            .hint("write a list, each entry behind a dash")
    })
}

/// A null leaves the choice to Gnocchi.
fn policy_name(node: &Node) -> Result<Option<Arc<str>>, Fault> {
    match &node.kind {
        Kind::Null => Ok(None),
        Kind::Str(name) => Ok(Some(name.as_str().into())),
        _ => Err(Fault::new(node, format!("the archive policy is {}", node.type_name()))
            .hint("write the name of an archive policy, in quotes if need be")),
    }
}

/// How the archive policy of a metric is chosen.
struct Policies {
    default: Option<Arc<str>>,
    /// The publisher's.
    forced: Option<Arc<str>>,
}

impl Policies {
    fn choose(&self, own: Option<Arc<str>>) -> Option<Arc<str>> {
        self.forced.clone().or(own).or_else(|| self.default.clone())
    }
}

fn definition(
    node: &Node,
    path: &Arc<str>,
    policies: &Policies,
    faults: &mut Faults,
) -> Result<ResourceDefinition, Fault> {
    if node.as_map().is_none() {
        return Err(Fault::new(node, format!("a resource definition is {}", node.type_name()))
            .hint("write a map with resource_type and metrics"));
    }
    let required = |key: &str| {
        node.get(key).ok_or_else(|| {
            Fault::new(node, format!("the resource definition lacks {key}"))
                .hint("write a map with resource_type and metrics")
        })
    };
    let resource_type = required("resource_type")?;
    let resource_type: Arc<str> = resource_type.as_str().map(Arc::from).ok_or_else(|| {
        Fault::new(resource_type, format!("resource_type is {}", resource_type.type_name()))
            .hint("write the name of a resource type, in quotes if need be")
    })?;
    let metrics = metrics(required("metrics")?, node, policies, faults)?;
    let attributes = map(node, "attributes")?.iter().map(|(key, value)| attribute(key, value));
    let attributes = attributes.collect::<Result<_, _>>()?;
    let mut events = [const { Vec::new() }; Operation::ALL.len()];
    for (operation, globs) in Operation::ALL.into_iter().zip(&mut events) {
        *globs = self::globs(node, operation)?;
    }
    let has_events = Operation::ALL.iter().any(|operation| node.get(operation.key()).is_some());
    let (event_id, event_attributes) = event_attributes(node, has_events, faults)?;
    let mut associated = Vec::new();
    if node.get("event_associated_resources").is_some_and(|others| !others.is_null()) {
        for (key, query) in map(node, "event_associated_resources")? {
            associated.extend(associated_type(key, query, faults)?);
        }
    }
    Ok(ResourceDefinition {
        resource_type,
        place: Place::of(node, path),
        metrics,
        attributes,
        events,
        event_id,
        event_attributes,
        associated,
    })
}

/// The entries of the map under `key`, which may be absent.
fn map<'n>(node: &'n Node, key: &str) -> Result<&'n [(Node, Node)], Fault> {
    let Some(node) = node.get(key) else { return Ok(&[]) };
    node.as_map().ok_or_else(|| {
        Fault::new(node, format!("{key} is {}", node.type_name())).hint("write a map, or leave it out")
    })
}

fn metrics(
    node: &Node,
    definition: &Node,
    policies: &Policies,
    faults: &mut Faults,
) -> Result<Vec<Metric>, Fault> {
    let deprecated = definition.get("archive_policy").map(|node| {
        let fault = Fault::new(node, "archive_policy of a resource type is deprecated")
            .hint("write `archive_policy_name` below each metric instead");
        faults.push(Severity::Warning, fault);
        policy_name(node)
    });
    let deprecated = deprecated.transpose()?;
    let entries: Vec<(&Node, Option<&Node>)> = match (node.as_map(), node.as_seq()) {
        (Some(entries), _) => entries.iter().map(|(name, extra)| (name, Some(extra))).collect(),
        (None, Some(names)) => names.iter().map(|name| (name, None)).collect(),
        (None, None) => {
            return Err(Fault::new(node, format!("metrics is {}", node.type_name()))
                .hint("write a list of meters, or a map from meters to their archive policy"));
        }
    };
    let mut metrics: Vec<Metric> = Vec::with_capacity(entries.len());
    for (name, extra) in entries {
        let Some(text) = name.as_str() else {
            if matches!(name.kind, Kind::Seq(_) | Kind::Map(_) | Kind::Set(_) | Kind::Pairs(_)) {
                return Err(Fault::new(name, format!("a metric is {}", name.type_name()))
                    .hint("write the names of meters"));
            }
            // No meter has such a name, so it does no harm either.
            let fault = Fault::new(name, format!("the name of a metric is {}", name.type_name()));
            faults.push(Severity::Warning, fault.hint("write it in quotes"));
            continue;
        };
        let own = match extra.filter(|extra| extra.is_truthy()) {
            None => None,
            Some(extra) if extra.as_map().is_some() => match extra.get("archive_policy_name") {
                Some(name) if name.is_truthy() => policy_name(name)?,
                _ => None,
            },
            Some(extra) => {
                return Err(Fault::new(extra, format!("the metric {text:?} has {}", quoted(extra)))
                    .hint("write nothing, or a map with `archive_policy_name`"));
            }
        };
        let archive_policy = deprecated.clone().unwrap_or_else(|| policies.choose(own));
        let metric = Metric { name: text.into(), archive_policy };
        match metrics.iter_mut().find(|known| known.name == metric.name) {
            Some(known) => *known = metric,
            None => metrics.push(metric),
        }
    }
    Ok(metrics)
}

fn attribute(key: &Node, node: &Node) -> Result<Attribute, Fault> {
    let name = key_text(key);
    let field = Field::compile(&name, node, Literal::Refused)?;
    let in_metadata =
        below_metadata(node).and_then(|below| Field::compile(&name, &below, Literal::Refused).ok());
    Ok(Attribute { name: name.into(), field, in_metadata })
}

/// `node` without the first step of its paths, if that is `resource_metadata` in all of them and taking it off leaves
/// the same meaning.
fn below_metadata(node: &Node) -> Option<Node> {
    match &node.kind {
        Kind::Str(path) => {
            let rest = path.strip_prefix(METADATA)?.strip_prefix('.')?;
            // Steps, choices and parentheses alone: other operators bind less tightly than the dot, or look at the
            // place where they stand.
            let plain = |character: char| {
                character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '|' | '(' | ')')
            };
            let is_plain = rest.chars().all(plain) && !rest.contains("..");
            is_plain.then(|| Node { kind: Kind::Str(rest.to_owned()), span: node.span })
        }
        Kind::Seq(items) => {
            let items = items.iter().map(below_metadata).collect::<Option<Vec<_>>>()?;
            Some(Node { kind: Kind::Seq(items), span: node.span })
        }
        _ => None,
    }
}

fn globs(node: &Node, operation: Operation) -> Result<Vec<Glob>, Fault> {
    let Some(node) = node.get(operation.key()) else { return Ok(Vec::new()) };
    let glob = |node: &Node| {
        node.as_str().map(Glob::new).ok_or_else(|| {
            Fault::new(node, format!("{} is {}", operation.key(), node.type_name())).hint(
                "write an event type such as `image.delete`, or a list of them; `*` stands for anything",
            )
        })
    };
    match node.as_seq() {
        Some(items) => items.iter().map(glob).collect(),
        None => Ok(vec![glob(node)?]),
    }
}

/// The trait with the id, and the attributes with their traits.
type EventAttributes = (Option<Arc<str>>, Vec<(Arc<str>, Arc<str>)>);

fn event_attributes(node: &Node, required: bool, faults: &mut Faults) -> Result<EventAttributes, Fault> {
    let entries = map(node, "event_attributes")?;
    let mut id = None;
    let mut others = Vec::new();
    for (key, value) in entries {
        let name = key_text(key);
        let Some(text) = value.as_str() else {
            let fault = Fault::new(value, format!("the event attribute {name} is {}", value.type_name()))
                .hint("write the name of a trait");
            if name == "id"
                || matches!(value.kind, Kind::Seq(_) | Kind::Map(_) | Kind::Set(_) | Kind::Pairs(_))
            {
                return Err(fault);
            }
            // No trait has such a name, so upstream finds nothing.
            faults.push(Severity::Warning, fault);
            continue;
        };
        match &*name {
            "id" => id = Some(text.into()),
            "type" => {
                return Err(Fault::new(key, "an event attribute is called type")
                    .hint("the type of a resource is its resource_type"));
            }
            _ => others.push((name.into(), text.into())),
        }
    }
    if required && id.is_none() {
        let at = node.get("event_attributes").unwrap_or(node);
        return Err(Fault::new(at, "the resource definition has events but no event attribute id")
            .hint("write below event_attributes `id:` and the trait that has the resource's id"));
    }
    Ok((id, others))
}

fn associated_type(key: &Node, node: &Node, faults: &mut Faults) -> Result<Option<AssociatedType>, Fault> {
    let resource_type = key_text(key);
    let parts = node.as_str().and_then(template).ok_or_else(|| {
        Fault::new(node, format!("the search for resources of type {resource_type} is {}", quoted(node)))
            .hint(r#"write a text in JSON with one %s for the id, such as '{"=": {"instance_id": "%s"}}'"#)
    })?;
    let (before, after) = parts;
    let associated = AssociatedType { resource_type: resource_type.into(), before, after };
    // Either a text or a number stands there.
    if associated.query("0").is_none() {
        let fault = Fault::new(node, "the search is not JSON, so it will find nothing")
            .hint(r#"write, for example, '{"=": {"instance_id": "%s"}}'"#);
        faults.push(Severity::Warning, fault);
        return Ok(None);
    }
    Ok(Some(associated))
}

/// What stands before and after the one `%s` of a text; `%%` is a percent sign.
fn template(text: &str) -> Option<(String, String)> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, parts.last_mut()) {
            ('%', Some(last)) => match characters.next()? {
                '%' => last.push('%'),
                's' => parts.push(String::new()),
                _ => return None,
            },
            (other, Some(last)) => last.push(other),
            (_, None) => return None,
        }
    }
    match <[String; 2]>::try_from(parts) {
        Ok([before, after]) => Some((before, after)),
        Err(_) => None,
    }
}

//! Files of definitions: every key with its type, default and check.

use std::sync::Arc;
use std::time::Duration;

use model::{Map, MeterKind, Value};
use yaml::{Kind, Node};

use super::attribute::Attribute;
use super::reader::{Reader, described};
use super::template::{Template, text_of};
use super::values::equal;
use super::{DynamicPollster, ExtraField, Handler, Metric, Owner, ProgramPollster, Request};
use crate::problem::parse_yaml;
use crate::{Place, Problem, Severity, Source};

/// The namespace of a definition that names none.
const DEFAULT_NAMESPACE: &str = "central";
/// How long answers of extra metadata are used again, where nobody says otherwise.
const DEFAULT_CACHE: Duration = Duration::from_hours(1);
/// How deeply fields of extra metadata may have such fields themselves.
const MAX_NESTED: usize = 8;

/// The keys of a definition.
const KEYS: [&str; 30] = [
    "name",
    "sample_type",
    "unit",
    "value_attribute",
    "endpoint_type",
    "url_path",
    "metadata_fields",
    "skip_sample_values",
    "value_mapping",
    "default_value",
    "metadata_mapping",
    "preserve_mapped_metadata",
    "response_entries_key",
    "next_sample_url_attribute",
    "user_id_attribute",
    "project_id_attribute",
    "resource_id_attribute",
    "headers",
    "timeout",
    "extra_metadata_fields",
    "extra_metadata_fields_skip",
    "extra_metadata_fields_cache_seconds",
    "response_handlers",
    "base_metadata",
    "namespaces",
    "host_command",
    "module",
    "authentication_object",
    "authentication_parameters",
    "barbican_secret_id",
];

/// The dynamic pollsters of an agent.
#[derive(Debug, Clone, Default)]
pub struct DynamicPollsters {
    /// In the order of the files; of equal names the first counts.
    pub pollsters: Vec<Arc<DynamicPollster>>,
    /// Those that are programs; none has a name of the others.
    pub programs: Vec<Arc<ProgramPollster>>,
    /// The names of those that are in the files, and not for this agent's namespaces.
    pub elsewhere: Vec<String>,
}

impl DynamicPollsters {
    /// Reads the files, in order, for an agent of these namespaces. The problems are complete: an error leaves one pollster
    /// out, a fatal one a file.
    #[must_use]
    pub fn load(files: &[Source<'_>], namespaces: &[&str]) -> (Self, Vec<Problem>) {
        let mut all = Self::default();
        let mut problems = Vec::new();
        for file in files {
            let root = match parse_yaml(*file) {
                Ok(root) => root,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let lines: Vec<&str> = file.text.lines().collect();
            let mut reader = Reader { path: file.path.into(), lines: &lines, problems: Vec::new() };
            all.read(&mut reader, &root, namespaces);
            reader.problems.sort_by_key(Problem::place);
            problems.append(&mut reader.problems);
        }
        (all, problems)
    }

    fn read(&mut self, reader: &mut Reader<'_>, root: &Node, namespaces: &[&str]) {
        let entries = match &root.kind {
            Kind::Null => return,
            Kind::Seq(entries) => entries,
            _ => {
                let message = format!("the file must be a list of pollsters, not {}", described(root));
                let hint = "write a dash before each pollster's name";
                reader.problem(Severity::Fatal, root.span, message, hint);
                return;
            }
        };
        for entry in entries {
            if entry.as_map().is_none() {
                reader.error(
                    entry.span,
                    format!("a pollster must be a map, not {}", described(entry)),
                    "write name: first",
                );
                continue;
            }
            let hint = "add name: and a text such as dynamic.magnum.cluster";
            let Some(name) = reader.required(entry, "name", hint).and_then(|node| reader.text("name", node))
            else {
                continue;
            };
            if !reader.namespaces(entry).iter().any(|own| namespaces.contains(&own.as_str())) {
                self.elsewhere.push(name);
                continue;
            }
            if let Some(known) = self.place_of(&name) {
                let message = format!("a pollster {name:?} is defined already, at {known}");
                let hint = "this one is left out; give it another name";
                reader.problem(Severity::Warning, entry.span, message, hint);
                continue;
            }
            if entry.get("program").is_some() {
                self.programs.extend(reader.program(entry).map(Arc::new));
            } else if let Some(pollster) = reader.pollster(entry, None) {
                self.pollsters.push(Arc::new(pollster));
            }
        }
    }

    fn place_of(&self, name: &str) -> Option<&Place> {
        let pollster = self.pollsters.iter().find(|known| known.name == name).map(|known| &known.place);
        pollster.or_else(|| self.programs.iter().find(|known| known.name == name).map(|known| &known.place))
    }
}

/// What a field of extra metadata has from the pollster that it belongs to.
struct Parent<'n> {
    node: &'n Node,
    /// What it inherited itself.
    above: Option<&'n Parent<'n>>,
    depth: usize,
}

impl<'n> Parent<'n> {
    /// The value of a key, from the nearest that has it.
    fn inherited(&self, key: &str) -> Option<&'n Node> {
        let own = match key {
            "value_attribute" => {
                self.node.get(key).or_else(|| self.above.and_then(|_| self.node.get("value")))
            }
            _ => self.node.get(key),
        };
        own.or_else(|| self.above.and_then(|above| above.inherited(key)))
    }
}

impl Reader<'_> {
    fn namespaces(&mut self, entry: &Node) -> Vec<String> {
        match entry.get("namespaces") {
            None => vec![DEFAULT_NAMESPACE.to_owned()],
            Some(node) => match node.as_seq() {
                Some(items) => items.iter().filter_map(|item| self.text("namespaces", item)).collect(),
                None => self.text("namespaces", node).into_iter().collect(),
            },
        }
    }

    /// Reads a definition, or a field's.
    fn pollster(&mut self, node: &Node, parent: Option<&Parent<'_>>) -> Option<DynamicPollster> {
        let before = self.problems.iter().filter(|problem| problem.severity != Severity::Warning).count();
        let pollster = self.whole(node, parent);
        let after = self.problems.iter().filter(|problem| problem.severity != Severity::Warning).count();
        pollster.filter(|_| before == after)
    }

    fn whole(&mut self, node: &Node, parent: Option<&Parent<'_>>) -> Option<DynamicPollster> {
        self.check_keys(node, parent.is_some());
        let name = self.name(node);
        let kind = self.sample_type(node, parent);
        let unit = self.inherited(node, parent, "unit", "write what is counted, such as cluster");
        let unit = unit.map(Reader::value);
        let request = self.request(node, parent.is_some());
        let metric = self.metric(node, parent, name.as_deref());
        let is_external = matches!(request, Some(Request::External { .. }));
        let owners = self.owners(node, is_external);
        let entries_key = self.optional_attribute(node, "response_entries_key");
        let next = self.optional_attribute(node, "next_sample_url_attribute");
        let metadata = self.metadata_fields(node);
        let mapping_hint = "write a map from the old key to the new one";
        let metadata_mapping = Self::given(node, "metadata_mapping")
            .map(|given| self.texts("metadata_mapping", given, mapping_hint))
            .unwrap_or_default();
        let keeps_mapped = Self::given(node, "preserve_mapped_metadata")
            .and_then(|given| self.boolean("preserve_mapped_metadata", given))
            .unwrap_or(true);
        let skipped = Self::given(node, "skip_sample_values")
            .map(|given| self.list("skip_sample_values", given, "write each value behind a dash"))
            .unwrap_or_default();
        let skipped = skipped.iter().map(Reader::value).collect();
        let value_hint = "write a map from what the API says to a number";
        let mapping = Self::given(node, "value_mapping")
            .map(|given| self.map("value_mapping", given, value_hint))
            .unwrap_or_default();
        let mapping = distinct(mapping);
        let default = Self::given(node, "default_value").map_or(Value::Int(-1), Reader::value);
        let headers = self.headers(node);
        let timeout = Self::given(node, "timeout").and_then(|given| self.seconds("timeout", given, false));
        let handlers = self.handlers(node);
        let extra = self.extra(node, parent);
        Some(DynamicPollster {
            name: name?,
            place: Place::of(node, &self.path),
            kind: kind?,
            unit: unit?,
            request: request?,
            headers,
            timeout,
            handlers,
            extra,
            metric: metric?,
            entries_key,
            next,
            owners,
            metadata,
            metadata_mapping,
            keeps_mapped,
            skipped,
            mapping,
            default,
        })
    }

    fn check_keys(&mut self, node: &Node, is_field: bool) {
        self.known_keys(node, "a dynamic pollster", &KEYS, |key| is_field && key == "value");
        if let Some((key, _)) = node.entry("base_metadata") {
            let message = "base_metadata is set by the agent itself: it is ignored";
            self.problem(Severity::Warning, key.span, message, "leave it out");
        }
    }

    pub(super) fn name(&mut self, node: &Node) -> Option<String> {
        let hint = "add name: and a text such as dynamic.magnum.cluster";
        let given = self.required(node, "name", hint)?;
        let name = self.text("name", given)?;
        if !is_name(&name) {
            let message = format!("the name {name:?} cannot be used");
            let hint = "use letters, digits, _ and -, with dots between; the last part may be a placeholder such as {category}";
            self.error(given.span, message, hint);
            return None;
        }
        Some(name)
    }

    /// The value of a key that a field may have from its pollster.
    fn inherited<'n>(
        &mut self,
        node: &'n Node,
        parent: Option<&Parent<'n>>,
        key: &str,
        hint: &str,
    ) -> Option<&'n Node> {
        if node.get(key).is_none()
            && let Some(inherited) = parent.and_then(|parent| parent.inherited(key))
        {
            // What is wrong with it was said where it stands.
            return Some(inherited).filter(|node| node.is_truthy());
        }
        self.required(node, key, hint)
    }

    fn sample_type(&mut self, node: &Node, parent: Option<&Parent<'_>>) -> Option<MeterKind> {
        let hint = "write gauge, delta or cumulative";
        let given = self.inherited(node, parent, "sample_type", hint)?;
        let kind = given.as_str().and_then(MeterKind::from_name);
        if kind.is_none() && node.get("sample_type").is_some() {
            self.error(given.span, format!("sample_type is {}", described(given)), hint);
        }
        kind
    }

    fn request(&mut self, node: &Node, is_field: bool) -> Option<Request> {
        let is_set = |key: &str| node.get(key).is_some_and(Node::is_truthy);
        let text = |reader: &mut Self, key: &str, hint: &str| {
            let given = reader.required(node, key, hint)?;
            reader.text(key, given)
        };
        let optional = |reader: &mut Self, key: &str| {
            let given = Self::given(node, key).filter(|given| given.is_truthy())?;
            reader.text(key, given)
        };
        let is_external = is_set("module");
        let external = if is_external {
            let hint = "name the class of the module that signs requests, such as S3Auth";
            let module = text(self, "module", hint);
            let object = text(self, "authentication_object", hint);
            Some((module, object))
        } else {
            None
        };
        if is_set("host_command") {
            let command = text(self, "host_command", "write a command for the shell")?;
            return Some(Request::Command(Template::new(&command, is_field)));
        }
        let path_hint = "write what is asked for, such as v1/clusters/detail";
        let Some((module, object)) = external else {
            let endpoint_type =
                text(self, "endpoint_type", "name the service's type in the catalogue, such as compute");
            let path = text(self, "url_path", path_hint);
            return Some(Request::OpenStack {
                endpoint_type: endpoint_type?,
                path: Template::new(&path?, is_field),
            });
        };
        let url = text(self, "url_path", "write the whole address, such as http://rgw/admin/usage");
        let parameters = optional(self, "authentication_parameters").unwrap_or_default();
        let secret = optional(self, "barbican_secret_id").unwrap_or_default();
        let url = url?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let span = node.get("url_path").map_or(node.span, |given| given.span);
            self.error(
                span,
                format!("url_path is {url:?}"),
                "write the whole address, such as http://rgw/admin/usage",
            );
            return None;
        }
        Some(Request::External { url, module: module?, object: object?, parameters, secret })
    }

    fn metric(&mut self, node: &Node, parent: Option<&Parent<'_>>, name: Option<&str>) -> Option<Metric> {
        let hint = "name the attribute of an entry that is measured, such as status";
        // A field has its own value first, and under two names.
        let own = node.get("value_attribute").or_else(|| parent.and_then(|_| node.get("value")));
        let given = match own {
            Some(given) if given.is_truthy() => given,
            Some(given) => {
                self.error(given.span, format!("value_attribute is {}", described(given)), hint);
                return None;
            }
            None => self.inherited(node, parent, "value_attribute", hint)?,
        };
        let Some((placeholder, key)) = name.and_then(placeholder) else {
            return self.attribute("value_attribute", given).map(Metric::Single);
        };
        let text = self.text("value_attribute", given)?;
        let Some((list, value)) = multi_attribute(&text) else {
            let message = format!("value_attribute is {text:?}, and the name has a placeholder");
            let hint = "name the list in brackets, and what is measured of its elements: [categories].ops";
            self.error(given.span, message, hint);
            return None;
        };
        let (list, value) = (Attribute::of_path(list), Attribute::of_path(value));
        Some(Metric::Multi { list, placeholder: placeholder.to_owned(), key: key.to_owned(), value })
    }

    fn optional_attribute(&mut self, node: &Node, key: &str) -> Option<Attribute> {
        let given = Self::given(node, key).filter(|given| given.is_truthy())?;
        self.attribute(key, given)
    }

    fn owners(&mut self, node: &Node, is_external: bool) -> Vec<Owner> {
        const OWNERS: [(&str, &str); 3] = [
            ("user_id_attribute", "user_id"),
            ("project_id_attribute", "project_id"),
            ("resource_id_attribute", "id"),
        ];
        let mut owners = Vec::new();
        for (key, target) in OWNERS {
            let attribute = match Self::given(node, key) {
                // Nothing: the entry's own stays.
                Some(given) if !given.is_truthy() => continue,
                Some(given) => self.attribute(key, given),
                None => Some(Attribute::of_path(target)),
            };
            let Some(attribute) = attribute else { continue };
            // An entry of a service may lack what is not renamed, one of another API may not.
            if is_external || attribute.text() != target {
                owners.push(Owner { key: target, attribute });
            }
        }
        owners
    }

    fn metadata_fields(&mut self, node: &Node) -> Vec<(String, Attribute)> {
        let Some(given) = Self::given(node, "metadata_fields") else { return Vec::new() };
        let fields = self.list("metadata_fields", given, "write each attribute behind a dash");
        let mut metadata = Vec::new();
        for field in fields {
            if let Some(attribute) = self.attribute("metadata_fields", field) {
                metadata.push((attribute.text().to_owned(), attribute));
            }
        }
        metadata
    }

    fn headers(&mut self, node: &Node) -> Vec<(String, String)> {
        let Some(given) = Self::given(node, "headers").filter(|given| given.is_truthy()) else {
            return Vec::new();
        };
        let headers = self.texts("headers", given, "write a map from the header's name to its value");
        for (name, value) in &headers {
            let is_token = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
            if !is_token || value.bytes().any(|byte| byte != b'\t' && !(b' '..=b'~').contains(&byte)) {
                let hint = "use visible ASCII characters, and no colon in its name";
                self.error(given.span, format!("the header {name:?} cannot be sent"), hint);
            }
        }
        headers
    }

    fn handlers(&mut self, node: &Node) -> Vec<Handler> {
        const HINT: &str = "write a list of json, xml and text, in the order in which they are tried";
        let Some(given) = Self::given(node, "response_handlers") else { return vec![Handler::Json] };
        let mut handlers = Vec::new();
        for item in self.list("response_handlers", given, HINT) {
            match item.as_str() {
                Some("json") => handlers.push(Handler::Json),
                Some("xml") => handlers.push(Handler::Xml),
                Some("text") => handlers.push(Handler::Text),
                _ => self.error(item.span, format!("there is no response handler {}", described(item)), HINT),
            }
        }
        if handlers.is_empty() && given.as_seq().is_some_and(<[Node]>::is_empty) {
            self.error(given.span, "response_handlers is an empty list", HINT);
        }
        handlers
    }

    fn extra(&mut self, node: &Node, parent: Option<&Parent<'_>>) -> Vec<ExtraField> {
        let Some(given) = Self::given(node, "extra_metadata_fields").filter(|given| given.is_truthy()) else {
            return Vec::new();
        };
        let depth = parent.map_or(1, |parent| parent.depth + 1);
        if depth > MAX_NESTED {
            let hint = format!("{MAX_NESTED} levels are enough");
            self.error(given.span, "extra_metadata_fields are nested too deeply", hint);
            return Vec::new();
        }
        let fields = given.as_seq().unwrap_or(std::slice::from_ref(given));
        let own = Parent { node, above: parent, depth };
        let mut extra = Vec::new();
        for field in fields {
            if field.as_map().is_none() {
                let message = format!("an extra metadata field must be a map, not {}", described(field));
                self.error(field.span, message, "write name, endpoint_type, url_path and value");
                continue;
            }
            let cache = field
                .get("extra_metadata_fields_cache_seconds")
                .or_else(|| own.inherited("extra_metadata_fields_cache_seconds"))
                .filter(|node| !node.is_null())
                .map_or(Some(DEFAULT_CACHE), |node| {
                    self.seconds("extra_metadata_fields_cache_seconds", node, true)
                });
            let skip = field
                .get("extra_metadata_fields_skip")
                .or_else(|| own.inherited("extra_metadata_fields_skip"))
                .filter(|node| !node.is_null());
            let skip = skip.map(|node| self.skips(node)).unwrap_or_default();
            let pollster = self.pollster(field, Some(&own));
            if let (Some(pollster), Some(cache)) = (pollster, cache) {
                extra.push(ExtraField { pollster, cache, skip });
            }
        }
        extra
    }

    fn skips(&mut self, node: &Node) -> Vec<Map> {
        const HINT: &str = "write a list of maps, each a part of the samples that do without";
        let mut skips = Vec::new();
        for item in self.list("extra_metadata_fields_skip", node, HINT) {
            match Reader::value(item) {
                Value::Map(map) => skips.push(map),
                other => {
                    let message = format!("extra_metadata_fields_skip has {}", text_of(&other));
                    self.error(item.span, message, HINT);
                }
            }
        }
        skips
    }
}

/// Of keys that are equal to Python, such as `1` and `true`, the last one's value.
fn distinct(entries: &[(Node, Node)]) -> Vec<(Value, Value)> {
    let mut mapping: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let (key, value) = (Reader::value(key), Reader::value(value));
        match mapping.iter_mut().find(|(known, _)| equal(known, &key)) {
            Some((_, old)) => *old = value,
            None => mapping.push((key, value)),
        }
    }
    mapping
}

fn is_word(text: &str, may_have_dash: bool) -> bool {
    !text.is_empty()
        && text.chars().all(|character| {
            character.is_alphanumeric() || character == '_' || may_have_dash && character == '-'
        })
}

/// Parts of letters, digits, `_` and `-` with dots between; the last may be in braces.
fn is_name(name: &str) -> bool {
    let (plain, last) = match name.rsplit_once('.') {
        Some((plain, last)) if last.starts_with('{') => (plain, last),
        _ => (name, ""),
    };
    let has_good_end = last.is_empty()
        || last
            .strip_prefix('{')
            .and_then(|last| last.strip_suffix('}'))
            .is_some_and(|word| is_word(word, true));
    has_good_end && plain.split('.').all(|part| is_word(part, true))
}

/// The last segment of the name, and the word in its braces, if it is a placeholder.
fn placeholder(name: &str) -> Option<(&str, &str)> {
    let (_, last) = name.rsplit_once('.')?;
    let word = last.strip_prefix('{')?.strip_suffix('}')?;
    is_word(word, false).then_some((last, word))
}

/// `[list].a.b`: the list and the path.
fn multi_attribute(text: &str) -> Option<(&str, &str)> {
    let (list, path) = text.strip_prefix('[')?.split_once("].")?;
    (is_word(list, false) && path.split('.').all(|part| is_word(part, false))).then_some((list, path))
}
